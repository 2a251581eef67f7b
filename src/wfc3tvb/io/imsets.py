"""RAW and IMA files of WFC3/IR: the imsets of every read, in time order (WFC3 Data Handbook 2.2)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning
from numpy.typing import NDArray

from wfc3tvb.calibration.model import Ramp
from wfc3tvb.errors import (
    BadFileError,
    MissingKeywordError,
    NotFitsError,
    TruncatedFileError,
    WrongInstrumentError,
)
from wfc3tvb.io.planes import Copy, copy_all
from wfc3tvb.io.refimages import corner_of

PLANES = ("SCI", "ERR", "DQ", "SAMP", "TIME")
_PRIMARY = (
    "ROOTNAME", "INSTRUME", "DETECTOR", "FILTER", "EXPTIME", "EXPSTART", "EXPEND", "CCDGAIN", "NSAMP", "SAMP_SEQ",
    "SUBTYPE", "SUBARRAY",
)  # fmt: skip
_UNITS = ("COUNTS/S", "ELECTRONS/S", "COUNTS", "ELECTRONS")


@dataclass(frozen=True)
class Imsets:
    """An exposure as its file has it.

    Attributes
    ----------
    path : Path
        The file.
    primary : astropy.io.fits.Header
        Primary header.
    headers : tuple of mapping
        Headers of SCI, ERR, DQ, SAMP, TIME of every read, the zeroth first.
    ramp : Ramp
        The pixels.
    samp : tuple of arrays or int
        Plane SAMP of every read; one number where it is the same for all pixels.
    """

    path: Path
    primary: fits.Header
    headers: tuple[Mapping[str, fits.Header], ...]
    ramp: Ramp
    samp: tuple[Any, ...]

    @property
    def rootname(self) -> str:
        """Rootname, lower case."""
        return str(self.primary["ROOTNAME"]).lower()


def read_imsets(path: Path) -> Imsets:
    """Read a RAW file, or an IMA file that is to be calibrated again.

    Raises
    ------
    NotFitsError, TruncatedFileError
        If it cannot be read.
    WrongInstrumentError
        If it is no WFC3/IR exposure.
    MissingKeywordError
        If a keyword is absent that the calibration needs.
    BadFileError
        If imsets are missing, do not fit together, or have a TIME that changes over the frame.
    """
    if not path.is_file():
        raise BadFileError(path, "there is no such file", "check the name")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyUserWarning)  # of truncated files: they are refused below
        try:
            hdus = fits.open(path, memmap=True, do_not_scale_image_data=True)
        except OSError as error:
            raise NotFitsError(path, "is not a FITS file", "give a _raw.fits file") from error
        with hdus:
            _check_length(path, hdus)
            return _read(path, hdus)


def _check_length(path: Path, hdus: fits.HDUList) -> None:
    """Raise `TruncatedFileError` unless the file is as long as its headers say."""
    last = hdus[-1].fileinfo()
    if last["datLoc"] + last["datSpan"] > path.stat().st_size:
        raise TruncatedFileError(path, "ends before its data do", "fetch it again")


def read_primary(path: Path) -> fits.Header:
    """Return the primary header of a WFC3/IR exposure.

    Raises
    ------
    BadFileError
        As `read_imsets`.
    """
    if not path.is_file():
        raise BadFileError(path, "there is no such file", "check the name")
    try:
        header = fits.getheader(path, 0)
    except OSError as error:
        raise NotFitsError(path, "is not a FITS file", "give a _raw.fits file") from error
    _check_primary(path, header)
    return header


def _read(path: Path, hdus: fits.HDUList) -> Imsets:
    primary = hdus[0].header.copy()
    _check_primary(path, primary)
    n = int(primary["NSAMP"])
    found = {(hdu.name, hdu.ver): hdu for hdu in hdus[1:]}
    missing = [(name, k) for k in range(1, n + 1) for name in PLANES if (name, k) not in found]
    if missing:
        raise BadFileError(path, f"has no {missing[0][0]},{missing[0][1]} though NSAMP is {n}", "fetch it again")
    reads = [{name: found[name, n - k] for name in PLANES} for k in range(n)]
    headers = tuple({name: hdu.header.copy() for name, hdu in read.items()} for read in reads)
    samp = tuple(_constant(read["SAMP"]) for read in reads)
    complete = (key.lower() for key in primary if key.endswith("CORR") and str(primary[key]).strip() == "COMPLETE")
    ramp = replace(_ramp(path, reads, headers), complete=frozenset(complete))
    return Imsets(path, primary, headers, ramp, samp)


def _check_primary(path: Path, primary: fits.Header) -> None:
    instrument, detector = str(primary.get("INSTRUME", "")), str(primary.get("DETECTOR", ""))
    if not instrument.startswith("WFC3") or detector != "IR":
        seen = f"{instrument or 'no INSTRUME'} {detector}".strip()
        raise WrongInstrumentError(path, f"is a file of {seen}, not of WFC3 IR", "give WFC3/IR exposures")
    for keyword in _PRIMARY:
        if keyword not in primary:
            raise MissingKeywordError(path, keyword)
    if int(primary["NSAMP"]) < 2:
        raise BadFileError(path, f"has NSAMP {primary['NSAMP']}", "a ramp needs two reads")


def _ramp(path: Path, reads: list[dict[str, Any]], headers: tuple[Mapping[str, fits.Header], ...]) -> Ramp:
    last = headers[-1]["SCI"]
    unit = next((u for u in _UNITS if str(last.get("BUNIT", "")).strip().upper().startswith(u)), None)
    for header in (read["SCI"] for read in headers):
        if "SAMPTIME" not in header:
            raise MissingKeywordError(path, "SAMPTIME", "SCI header")
    if unit is None:
        raise BadFileError(path, f"has BUNIT {last.get('BUNIT')!r}", "give counts or electrons")
    shape = reads[-1]["SCI"].shape
    n = len(reads)
    sci, err = np.empty((n, *shape), np.float32), np.empty((n, *shape), np.float32)
    dq = np.empty((n, *shape), np.int16)
    copies = []
    for k, read in enumerate(reads):
        for name, cube in (("SCI", sci), ("ERR", err), ("DQ", dq)):
            stored, header = read[name].data, read[name].header
            if stored is not None and stored.shape != shape:
                raise BadFileError(path, f"{name},{n - k} has another shape than SCI,1", "fetch it again")
            value = float(header.get("PIXVALUE", 0)) if stored is None else stored
            copies.append(Copy(cube[k], value, header.get("BSCALE", 1), header.get("BZERO", 0)))
    copy_all(copies)
    times = [_constant(read["TIME"]) for read in reads]
    if any(np.ndim(t) and np.ptp(t) != 0 for t in times):
        raise BadFileError(path, "has a TIME plane that changes over the frame", "give a file as the archive has it")
    time = np.array([np.ravel(t)[0] for t in times], np.float32)
    samptime = np.array([float(read["SCI"]["SAMPTIME"]) for read in headers])
    x, y = corner_of((float(last.get("LTV1", 0)), float(last.get("LTV2", 0))))
    return Ramp(sci, err, dq, time, samptime, unit, (-x, -y))


def _constant(hdu: Any) -> NDArray[Any] | float:
    """Return the pixels of a plane, or the one value that all have (NAXIS 0 with PIXVALUE)."""
    data: NDArray[Any] | None = hdu.data
    if data is None:
        return float(hdu.header.get("PIXVALUE", 0))
    zero, scale = hdu.header.get("BZERO", 0), hdu.header.get("BSCALE", 1)
    if (zero, scale) == (0, 1):
        return data
    return data.astype(np.float32) * np.float32(scale) + np.float32(zero)
