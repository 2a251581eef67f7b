"""Association tables (_asn.fits)."""

from __future__ import annotations

from pathlib import Path

from astropy.io import fits

from wfc3tvb.errors import BadFileError, NotFitsError


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
        with fits.open(path, memmap=False) as hdus:
            rows = [(str(r["MEMNAME"]), str(r["MEMTYPE"]), bool(r["MEMPRSNT"])) for r in hdus[1].data]
    except OSError as error:
        raise NotFitsError(path, "is not a FITS file that can be read", "give an _asn.fits file") from error
    except (IndexError, KeyError, TypeError) as error:
        raise BadFileError(path, "has no table of members", "give an _asn.fits file") from error
    kinds = [(name.strip().lower(), kind.strip().upper().replace("_", "-"), present) for name, kind, present in rows]
    members = [name for name, kind, present in kinds if kind.startswith("EXP") and present]
    if not members:
        raise BadFileError(path, "lists no exposure", "give an association of exposures")
    return members
