"""Names of datasets and files: rootnames, associations, products at MAST and in the public bucket.

Sources: WFC3 Data Handbook, section 2.1 (file names); the archive's public bucket ``stpubdata`` (key layout).
"""

from __future__ import annotations

import re

from wfc3tvb.errors import BadArgumentError

_ROOTNAME = re.compile(r"i[a-z0-9]{8}")
_FILE = re.compile(r"(?P<root>i[a-z0-9]{8})_(?P<suffix>[a-z0-9]{2,8})\.fits")
#: Proposal numbers have five digits; a header with more than this is damaged.
LARGEST_PROPOSAL = 1_000_000


def dataset_name(text: str) -> str:
    """Return `text` as a lower-case nine-character dataset name.

    Parameters
    ----------
    text : str
        Association, dataset or rootname in any case, e.g. ``IBOHBF040``.

    Raises
    ------
    BadArgumentError
        If it is not nine letters and digits that begin with ``i``.
    """
    name = text.strip().lower()
    if not _ROOTNAME.fullmatch(name):
        visit = "; for a visit, which has six, name its associations or exposures" if len(name) == 6 else ""
        raise BadArgumentError(
            f"{text!r} is not a WFC3 dataset name (nine characters, e.g. IBOHBF040 or IBOHBFB9Q{visit})"
        )
    return name


def is_dataset_name(text: str) -> bool:
    """Return whether `text` is a nine-character WFC3 dataset name, in any case."""
    return bool(_ROOTNAME.fullmatch(text.strip().lower()))


def is_association(name: str) -> bool:
    """Return whether a dataset name is that of an association: it ends in a digit, a rootname in a letter."""
    return name[-1:].isdigit()


def visit_of(rootname: str) -> str:
    """Return the visit (the first six characters) of a rootname."""
    return rootname[:6].lower()


def split_filename(filename: str) -> tuple[str, str]:
    """Split ``ibohbfb9q_ima.fits`` into rootname and suffix.

    Raises
    ------
    BadArgumentError
        If it is not a name that the archive gives to WFC3 files; this excludes paths and control characters.
    """
    match = _FILE.fullmatch(filename)
    if not match:
        raise BadArgumentError(f"{filename[:60]!r} is not the name of a WFC3 file (e.g. ibohbfb9q_ima.fits)")
    return match["root"], match["suffix"]


def split_local_filename(filename: str) -> tuple[str, str] | None:
    """Split the name of a file on this machine into rootname and suffix, in lower case; None if it is not WFC3's.

    Unlike the archive, people keep files in upper case, and packed: ``IBOHBFB9Q_IMA.FITS``, ``ibohbfb9q_ima.fits.gz``.
    """
    match = _FILE.fullmatch(filename.lower().removesuffix(".gz"))
    return (match["root"], match["suffix"]) if match else None


def file_name(rootname: str, suffix: str) -> str:
    """Return the name of a file, e.g. ``ibohbfb9q_ima.fits``.

    Raises
    ------
    BadArgumentError
        If there cannot be such a file.
    """
    name = f"{rootname.lower()}_{suffix}.fits"
    split_filename(name)
    return name


def bucket_key(rootname: str, suffix: str) -> str:
    """Return the key of a file in the public bucket, e.g. ``hst/public/iboh/ibohbfb9q/ibohbfb9q_ima.fits``."""
    return f"hst/public/{rootname[:4]}/{rootname}/{rootname}_{suffix}.fits"


def product_url(server: str, rootname: str, suffix: str) -> str:
    """Return the address of a file at MAST.

    Raises
    ------
    BadArgumentError
        If there cannot be such a file.
    """
    return f"{server.rstrip('/')}/api/v0.1/Download/file?uri=mast:HST/product/{file_name(rootname, suffix)}"
