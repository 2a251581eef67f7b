"""Read observation logs (``_jit.fits``): position and pointing of the telescope every three seconds.

Layout (STScI, jitter file format definition; Introduction to the HST Data Handbooks, chapter 5): one table per
exposure, named in its header (EXPNAME, the rootname with a final j); an association's exposures share one file,
``<association>_jit.fits``, a single exposure has ``<first eight letters>j_jit.fits``. Column Seconds counts from
keyword STARTIME, which real files have in the companion ``_jif.fits``; it equals EXPSTART within a second, so EXPSTART
is taken where the companion is missing. PSTRTIME of the support file is the planned start of all activities, 16 to 249
seconds earlier. Angles of 1000 deg or more stand for missing values. Column DayNight is not used: it is 0 in every row
of real files, in the Earth's shadow too.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.dates import DAY
from wfc3tvb.errors import BadFileError, MissingKeywordError
from wfc3tvb.fits.bintable import read_columns
from wfc3tvb.fits.blocks import CHECK_THE_COPY
from wfc3tvb.fits.companions import companion
from wfc3tvb.fits.hdus import Extension, read_fits
from wfc3tvb.models import Jitter

log = logging.getLogger(__name__)

#: Field of `Jitter` and the column that fills it; the last may be missing.
COLUMNS = {
    "limb_angle": "LimbAng",
    "los_zenith": "LOS_Zenith",
    "latitude": "Latitude",
    "longitude": "Longitude",
    "bright_limb": "BrightLimb",
}
_OPTIONAL = ("bright_limb",)
#: Angles from here on stand for missing values [deg].
_NONE = 1000.0


def jitter_names(rootname: str, association: str | None) -> tuple[str, ...]:
    """Return the names that an exposure's observation log may have: its association's, or its own ending in j."""
    single = f"{rootname[:8]}j"
    return (single,) if association is None or association.upper() == "NONE" else (association.lower(), single)


def beside(ima: Path, association: str | None) -> list[Path]:
    """Return the paths where the observation log of an IMA may be: in its folder, or in its association's beside it."""
    folder = ima.parent
    names = jitter_names(ima.name[:9].lower(), association)
    places = [(place, name) for name in names for place in (folder, folder.parent / name)]
    return [companion(place / ima.name, "jit", name) or place / f"{name}_jit.fits" for place, name in places]


def find_jitter(paths: Iterable[Path], rootname: str, expstart: object = None) -> Jitter | None:
    """Return an exposure's observation log from the first file that has it, or None.

    A damaged file is skipped with a warning, since the geometry is usually computed from the support file.

    Parameters
    ----------
    paths : iterable of Path
        Candidates; those that do not exist are skipped.
    rootname : str
        The exposure.
    expstart : float, optional
        EXPSTART of its header [MJD, UTC], the start of the log where STARTIME is missing.
    """
    for path in paths:
        if not path.exists():
            continue
        try:
            return read_jitter(path, rootname, expstart)
        except BadFileError as error:
            log.warning("%s; it is not used", error)
    return None


def read_jitter(path: Path, rootname: str, expstart: object = None) -> Jitter:
    """Read the observation log of an exposure; see `find_jitter` for the parameters.

    Raises
    ------
    NotFitsError, MissingKeywordError, BadFileError
        If the file is not a FITS file, lacks a table for the exposure, a start time or a column, or has a column
        that does not hold numbers.
    """
    primary, *others = read_fits(path)
    table = _table(others, rootname, path)
    columns = read_columns(table, ("Seconds", *COLUMNS.values()))
    return _jitter(columns, _start([table.header, primary.header], path, rootname, expstart), path)


def _jitter(columns: Mapping[str, NDArray[Any]], start: float, path: Path) -> Jitter:
    values = {"mjd": start + _column(columns, "Seconds", path) / DAY}
    for field, name in COLUMNS.items():
        if field not in _OPTIONAL or name.upper() in columns:
            values[field] = _column(columns, name, path)
    good = np.isfinite(values["mjd"])
    for angle in values.values():
        good &= np.isfinite(angle)
    for field in COLUMNS:
        good &= np.abs(values.get(field, np.zeros(1))) < _NONE
    good[1:] &= np.diff(np.maximum.accumulate(values["mjd"])) > 0
    if np.count_nonzero(good) < 2:
        raise BadFileError(path, "its table has fewer than two usable rows", CHECK_THE_COPY)
    return Jitter(**{field: value[good] for field, value in values.items()})


def _column(columns: Mapping[str, NDArray[Any]], name: str, path: Path) -> NDArray[np.float64]:
    if name.upper() not in columns:
        raise BadFileError(path, f"has no column {name}", CHECK_THE_COPY)
    column = columns[name.upper()]
    if column.dtype.kind not in "fiu" or column.ndim != 1:
        raise BadFileError(path, f"column {name} does not hold numbers", CHECK_THE_COPY)
    return column.astype(np.float64)


def _table(others: Sequence[Extension], rootname: str, path: Path) -> Extension:
    """Return the table of an exposure."""
    for extension in others:
        if str(extension.header.get("EXPNAME", "")).strip().lower()[:8] == rootname[:8]:
            return extension
    raise BadFileError(path, f"has no table for {rootname}", CHECK_THE_COPY)


def _start(headers: Sequence[Mapping[str, Any]], path: Path, rootname: str, expstart: object) -> float:
    """Return the start of the log [MJD, UTC]."""
    for header in headers:
        if "STARTIME" in header:
            return _mjd(header["STARTIME"], path, "STARTIME")
    if headers_of_log := companion(path, "jif"):
        for extension in read_fits(headers_of_log):
            is_exposure = str(extension.header.get("EXPNAME", "")).strip().lower()[:8] == rootname[:8]
            if is_exposure and "STARTIME" in extension.header:
                return _mjd(extension.header["STARTIME"], headers_of_log, "STARTIME")
    if isinstance(expstart, int | float) and np.isfinite(expstart):
        return float(expstart)
    raise MissingKeywordError(path, "STARTIME")


def _mjd(text: object, path: Path, keyword: str) -> float:
    """Return the MJD of ``2013.006:18:23:01``."""
    from astropy.time import Time

    try:
        return float(Time(str(text).strip().replace(".", ":", 1), format="yday", scale="utc").mjd)
    except ValueError as error:
        raise BadFileError(path, f"keyword {keyword} is {text!r}, not a time", CHECK_THE_COPY) from error
