"""Read intermediate files (``_ima.fits``) as cubes of reads.

Only headers are parsed (`wfc3tvb.fits.ima_layout`); pixels stay in the memory-mapped file, in its byte order, until
they are used.
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
from wfc3tvb.fits.ima_layout import PlaneHeader, all_keywords, check_instrument, planes_of_reads, walk
from wfc3tvb.fits.mapped import map_file
from wfc3tvb.fits.plane_medians import plane_medians
from wfc3tvb.instrument import BORDER, COMMANDED_GAIN, find_filter
from wfc3tvb.models import ReadCube

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
    if primary.get("NAXIS", 0) != 0:
        raise BadFileError(path, "its primary header declares an image (NAXIS is not 0)", CHECK_THE_COPY)
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
    usual = str(sci[-1].keywords.get("BUNIT", ""))
    for plane in sci:
        unit, version = str(plane.keywords.get("BUNIT", "")), int(plane.keywords.get("EXTVER", 1))
        if unit.upper() not in _UNITS:
            raise BadFileError(path, f"SCI,{version} is in {unit!r}, not in electrons or counts", CHECK_THE_COPY)
        if unit.upper() != usual.upper():
            problem = f"SCI,{version} is in {unit!r}, but SCI,{int(sci[-1].keywords.get('EXTVER', 1))} in {usual!r}"
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
        An ``_ima.fits`` file; counts or rates, flat-fielded or not.
    rows : int, optional
        Read only that many rows, the middle ones.
    pstat : bool, optional
        Compute the medians of whole frames, as `wfc3tools.pstat` does (midpt, rate).

    Returns
    -------
    ReadCube
        Rates in electron/s. Pixels of a file in rates are a view of the mapped file, big-endian; a file with BSCALE or
        BZERO is copied.

    Raises
    ------
    NotFitsError, TruncatedFileError, WrongInstrumentError, MissingKeywordError, BadFileError
        If the file is not a complete WFC3/IR intermediate file.
    """
    path = Path(path)
    _check_first(path)
    if rows is None or pstat:
        return _read(map_file(path), path, rows, pstat=pstat)
    with FileBytes(path) as data:
        return _read(data, path, rows)


def _read(data: Bytes, path: Path, rows: int | None, *, pstat: bool = False) -> ReadCube:
    primary, planes = walk(data, path)
    return replace(cube_of(data, primary, planes, path, rows=rows, pstat=pstat), n_bytes=data.size)


def cube_of(
    data: Bytes,
    primary: Mapping[str, Any],
    planes: list[PlaneHeader],
    path: Path,
    *,
    rows: int | None = None,
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
    """
    check_instrument(primary, path)
    sci, dq = planes_of_reads(planes, primary, data.size, path)
    header = all_keywords(bytes(data[sci[-1].start : sci[-1].data])) | dict(primary)
    if str(header.get("ZOFFCORR", "COMPLETE")) != "COMPLETE":
        raise BadFileError(path, "its zeroth read is not subtracted (ZOFFCORR)", "calibrate it with ZOFFCORR=PERFORM")
    t = np.array([_read_time(p, path) for p in sci])
    check_keywords(primary, sci, t, path)
    frame = sci[0].shape
    light = (frame[0] - 2 * BORDER, frame[1] - 2 * BORDER)
    index = middle_rows(light[0], rows)
    band, columns = slice(BORDER + index[0], BORDER + index[-1] + 1), slice(BORDER, BORDER + light[1])
    counts = [_pixels(data, p, ">f4", band) for p in sci]
    unit = str(sci[-1].keywords.get("BUNIT", ""))
    rates = _rates(counts, columns, t, unit, header)
    check_pixels(rates, path)
    return ReadCube(
        rootname=str(header.get("ROOTNAME", path.name[:9])).strip().lower()[:9],
        header=header,
        t=t,
        mjd=np.array([float(p.keywords.get("ROUTTIME", np.nan)) for p in sci]),
        rate=rates,
        dq=_stack([_pixels(data, p, ">i2", band) for p in dq], columns),
        rows=index,
        shape=light,
        raw_shape=frame,
        cumulative_median=_pstat([_pixels(data, p, ">f4", slice(None)) for p in sci], t, unit) if pstat else None,
    )


def _check_first(path: Path) -> None:
    """Raise an error if a file cannot be opened or is not a FITS file."""
    try:
        with path.open("rb") as file:
            first = file.read(6)
    except FileNotFoundError as error:
        raise BadFileError(path, "there is no such file", "check the name") from error
    except OSError as error:
        raise BadFileError(path, f"cannot be read ({error.strerror})", "give an _ima.fits file") from error
    if first.startswith(b"\x1f\x8b"):
        raise NotFitsError(path, "is compressed", "unpack it first (gunzip)")
    if first != b"SIMPLE":
        raise NotFitsError(path, "not a FITS file" if first else "the file is empty", CHECK_THE_COPY)


def _read_time(plane: PlaneHeader, path: Path) -> float:
    """Return the time since the zeroth read [s]."""
    if "SAMPTIME" not in plane.keywords:
        raise MissingKeywordError(path, "SAMPTIME", f"SCI,{int(plane.keywords.get('EXTVER', 1))} header")
    return float(plane.keywords["SAMPTIME"])


def middle_rows(height: int, rows: int | None) -> NDArray[np.int64]:
    """Return the indices of the middle `rows` of `height` rows; all if `rows` is None."""
    n = height if rows is None else min(max(rows, 1), height)
    return np.arange((height - n) // 2, (height - n) // 2 + n)


def _pixels(data: Bytes, plane: PlaneHeader, dtype: str, band: slice) -> NDArray[Any]:
    """Return a band of rows of a plane: a view of the file's bytes, a constant, or a copy of scaled pixels."""
    height, width = plane.shape
    first, last, _ = band.indices(height)
    if not plane.stored:
        return np.full((last - first, width), plane.keywords.get("PIXVALUE", 0), dtype)
    stored = data[slice(*plane.rows(first, last))].view(dtype).reshape(last - first, width)
    return _physical(stored, plane) if plane.scaled else stored


def _physical(stored: NDArray[Any], plane: PlaneHeader) -> NDArray[Any]:
    """Return the pixels of a plane with BSCALE or BZERO, in the type of the stored numbers."""
    scale, zero = plane.scale
    with np.errstate(over="ignore", invalid="ignore"):  # pixels beyond float32 are not finite, and left out later
        values = stored * np.float64(scale) + zero
        if stored.dtype.kind == "f":
            return values.astype(stored.dtype)
    # Flags of which bit 15 is set, stored as unsigned numbers (BZERO 32768), keep their bits.
    return values.astype(np.int64).astype(stored.dtype)


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
