"""Read the imsets of RAW and IMA files of WFC3/IR, in time order (WFC3 Data Handbook 2.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.calibration.model import Planes, Ramp
from wfc3tvb.errors import BadFileError, MissingKeywordError, WrongInstrumentError
from wfc3tvb.fits.blocks import CHECK_THE_COPY
from wfc3tvb.fits.cards import Cards
from wfc3tvb.fits.hdus import Extension, read_fits, read_header
from wfc3tvb.references.images import corner_of

PLANES = ("SCI", "ERR", "DQ", "SAMP", "TIME")
_PRIMARY = (
    "ROOTNAME", "INSTRUME", "DETECTOR", "FILTER", "EXPTIME", "EXPSTART", "EXPEND", "CCDGAIN", "NSAMP", "SAMP_SEQ",
    "SUBTYPE", "SUBARRAY",
)  # fmt: skip
#: Keywords of SCI,1 that are 1 for an unbinned frame of the one chip.
_ONES = ("LTM1_1", "LTM2_2", "BINAXIS1", "BINAXIS2", "CCDCHIP")
_NUMBERS = ("EXPTIME", "EXPSTART", "EXPEND", "CCDGAIN", "NSAMP")
#: BZERO of unsigned 16-bit integers.
_UNSIGNED = 32768
_UNITS = ("COUNTS/S", "ELECTRONS/S", "COUNTS", "ELECTRONS")


@dataclass(frozen=True)
class Imsets:
    """Contents of the file of an exposure.

    Attributes
    ----------
    path : Path
        The file.
    primary : Cards
        Primary header.
    headers : tuple of mapping
        Headers of SCI, ERR, DQ, SAMP, TIME of every read, the zeroth first.
    ramp : Ramp
        The pixels, left in the file.
    samp : tuple of arrays or int
        Plane SAMP of every read; one number if it is the same for all pixels.
    """

    path: Path
    primary: Cards
    headers: tuple[Mapping[str, Cards], ...]
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
        If it is not a WFC3/IR exposure.
    MissingKeywordError
        If a keyword that the calibration needs is missing.
    BadFileError
        If imsets are missing, do not match each other, or have a TIME that varies over the frame.
    """
    if not path.is_file():
        raise BadFileError(path, "there is no such file", "check the name")
    primary, *others = read_fits(path)
    return _read(path, primary.header, {extension.key: extension for extension in reversed(others)})


def read_primary(path: Path) -> Cards:
    """Return the primary header of a WFC3/IR exposure.

    Raises
    ------
    BadFileError
        See `read_imsets`.
    """
    if not path.is_file():
        raise BadFileError(path, "there is no such file", "check the name")
    header = read_header(path)
    _check_primary(path, header)
    return header


def _read(path: Path, primary: Cards, found: Mapping[tuple[str, int], Extension]) -> Imsets:
    _check_primary(path, primary)
    n = int(primary["NSAMP"])
    missing = next(((name, k) for k in range(1, n + 1) for name in PLANES if (name, k) not in found), None)
    if missing:
        raise BadFileError(path, f"has no {missing[0]},{missing[1]} though NSAMP is {n}", CHECK_THE_COPY)
    reads = [{name: found[name, n - k] for name in PLANES} for k in range(n)]
    headers = tuple({name: extension.header for name, extension in read.items()} for read in reads)
    samp = tuple(_constant(read["SAMP"]) for read in reads)
    switches = (key for key in primary if key.endswith("CORR"))
    complete = {key.lower() for key in switches if str(primary[key]).strip().upper() == "COMPLETE"}
    ramp = replace(_ramp(path, reads), complete=frozenset(complete))
    return Imsets(path, primary.copy(), headers, ramp, samp)


def _check_primary(path: Path, primary: Cards) -> None:
    instrument, detector = str(primary.get("INSTRUME", "")), str(primary.get("DETECTOR", ""))
    if not instrument.startswith("WFC3") or detector != "IR":
        seen = f"{instrument or 'no INSTRUME'} {detector}".strip()
        raise WrongInstrumentError(path, f"is a file of {seen}, not of WFC3 IR", "give WFC3/IR exposures")
    for keyword in _PRIMARY:
        if keyword not in primary:
            raise MissingKeywordError(path, keyword)
    for keyword in _NUMBERS:
        primary.number(keyword)
    if primary["EXPTIME"] < 0:
        raise BadFileError(path, f"has EXPTIME {primary['EXPTIME']}", CHECK_THE_COPY)
    if int(primary["NSAMP"]) < 2:
        raise BadFileError(path, f"has NSAMP {primary['NSAMP']}", "give an exposure with at least two reads")


def _ramp(path: Path, reads: Sequence[Mapping[str, Extension]]) -> Ramp:
    last = reads[-1]["SCI"]
    written = str(last.header.get("BUNIT", ""))
    unit = next((u for u in _UNITS if written.strip().startswith(u)), None)
    others = {str(read["SCI"].header.get("BUNIT", "")).strip() for read in reads} - {written.strip()}
    if others:
        raise BadFileError(path, f"has reads with BUNIT {others.pop()!r} and {written!r}", "give reads of one unit")
    if any("SAMPTIME" not in read["SCI"].header for read in reads):
        raise MissingKeywordError(path, "SAMPTIME", "SCI header")
    if unit is None:
        raise BadFileError(path, f"has BUNIT {written!r}", "give an exposure in counts or electrons")
    if last.image is None or last.image.ndim != 2:
        raise BadFileError(path, "has no image in SCI,1", CHECK_THE_COPY)
    sci, err, dq = _cubes(path, reads, last.image.shape)
    for name in ("SAMP", "TIME"):
        if any(plane.shape != last.image.shape for read in reads if (plane := read[name].image) is not None):
            raise BadFileError(path, f"has a {name} plane of another shape than SCI,1", CHECK_THE_COPY)
    times = [_constant(read["TIME"]) for read in reads]
    if any(np.ndim(t) and np.ptp(t) != 0 for t in times):
        raise BadFileError(path, "has a TIME plane that varies over the frame", "give the archive's file")
    time = np.array([np.ravel(t)[0] for t in times], np.float32)
    samptime = np.array([float(read["SCI"].header.number("SAMPTIME")) for read in reads])
    for keyword in _ONES:
        if (value := last.header.number(keyword, 1)) != 1:
            raise BadFileError(path, f"has {keyword} {value:g}", "give an unbinned frame of the IR detector")
    corner = _corner(last)
    if corner != tuple(map(round, corner)):
        raise BadFileError(path, f"has LTV1, LTV2 {corner[0]:g}, {corner[1]:g}", "give an unbinned frame")
    if any(_corner(read["SCI"]) != corner for read in reads):
        raise BadFileError(path, "has reads with different LTV1, LTV2", "give the archive's file")
    x, y = corner_of(corner)
    return Ramp(sci, err, dq, time, samptime, unit, (-x, -y))


def _corner(extension: Extension) -> tuple[float, float]:
    """Return LTV1, LTV2."""
    return float(extension.header.number("LTV1")), float(extension.header.number("LTV2"))


def _cubes(
    path: Path, reads: Sequence[Mapping[str, Extension]], shape: tuple[int, ...]
) -> tuple[Planes, Planes, Planes]:
    """Return signal, error and flags of all reads, left in the file."""
    n = len(reads)
    images: dict[str, list[NDArray[Any]]] = {"SCI": [], "ERR": [], "DQ": []}
    constants: dict[tuple[str, float], NDArray[Any]] = {}
    unsigned = all(_is_unsigned(read["SCI"]) for read in reads)
    for k, read in enumerate(reads):
        for name, planes in images.items():
            extension, image = read[name], read[name].image
            if image is not None and image.shape != shape:
                raise BadFileError(path, f"{name},{n - k} has another shape than SCI,1", CHECK_THE_COPY)
            if name == "DQ" and image is not None and image.dtype.itemsize > np.dtype(np.int16).itemsize:
                _check_flags(path, image, n - k)
            if image is None:
                value = extension.value.astype(np.int16 if name == "DQ" else np.float32)
                image = constants.setdefault((name, value.item()), np.broadcast_to(value, shape))
            elif not (unsigned and name == "SCI") and extension.scaling != (1, 0):
                image = _scaled(image, *extension.scaling)
            planes.append(image)
    zero = float(_UNSIGNED) if unsigned else 0.0
    sci, err, dq = map(tuple, images.values())
    return Planes(sci, np.float32, zero), Planes(err, np.float32), Planes(dq, np.int16)


def _is_unsigned(extension: Extension) -> bool:
    """Return True for 16-bit integers without sign, which are converted exactly and fast."""
    image = extension.image
    return image is not None and image.dtype == np.dtype(">i2") and extension.scaling == (1, _UNSIGNED)


def _scaled(stored: NDArray[Any], scale: float, zero: float) -> NDArray[np.float32]:
    """Return scaled values: computed in double precision, rounded once, as cfitsio does."""
    return (stored.astype(np.float64) * scale + zero).astype(np.float32)


def _check_flags(path: Path, image: NDArray[Any], version: int) -> None:
    """Raise `BadFileError` for flags that need more than 16 bits, at which calwf3 fails."""
    limits = np.iinfo(np.int16)
    if image.size and not limits.min <= image.min() <= image.max() <= limits.max:
        raise BadFileError(path, f"has flags of more than 16 bits in DQ,{version}", CHECK_THE_COPY)


def _constant(extension: Extension) -> NDArray[Any] | np.number[Any]:
    """Return the pixels of a plane, or the common value of them all (NAXIS 0 with PIXVALUE)."""
    image = extension.image
    if image is None:
        return extension.value
    scale, zero = extension.scaling
    if (scale, zero) == (1, 0):
        return image
    return _scaled(image, scale, zero)
