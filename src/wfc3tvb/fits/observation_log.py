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
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from numpy.typing import NDArray

from wfc3tvb.dates import DAY
from wfc3tvb.errors import BadFileError, MissingKeywordError, NotFitsError
from wfc3tvb.fits.blocks import CHECK_THE_COPY
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
    names = jitter_names(ima.name[:9], association)
    return [place / f"{name}_jit.fits" for name in names for place in (folder, folder.parent / name)]


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
    try:
        with warnings.catch_warnings(), fits.open(path, memmap=False) as hdus:
            warnings.simplefilter("error", AstropyWarning)
            table = _table(hdus, rootname, path)
            start = _start([table.header, hdus[0].header], path, rootname, expstart)
            columns = {name.upper(): np.asarray(table.data[name]) for name in table.columns.names}
    except (OSError, EOFError, ValueError, TypeError, fits.VerifyError, AstropyWarning) as error:
        raise NotFitsError(path, "not a FITS file, or cut short", CHECK_THE_COPY) from error
    return _jitter(columns, start, path)


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
    try:
        return columns[name.upper()].astype(np.float64)
    except (TypeError, ValueError) as error:
        raise BadFileError(path, f"column {name} does not hold numbers", CHECK_THE_COPY) from error


def _table(hdus: fits.HDUList, rootname: str, path: Path) -> fits.BinTableHDU:
    """Return the table of an exposure."""
    tables = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU)]
    for hdu in tables:
        if str(hdu.header.get("EXPNAME", "")).strip().lower()[:8] == rootname[:8]:
            return hdu
    raise BadFileError(path, f"has no table for {rootname}", CHECK_THE_COPY)


def _start(headers: list[fits.Header], path: Path, rootname: str, expstart: object) -> float:
    """Return the start of the log [MJD, UTC]."""
    for header in headers:
        if "STARTIME" in header:
            return _mjd(header["STARTIME"], path, "STARTIME")
    companion = path.with_name(path.name.replace("_jit.fits", "_jif.fits"))
    if companion != path and companion.exists():
        with fits.open(companion, memmap=False) as hdus:
            for hdu in hdus:
                is_exposure = str(hdu.header.get("EXPNAME", "")).strip().lower()[:8] == rootname[:8]
                if is_exposure and "STARTIME" in hdu.header:
                    return _mjd(hdu.header["STARTIME"], companion, "STARTIME")
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
