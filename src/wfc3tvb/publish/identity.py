"""Identity of a release: collection, version, DOI, creators; and the file names that follow from it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wfc3tvb.errors import BadArgumentError

LICENSE, LICENSE_ID = "CC BY 4.0", "CC-BY-4.0"
LICENSE_URL = "https://creativecommons.org/licenses/by/4.0/"
_COLLECTION = re.compile(r"[a-z][a-z0-9-]{1,19}")
_VERSION = re.compile(r"\d+(\.\d+){0,2}")
_DOI = re.compile(r"10\.\d{4,9}/\S+")


@dataclass(frozen=True, kw_only=True)
class Release:
    """Identity of a release.

    Attributes
    ----------
    collection : str
        Identifier of the collection (HLSPID): 2 to 20 lower-case letters, digits and hyphens.
    version : str
        Version of the data, e.g. ``1.0``.
    doi : str or None
        DOI without a resolver's address, once it is reserved.
    title : str
        Title of the data set.
    creators : tuple of str
        Names in the form ``Family, Given``, or of a group.
    day : str
        Day of publication, ``YYYY-MM-DD``.

    Raises
    ------
    BadArgumentError
        If one of them is not of its form.

    References
    ----------
    Names and keywords: MAST, "Guidelines for Contributing High-Level Science Products".
    """

    collection: str = "wfc3tvb"
    version: str = "1.0"
    doi: str | None = None
    title: str = "Time-variable background of Hubble WFC3/IR exposures"
    creators: tuple[str, ...] = ("the wfc3tvb developers",)
    day: str = ""

    def __post_init__(self) -> None:
        if not _COLLECTION.fullmatch(self.collection):
            raise BadArgumentError(
                f"{self.collection!r} cannot be a collection; use 2 to 20 lower-case letters, digits and hyphens"
            )
        if not _VERSION.fullmatch(self.version):
            raise BadArgumentError(f"{self.version!r} is no version; write it like 1.0")
        if self.doi is not None and not _DOI.fullmatch(self.doi):
            raise BadArgumentError(f"{self.doi!r} is no DOI; write it like 10.5281/zenodo.1234567, without an address")

    def file_name(self, target: str, filter: str, product: str, ending: str) -> str:
        """Return ``hlsp_<collection>_hst_wfc3-ir_<target>_<filter>_v<version>_<product>.<ending>``."""
        where = f"hst_wfc3-ir_{name_part(target)}_{name_part(filter)}"
        return f"hlsp_{self.collection}_{where}_v{self.version}_{product}.{ending}"


def name_part(text: str) -> str:
    """Return a text as a part of a file name: lower case, other than letters, digits, + and point a hyphen."""
    return re.sub(r"[^a-z0-9+.]+", "-", text.lower()).strip("-.") or "unnamed"
