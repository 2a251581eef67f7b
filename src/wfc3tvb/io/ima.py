"""Intermediate files (``_ima.fits``) as cubes of reads.

Layout (WFC3 Data Handbook 2.2, checked on files of the archive): five extensions a read, the last read first;
SCI and DQ are planes, SAMP and TIME carry a constant in PIXVALUE. Only headers are parsed; pixels stay in the
memory-mapped file, in its byte order, until someone looks at them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.errors import BadFileError, MissingKeywordError, NotFitsError, TruncatedFileError
from wfc3tvb.exposure import ReadCube
from wfc3tvb.io.filebytes import Bytes, FileBytes
from wfc3tvb.io.imaheaders import Extension, check_instrument, header_values, walk
from wfc3tvb.io.medians import plane_medians
from wfc3tvb.names import BORDER

#: Reads of the longest sample sequence, the zeroth included, and pixels along a side of the detector.
_MOST_READS, _LARGEST_FRAME = 16, 1024


def read_ima(path: str | Path, *, rows: int | None = None, pstat: bool = False) -> ReadCube:
    """Read an IMA file.

    Parameters
    ----------
    path : path
        An ``_ima.fits`` file; counts or rates, flat-fielded or not.
    rows : int, optional
        Take only that many rows, the middle ones.
    pstat : bool, optional
        Compute the medians of whole frames, as `wfc3tools.pstat` (midpt, rate).

    Returns
    -------
    ReadCube
        Rates in electron/s. Pixels of a file in rates are a view of the mapped file, big-endian.

    Raises
    ------
    NotFitsError, TruncatedFileError, WrongInstrumentError, MissingKeywordError, BadFileError
        If the file is not a whole WFC3/IR intermediate file.
    """
    path = Path(path)
    _check_first(path)
    if rows is None or pstat:
        return _read(np.memmap(path, np.uint8, "r"), path, rows, pstat=pstat)
    with FileBytes(path) as data:
        return _read(data, path, rows)


def _read(data: Bytes, path: Path, rows: int | None, *, pstat: bool = False) -> ReadCube:
    primary, extensions = walk(data, path)
    return replace(cube_of(data, primary, extensions, path, rows=rows, pstat=pstat), n_bytes=data.size)


def cube_of(
    data: Bytes,
    primary: Mapping[str, Any],
    extensions: list[Extension],
    path: Path,
    *,
    rows: int | None = None,
    pstat: bool = False,
) -> ReadCube:
    """Return the reads that an IMA file's bytes hold; parameters, result and errors as `read_ima`.

    Parameters
    ----------
    data : Bytes
        The file's bytes; those that hold neither the SCI headers nor the rows asked for are not looked at.
    primary : mapping
        Keywords of its primary header.
    extensions : list of Extension
        Where its SCI and DQ extensions are; others may be left out.
    path : Path
        What messages call it.
    rows, pstat
        As in `read_ima`.
    """
    check_instrument(primary, path)
    sci, dq = _planes(extensions, primary, path)
    _check_whole(sci, dq, data, path)
    header = header_values(bytes(data[sci[-1].start : sci[-1].data])) | dict(primary)
    if str(header.get("ZOFFCORR", "COMPLETE")) != "COMPLETE":
        raise BadFileError(path, "the zeroth read is not subtracted (ZOFFCORR)", "calibrate it with ZOFFCORR=PERFORM")
    t = np.array([_number(e, "SAMPTIME", path) for e in sci])
    frame = sci[0].shape
    light = (frame[0] - 2 * BORDER, frame[1] - 2 * BORDER)
    index = middle_rows(light[0], rows)
    band, columns = slice(BORDER + index[0], BORDER + index[-1] + 1), slice(BORDER, BORDER + light[1])
    counts = [_plane(data, e, ">f4", band) for e in sci]
    unit = str(sci[-1].keywords.get("BUNIT", ""))
    return ReadCube(
        rootname=str(header.get("ROOTNAME", path.name[:9])).strip().lower()[:9],
        header=header,
        t=t,
        mjd=np.array([float(e.keywords.get("ROUTTIME", np.nan)) for e in sci]),
        rate=_rates(counts, columns, t, unit, header),
        dq=_stack([_plane(data, e, ">i2", band) for e in dq], columns),
        rows=index,
        shape=light,
        raw_shape=frame,
        cumulative_median=_pstat([_plane(data, e, ">f4", slice(None)) for e in sci], t, unit) if pstat else None,
    )


def _check_first(path: Path) -> None:
    """Raise an error of what is wrong with a file that cannot be opened or is no FITS file."""
    try:
        with path.open("rb") as file:
            first = file.read(6)
    except FileNotFoundError as error:
        raise BadFileError(path, "there is no such file", "check the name") from error
    except OSError as error:
        raise BadFileError(path, f"cannot be read ({error.strerror})", "give an _ima.fits file") from error
    if first != b"SIMPLE":
        raise NotFitsError(path, "not a FITS file" if first else "the file is empty", "fetch it again")


def _planes(
    extensions: list[Extension], primary: Mapping[str, Any], path: Path
) -> tuple[list[Extension], list[Extension]]:
    """Return the SCI and the DQ extensions of reads 1..N in time order."""
    if primary.get("FILETYPE") == "ASN_TABLE":
        raise BadFileError(path, "is a list of exposures", "give their _ima.fits files")
    if "NSAMP" not in primary:
        raise MissingKeywordError(path, "NSAMP")
    nsamp = primary["NSAMP"]
    if not isinstance(nsamp, int) or not 1 <= nsamp <= _MOST_READS:
        raise BadFileError(path, f"NSAMP is {nsamp!r}, not the number of reads", "fetch it again")
    found = {(e.keywords.get("EXTNAME"), int(e.keywords.get("EXTVER", 1))): e for e in extensions}
    n_found = sum(name == "SCI" for name, _ in found)
    if len([e for e in extensions if e.keywords.get("EXTNAME") == "SCI"]) > n_found:
        raise BadFileError(path, "holds a read twice", "fetch it again")
    if n_found <= 1 < nsamp and int(primary.get("NEXTEND", 5)) < 5 * nsamp:
        raise BadFileError(path, f"holds one image, not {nsamp} reads", "give the _ima.fits file")
    order = range(nsamp - 1, 0, -1)
    missing = [v for v in (*order, nsamp) if ("SCI", v) not in found or ("DQ", v) not in found]
    if missing:
        raise TruncatedFileError(path, f"holds {nsamp - len(missing)} of {nsamp} reads", "fetch it again")
    if nsamp < 2:
        raise BadFileError(path, "holds the zeroth read only", "nothing can be measured")
    return [found["SCI", v] for v in order], [found["DQ", v] for v in order]


def _check_whole(sci: list[Extension], dq: list[Extension], data: Bytes, path: Path) -> None:
    if max(e.end for e in (*sci, *dq)) > data.size:
        raise TruncatedFileError(path, "the file ends before its data do", "fetch it again")
    if len({e.shape for e in (*sci, *dq)}) > 1 or min(sci[0].shape) <= 2 * BORDER:
        raise BadFileError(path, "its reads differ in size or are no IR frames", "fetch it again")
    if max(sci[0].shape) > _LARGEST_FRAME:
        raise BadFileError(path, "its reads are larger than the detector", "fetch it again")
    if any(e.keywords["NAXIS"] and e.keywords["BITPIX"] != 16 for e in dq):
        raise BadFileError(path, "its DQ planes are not of 16-bit integers", "fetch it again")
    if any(e.keywords["NAXIS"] and e.keywords["BITPIX"] != -32 for e in sci):
        raise BadFileError(path, "its SCI planes are not calibrated (float32)", "give the _ima.fits file")


def _number(extension: Extension, keyword: str, path: Path) -> float:
    if keyword not in extension.keywords:
        raise MissingKeywordError(path, keyword, f"SCI,{int(extension.keywords.get('EXTVER', 1))} header")
    return float(extension.keywords[keyword])


def middle_rows(height: int, rows: int | None) -> NDArray[np.int64]:
    """Return the indices of the middle `rows` of `height` rows; all where `rows` is None."""
    n = height if rows is None else min(max(rows, 1), height)
    return np.arange((height - n) // 2, (height - n) // 2 + n)


def _plane(data: Bytes, extension: Extension, dtype: str, band: slice) -> NDArray[Any]:
    """Return a band of rows of an extension's plane: a view of the file's bytes, or a constant."""
    height, width = extension.shape
    first, last, _ = band.indices(height)
    if not extension.keywords["NAXIS"]:
        return np.full((last - first, width), extension.keywords.get("PIXVALUE", 0), dtype)
    row = width * np.dtype(dtype).itemsize
    piece = data[extension.data + first * row : extension.data + last * row]
    return piece.view(dtype).reshape(last - first, width)


def _stack(planes: list[NDArray[Any]], columns: slice) -> NDArray[Any]:
    """Return columns of planes as one cube: a view of the file where the planes lie at equal distances in it."""
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
    """Return the mean gain [electron/DN]; 2.5 is the commanded one (Instrument Handbook 5.1.1)."""
    values = [header.get(f"ATODGN{amp}") for amp in "ABCD"]
    good = [float(v) for v in values if isinstance(v, int | float) and v > 0]
    return float(np.mean(good)) if good else 2.5


def _pstat(planes: list[NDArray[Any]], t: NDArray[np.float64], unit: str) -> NDArray[np.float64]:
    medians = plane_medians(planes)
    return medians if "/" in unit else medians / t
