"""Read intermediate files (``_ima.fits``) as cubes of reads.

Only headers are parsed (`wfc3tvb.fits.ima_layout`); pixels stay in the memory-mapped file, in its byte order, until
they are used. Files of other programs (other number types, scaled, compressed) are copied.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.errors import BadFileError, MissingKeywordError, NotFitsError
from wfc3tvb.fits.blocks import CHECK_THE_COPY, Bytes, FileBytes
from wfc3tvb.fits.ima_layout import check_instrument, planes_of_reads, walk
from wfc3tvb.fits.mapped import map_file
from wfc3tvb.fits.opened import untiled
from wfc3tvb.fits.plane_headers import PlaneHeader, all_keywords
from wfc3tvb.fits.plane_medians import plane_medians
from wfc3tvb.fits.plane_pixels import FLAGS, SIGNAL, plane_pixels
from wfc3tvb.fits.unpacked import gunzip, is_gzip, unpacker
from wfc3tvb.instrument import BORDER, COMMANDED_GAIN, find_filter
from wfc3tvb.models import ReadCube
from wfc3tvb.system.disk_errors import disk_error

#: WFC3 was installed in May 2009; no exposure can be later than the year 2105 [MJD].
_FIRST, _LAST = 54900.0, 90000.0
_UNITS = ("ELECTRONS/S", "ELECTRONS", "COUNTS/S", "COUNTS")


def check_keywords(
    primary: Mapping[str, Any], sci: Sequence[PlaneHeader], times: NDArray[np.float64], path: Path
) -> None:
    """Raise an error if filter, start, units or times of an exposure are implausible.

    Parameters
    ----------
    primary : mapping
        Keywords of the primary header.
    sci : sequence of PlaneHeader
        Its SCI planes in time order, the zeroth read left out.
    times : ndarray, shape (n,), float64
        SAMPTIME of each [s].
    path : Path
        Name of the file in messages.

    Raises
    ------
    MissingKeywordError, BadFileError
        The message names the keyword.
    """
    for keyword in ("FILTER", "EXPSTART"):
        if keyword not in primary:
            raise MissingKeywordError(path, keyword)
    name = str(primary["FILTER"])
    if find_filter(name) is None and name.strip().upper() != "BLANK":  # darks are taken with BLANK
        raise BadFileError(path, f"FILTER is {primary['FILTER']!r}, not a filter of WFC3/IR", CHECK_THE_COPY)
    start = primary["EXPSTART"]
    if not isinstance(start, int | float) or not _FIRST < start < _LAST:
        raise BadFileError(path, f"EXPSTART is {start!r}, outside the lifetime of WFC3", CHECK_THE_COPY)
    _check_units(sci, path)
    if not (np.diff(times, prepend=0.0) > 0).all() or not math.isfinite(times[-1]):
        raise BadFileError(path, "SAMPTIME does not increase from read to read", CHECK_THE_COPY)


def _check_units(sci: Sequence[PlaneHeader], path: Path) -> None:
    """Raise `BadFileError` unless all reads are in one unit that is known."""
    usual = sci[-1].unit
    for plane in sci:
        if plane.unit.upper() not in _UNITS:
            raise BadFileError(path, f"{plane.label} is in {plane.unit!r}, not in electrons or counts", CHECK_THE_COPY)
        if plane.unit.upper() != usual.upper():
            problem = f"{plane.label} is in {plane.unit!r}, but {sci[-1].label} in {usual!r}"
            raise BadFileError(path, problem, "give reads of one unit")


def check_pixels(rates: NDArray[Any], path: Path) -> None:
    """Raise `BadFileError` if the middle row of a read has no finite pixel; `rates` has shape (n, ny, nx)."""
    middle = rates[:, rates.shape[1] // 2]
    empty = ~np.isfinite(middle).any(axis=1)
    if empty.any():
        n = int(np.argmax(empty)) + 1
        raise BadFileError(path, f"the pixels of read {n} are not numbers (NaN or infinite)", CHECK_THE_COPY)


def read_ima(path: str | Path, *, rows: int | None = None, pstat: bool = False) -> ReadCube:
    """Read an IMA file.

    Parameters
    ----------
    path : path
        An ``_ima.fits`` file, or one compressed by gzip or in tiles; counts or rates, flat-fielded or not.
    rows : int, optional
        Read only that many rows, the middle ones.
    pstat : bool, optional
        Compute the medians of whole frames, as `wfc3tools.pstat` does (midpt, rate).

    Returns
    -------
    ReadCube
        Rates in electron/s. Pixels of a file in rates are a view of the mapped file, big-endian; those of a file that
        is compressed, scaled (BSCALE, BZERO) or of other number types are copied. Flags that the file lacks are 0.

    Raises
    ------
    NotFitsError, TruncatedFileError, WrongInstrumentError, MissingKeywordError, BadFileError
        If the file is not a complete WFC3/IR intermediate file.
    """
    path = Path(path)
    _check_first(path)
    if is_gzip(path):
        return replace(_read(gunzip(path), path, rows, pstat=pstat), n_bytes=path.stat().st_size)
    if rows is None or pstat:
        return _read(map_file(path), path, rows, pstat=pstat)
    with FileBytes(path) as data:
        return _read(data, path, rows)


def _read(data: Bytes, path: Path, rows: int | None, *, pstat: bool = False) -> ReadCube:
    primary, planes = walk(data, path)
    contents = data
    if any(plane.tiled for plane in planes):
        contents = untiled(data, path)
        primary, planes = walk(contents, path)
    cube = cube_of(contents, primary, planes, path, rows=rows, pstat=pstat)
    return replace(cube, n_bytes=data.size)


def cube_of(
    data: Bytes,
    primary: Mapping[str, Any],
    planes: list[PlaneHeader],
    path: Path,
    *,
    rows: int | None = None,
    lowest: bool = False,
    pstat: bool = False,
) -> ReadCube:
    """Return the reads in the bytes of an IMA file; see `read_ima` for result and errors.

    Parameters
    ----------
    data : Bytes
        The file's bytes; only the SCI headers and the requested rows are read.
    primary : mapping
        Keywords of its primary header.
    planes : list of PlaneHeader
        Its SCI and DQ planes; others may be left out.
    path : Path
        Name of the file in messages.
    rows, pstat
        As in `read_ima`.
    lowest : bool, optional
        Read the lowest rows instead of the middle ones.
    """
    check_instrument(primary, path)
    sci, dq = planes_of_reads(planes, primary, data.size, path)
    header = all_keywords(bytes(data[sci[-1].start : sci[-1].data])) | dict(primary)
    header["NSAMP"] = len(sci) + 1  # a whole number, however the file writes it
    _check_zeroth(header, path)
    t = np.array([p.number("SAMPTIME") for p in sci])
    check_keywords(primary, sci, t, path)
    frame = sci[0].shape
    light = (frame[0] - 2 * BORDER, frame[1] - 2 * BORDER)
    index = band_of(light[0], rows, lowest=lowest)
    band, columns = slice(BORDER + index[0], BORDER + index[-1] + 1), slice(BORDER, BORDER + light[1])
    counts = [plane_pixels(data, p, SIGNAL, band) for p in sci]
    unit = sci[-1].unit
    rates = _rates(counts, columns, t, unit, header)
    check_pixels(rates, path)
    return ReadCube(
        rootname=str(header.get("ROOTNAME", path.name[:9])).strip().lower()[:9],
        header=header,
        t=t,
        mjd=np.array([_time_or_nan(p.keywords.get("ROUTTIME")) for p in sci]),
        rate=rates,
        dq=_stack([plane_pixels(data, p, FLAGS, band) for p in dq], columns),
        rows=index,
        shape=light,
        raw_shape=frame,
        reference_level=_reference_level(counts, header),
        cumulative_median=_pstat([plane_pixels(data, p, SIGNAL, slice(None)) for p in sci], t, unit) if pstat else None,
    )


def _reference_level(planes: list[NDArray[Any]], header: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """Return the median of the reference columns of every read; None unless BLEVCORR made it 0.

    In DN, or in electrons after FLATCORR; calwf3 never divides reference pixels by the time, whatever BUNIT says.
    """
    if str(header.get("BLEVCORR", "")).strip().upper() != "COMPLETE":
        return None
    columns = np.r_[1:BORDER, -BORDER:-1]
    return np.array([np.median(plane[:, columns]) for plane in planes], float)


def _time_or_nan(value: object) -> float:
    return value if isinstance(value, float) else math.nan


def _check_zeroth(header: Mapping[str, Any], path: Path) -> None:
    """Raise `BadFileError` unless the zeroth read has been subtracted."""
    state = str(header.get("ZOFFCORR", "COMPLETE")).strip().upper()
    if state == "PERFORM":
        raise BadFileError(path, "its reads are not calibrated (ZOFFCORR is PERFORM)", "give the _ima.fits file")
    if state != "COMPLETE":
        raise BadFileError(path, "its zeroth read is not subtracted (ZOFFCORR)", "calibrate it with ZOFFCORR=PERFORM")


def _check_first(path: Path) -> None:
    """Raise an error if a file cannot be opened or is not a FITS file."""
    try:
        with path.open("rb") as file:
            first = file.read(6)
    except FileNotFoundError as error:
        raise BadFileError(path, "there is no such file", "check the name") from error
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
        raise disk_error(error) or BadFileError(path, problem, "give an _ima.fits file") from error
    if program := unpacker(first):
        raise NotFitsError(path, "is compressed", f"unpack it first ({program}); files packed by gzip are read")
    if first != b"SIMPLE" and not is_gzip(path):
        raise NotFitsError(path, "not a FITS file" if first else "the file is empty", CHECK_THE_COPY)


def band_of(height: int, rows: int | None, *, lowest: bool = False) -> NDArray[np.int64]:
    """Return the indices of the middle or lowest `rows` of `height` rows; all if `rows` is None."""
    n = height if rows is None else min(max(rows, 1), height)
    first = 0 if lowest else (height - n) // 2
    return np.arange(first, first + n)


def _stack(planes: list[NDArray[Any]], columns: slice) -> NDArray[Any]:
    """Return columns of planes as one cube: a view of the file if the planes are evenly spaced in it, else a copy."""
    views = [plane[:, columns] for plane in planes]
    starts = [view.__array_interface__["data"][0] for view in views]
    steps = set(np.diff(starts).tolist())
    mapped = all(isinstance(plane, np.memmap) for plane in planes)
    if len(views) == 1 or not mapped or len(steps) > 1:
        return np.stack(views)
    strides = (steps.pop(), *views[0].strides)
    return np.lib.stride_tricks.as_strided(views[0], (len(views), *views[0].shape), strides, writeable=False)


def _rates(
    planes: list[NDArray[Any]],
    columns: slice,
    t: NDArray[np.float64],
    unit: str,
    header: Mapping[str, Any],
) -> NDArray[Any]:
    """Return the planes in electron/s."""
    in_rate, in_dn = "/" in unit, unit.upper().startswith("COUNT")
    if in_rate and not in_dn:
        return _stack(planes, columns)
    factor = np.where(in_rate or t == 0, 1.0, 1 / np.where(t == 0, 1, t)) * (_gain(header) if in_dn else 1.0)
    return np.stack([(p[:, columns] * f).astype(np.float32) for p, f in zip(planes, factor, strict=True)])


def _gain(header: Mapping[str, Any]) -> float:
    """Return the mean gain of the four amplifiers [electron/DN]."""
    values = [header.get(f"ATODGN{amp}") for amp in "ABCD"]
    good = [float(v) for v in values if isinstance(v, int | float) and v > 0]
    return float(np.mean(good)) if good else COMMANDED_GAIN


def _pstat(planes: list[NDArray[Any]], t: NDArray[np.float64], unit: str) -> NDArray[np.float64]:
    """Return the medians of whole frames as rates: [electron/s], or [DN/s] for a file in DN."""
    medians = plane_medians(planes)
    return medians if "/" in unit else medians / t
