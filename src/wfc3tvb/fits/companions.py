"""Find the files of an exposure beside one another, whichever way their names are written."""

from __future__ import annotations

import re
from pathlib import Path

_NAME = re.compile(r"(?P<root>.+)_[a-z0-9]{2,8}\.fits(\.gz)?", re.IGNORECASE)


def companion(path: Path, suffix: str, rootname: str | None = None) -> Path | None:
    """Return the file of another kind beside a file: in upper or lower case, packed by gzip or not.

    Parameters
    ----------
    path : Path
        A file, such as ``ibohbfb9q_ima.fits``.
    suffix : str
        Suffix of the other: ``spt``, ``jit``, ...
    rootname : str, optional
        First part of the other's name; by default that of the file's.

    Returns
    -------
    Path or None
        None if there is no such file, or it is the file itself.
    """
    match = _NAME.fullmatch(path.name)
    if rootname is None and match is None:
        return None
    stem = f"{rootname or (match and match['root'])}_{suffix}.fits"
    names = dict.fromkeys(name for plain in (stem, stem.lower(), stem.upper()) for name in (plain, f"{plain}.gz"))
    names |= {f"{stem.upper()}.GZ": None}
    return next((found for name in names if (found := path.with_name(name)).is_file() and found != path), None)
