"""Read the orbit in the primary header of a support file (``_spt.fits``)."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wfc3tvb.errors import BadFileError, MissingKeywordError, NotFitsError
from wfc3tvb.fits.blocks import CHECK_THE_COPY, Bytes, FileBytes, read_cards
from wfc3tvb.fits.cards import Cards
from wfc3tvb.fits.unpacked import gunzip, is_gzip
from wfc3tvb.models import OrbitElements
from wfc3tvb.system.disk_errors import disk_error

log = logging.getLogger(__name__)

#: Field of `OrbitElements` and the keyword that fills it.
KEYWORDS = {
    "epoch": "EPCHTIME",
    "semi_latus_rectum": "SEMILREC",
    "eccentricity": "ECCENTRY",
    "sin_inclination": "SINEINCL",
    "cos_inclination": "COSINCLI",
    "mean_anomaly": "MEANANOM",
    "mean_motion": "FDMEANAN",
    "mean_motion_rate": "SDMEANAN",
    "perigee": "ARGPERIG",
    "perigee_rate": "RCARGPER",
    "node": "RASCASCN",
    "node_rate": "RCASCNRV",
}


def read_orbit(path: Path) -> OrbitElements:
    """Read the orbit elements of a support file, packed by gzip or not.

    Raises
    ------
    NotFitsError, MissingKeywordError, BadFileError
        If the file is not a FITS file, lacks an element, or has an element that is not a number.
    """
    try:
        with FileBytes(path) as file:
            data: Bytes = gunzip(path) if is_gzip(path) else file
            if bytes(data[0:6]) != b"SIMPLE":
                raise NotFitsError(path, "not a FITS file", CHECK_THE_COPY)
            header = Cards(read_cards(data, 0, path).decode("latin-1"), path)
    except FileNotFoundError as error:
        raise BadFileError(path, "there is no such file", "check the name") from error
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
        raise disk_error(error) or BadFileError(path, problem, CHECK_THE_COPY) from error
    return orbit_of(header, path)


def orbit_of(header: Mapping[str, Any], path: str | Path = "SPT") -> OrbitElements:
    """Return the orbit elements in a support file's primary header.

    Raises
    ------
    MissingKeywordError, BadFileError
        If an element is missing or not a number.
    """
    values = {}
    for field, keyword in KEYWORDS.items():
        if keyword not in header:
            raise MissingKeywordError(path, keyword)
        value = header[keyword]
        if isinstance(value, bool | str) or value is None or not math.isfinite(value):
            raise BadFileError(path, f"keyword {keyword} is {value!r}, not a number", CHECK_THE_COPY)
        values[field] = float(value)
    return OrbitElements(**values)


def orbit_if_usable(read: Callable[[], OrbitElements]) -> OrbitElements | None:
    """Return the orbit that `read` finds; None, with a line in the log, if an element is missing or damaged.

    The exposure is then measured without its geometry.

    Raises
    ------
    NotFitsError
        If the file is not a FITS file.
    """
    try:
        return read()
    except NotFitsError:
        raise
    except BadFileError as error:
        log.warning("%s; the exposure is measured without geometry", error)
        return None
