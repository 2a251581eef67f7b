"""Association tables (_asn.fits)."""

from __future__ import annotations

from pathlib import Path

from wfc3tvb.errors import BadFileError
from wfc3tvb.io.fitsfile import read_fits
from wfc3tvb.io.fitstable import read_columns


def read_association(path: Path) -> list[str]:
    """Return the rootnames of an association's exposures, lower case, in the table's order.

    Raises
    ------
    NotFitsError
        If it is no FITS file.
    BadFileError
        If it has no table of members, or none that is present.
    """
    try:
        columns = read_columns(read_fits(path)[1])
        rows = list(zip(*(columns[name].tolist() for name in ("MEMNAME", "MEMTYPE", "MEMPRSNT")), strict=True))
    except (IndexError, KeyError) as error:
        raise BadFileError(path, "has no table of members", "give an _asn.fits file") from error
    kinds = [(name.strip().lower(), kind.strip().upper().replace("_", "-"), present) for name, kind, present in rows]
    members = [name for name, kind, present in kinds if kind.startswith("EXP") and present]
    if not members:
        raise BadFileError(path, "lists no exposure", "give an association of exposures")
    return members
