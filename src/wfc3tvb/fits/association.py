"""Read association tables (``_asn.fits``)."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from wfc3tvb.errors import BadFileError
from wfc3tvb.fits.bintable import read_columns
from wfc3tvb.fits.hdus import read_fits


class Member(NamedTuple):
    """An exposure of an association: rootname in lower case, type (EXP-DTH, EXP-RP1, ...), True if it was taken."""

    rootname: str
    kind: str
    present: bool


def read_members(path: Path) -> list[Member]:
    """Return the exposures that an association table lists, in its order; products are left out.

    Raises
    ------
    NotFitsError
        If the file is not a FITS file.
    BadFileError
        If it has no table of members.
    """
    try:
        columns = read_columns(read_fits(path)[1])
        rows = list(zip(*(columns[name].tolist() for name in ("MEMNAME", "MEMTYPE", "MEMPRSNT")), strict=True))
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise BadFileError(path, "has no table of members", "give an _asn.fits file") from error
    members = [Member(str(name).strip().lower(), _kind(kind), bool(present)) for name, kind, present in rows]
    return [member for member in members if member.kind.startswith("EXP")]


def _kind(text: object) -> str:
    return str(text).strip().upper().replace("_", "-")


def read_association(path: Path) -> list[str]:
    """Return the rootnames of an association's exposures that were taken, lower case, in the table's order.

    Raises
    ------
    BadFileError
        The errors of `read_members`; also if no exposure was taken.
    """
    members = [member.rootname for member in read_members(path) if member.present]
    if not members:
        raise BadFileError(path, "lists no exposure that was taken", "give an association with exposures")
    return members


def is_association(path: Path) -> bool:
    """Return whether a file is an association's, by its name."""
    return path.name.endswith("_asn.fits")


def exposures_of(path: Path) -> tuple[list[Path], list[Path]]:
    """Return the RAW files of an association's exposures: those in its folder, and those that are missing.

    Parameters
    ----------
    path : Path
        An ``_asn.fits`` file; any other file is returned as it is.

    Raises
    ------
    BadFileError
        If the association cannot be read, none of its exposures is in its folder, or the path is a folder or a
        compressed file.
    """
    if path.is_dir():
        raise BadFileError(path, "is a folder", "give the _raw.fits or _asn.fits files in it")
    if path.name.endswith((".gz", ".zip")):
        raise BadFileError(path, "is compressed", "unpack it first")
    if not is_association(path):
        return [path], []
    members = [path.with_name(f"{name}_raw.fits") for name in read_association(path)]
    present = [member for member in members if member.is_file()]
    if not present:
        raise BadFileError(path, "none of its members' RAW files is in its folder", "download them into it")
    return present, [member for member in members if member not in present]
