"""Reference images: dark, nonlinearity, flat, cut to an exposure's frame and kept for the next one of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from wfc3tvb.calibration.compiled import Window
from wfc3tvb.calibration.dark import mean_dark
from wfc3tvb.calibration.model import Dark, Flat, Linearity
from wfc3tvb.errors import MissingReferenceError, UnsuitableReferenceError
from wfc3tvb.io.planes import Copy, copy_all

#: How closely an exposure time of the dark must fit a read's [s].
_SAME_TIME = 0.01


def read_dark(
    path: Path, samp_seq: str, subtype: str, times: Sequence[float], *, shape: tuple[int, int], light: Window
) -> Dark:
    """Return the dark of every read (DARKFILE).

    Parameters
    ----------
    path : Path
        The file.
    samp_seq, subtype : str
        The exposure's; the dark's must begin them.
    times : sequence of float
        Exposure time of every read, the zeroth first [s].
    shape : (int, int)
        Height and width of the frame; a dark is never cut.
    light : Window
        Light-sensitive part of the frame, over which MEANDARK is taken.

    Raises
    ------
    UnsuitableReferenceError
        If it is the dark of another sequence, frame or set of times.
    """
    return _read_dark(path, path.stat().st_mtime_ns, samp_seq, subtype, tuple(times), shape, light)


@lru_cache(maxsize=1)
def _read_dark(
    path: Path, mtime: int, samp_seq: str, subtype: str, times: tuple[float, ...], shape: tuple[int, int], light: Window
) -> Dark:
    with _opened("DARKFILE", path) as hdus:
        header = hdus[0].header
        for keyword, wanted in (("SAMP_SEQ", samp_seq), ("SUBTYPE", subtype)):
            if not wanted.startswith(str(header.get(keyword, "")).strip()):
                problem = f"{keyword} is {header.get(keyword)}, the exposure has {wanted}"
                raise UnsuitableReferenceError("DARKFILE", path.name, problem, "take the dark that CRDS names")
        exposed = [float(header[f"EXPOS_{i}"]) for i in range(1, int(header["NUMEXPOS"]) + 1)]
        numbers = [_number(path, exposed, time) for time in times]
        planes = [np.empty((len(numbers), *shape), kind) for kind in (np.float32, np.float32, np.int16)]
        copy_all([
            Copy(plane[k], _plane("DARKFILE", path, hdus[name, number], shape))
            for name, plane in zip(("SCI", "ERR", "DQ"), planes, strict=True)
            for k, number in enumerate(numbers)
        ])  # fmt: skip
    mean = tuple(float(mean_dark(sci, dq, light)) for sci, dq in zip(planes[0], planes[2], strict=True))
    return Dark(planes[0], planes[1], planes[2], mean)


def _number(path: Path, exposed: Sequence[float], time: float) -> int:
    for number, own in enumerate(exposed, 1):
        if abs(own - time) <= _SAME_TIME:
            return number
    problem = f"no image of {time:.3f} s (it has {min(exposed):.3f} to {max(exposed):.3f} s)"
    raise UnsuitableReferenceError("DARKFILE", path.name, problem, "take the dark that CRDS names")


def read_linearity(path: Path, shape: tuple[int, int], corner: tuple[int, int]) -> Linearity:
    """Return nonlinearity and saturation (NLINFILE) of a frame.

    Parameters
    ----------
    path : Path
        The file; full frame or a subarray.
    shape : (int, int)
        Height and width of the frame.
    corner : (int, int)
        Column and row of the frame's first pixel, counted from the first light-sensitive pixel of the detector.

    Raises
    ------
    UnsuitableReferenceError
        If it does not cover the frame.
    """
    return _read_linearity(path, path.stat().st_mtime_ns, shape, corner)


@lru_cache(maxsize=2)
def _read_linearity(path: Path, mtime: int, shape: tuple[int, int], corner: tuple[int, int]) -> Linearity:
    with _opened("NLINFILE", path) as hdus:
        cut = _cut("NLINFILE", path, hdus["COEF", 1], shape, corner)
        coef = np.stack([cut(hdus["COEF", i + 1], np.float32) for i in range(int(hdus[0].header["NCOEF"]))])
        node, zsci, zerr = (cut(hdus[name, 1], np.float32) for name in ("NODE", "ZSCI", "ZERR"))
        return Linearity(coef, node, cut(hdus["DQ", 1], np.int16), zsci, zerr)


def read_flat(paths: Sequence[tuple[str, Path]], shape: tuple[int, int], corner: tuple[int, int]) -> Flat:
    """Return the product of the flats (keyword and file of each) of a frame: errors add up, flags are joined.

    Raises
    ------
    UnsuitableReferenceError
        If one does not cover the frame.
    """
    stamps = tuple(path.stat().st_mtime_ns for _, path in paths)
    return _read_flat(tuple(paths), stamps, shape, corner)


@lru_cache(maxsize=2)
def _read_flat(
    paths: tuple[tuple[str, Path], ...], stamps: tuple[int, ...], shape: tuple[int, int], corner: tuple[int, int]
) -> Flat:
    product: Flat | None = None
    for keyword, path in paths:
        with _opened(keyword, path) as hdus:
            cut = _cut(keyword, path, hdus["SCI", 1], shape, corner)
            own = Flat(
                cut(hdus["SCI", 1], np.float32), cut(hdus["ERR", 1], np.float32), cut(hdus["DQ", 1], np.int16)
            )
        product = own if product is None else _times(product, own)
    if product is None:
        raise MissingReferenceError("PFLTFILE", "N/A", "all flats are N/A", "set FLATCORR to OMIT, or name a flat")
    return product


def _times(a: Flat, b: Flat) -> Flat:
    left, right = a.sci * b.err, b.sci * a.err
    err = np.sqrt((left * left + right * right).astype(np.float64)).astype(np.float32)
    return Flat(a.sci * b.sci, err, a.dq | b.dq)


def _opened(keyword: str, path: Path) -> fits.HDUList:
    try:
        return fits.open(path, memmap=True)
    except OSError as error:
        raise MissingReferenceError(keyword, str(path), "is no FITS file that can be read", "fetch it again") from error


def _cut(keyword: str, path: Path, first: Any, shape: tuple[int, int], corner: tuple[int, int]) -> Any:
    """Return a function that cuts a frame out of the file's images; `first` tells where the file's frame begins."""
    x0, y0 = (int(corner[i] - _rounded(-float(first.header.get(f"LTV{i + 1}", 0.0)))) for i in (0, 1))

    def cut(hdu: Any, kind: type) -> NDArray[Any]:
        if hdu.data is None:
            return np.full(shape, hdu.header["PIXVALUE"], kind)
        ny, nx = hdu.data.shape
        if x0 < 0 or y0 < 0 or y0 + shape[0] > ny or x0 + shape[1] > nx:
            problem = f"its {nx} x {ny} pixels do not cover the exposure's {shape[1]} x {shape[0]}"
            raise UnsuitableReferenceError(keyword, path.name, problem, "take the file that CRDS names")
        return np.ascontiguousarray(hdu.data[y0 : y0 + shape[0], x0 : x0 + shape[1]], dtype=kind)

    return cut


def _plane(keyword: str, path: Path, hdu: Any, shape: tuple[int, int]) -> Any:
    """Return the pixels of a plane, or the one value that all have."""
    if hdu.data is None:
        return hdu.header["PIXVALUE"]
    if hdu.data.shape != shape:
        found = " x ".join(map(str, hdu.data.shape[::-1]))
        problem = f"is {found} pixels, the exposure {shape[1]} x {shape[0]}"
        raise UnsuitableReferenceError(keyword, path.name, problem, "take the dark of the same frame that CRDS names")
    return hdu.data


def _rounded(value: float) -> int:
    """Return the nearest integer, halves away from zero."""
    return int(value + 0.5) if value >= 0 else int(value - 0.5)


def corner_of(ltv: tuple[float, float]) -> tuple[int, int]:
    """Return column and row of a frame's first pixel, counted from the detector's first light-sensitive pixel."""
    return _rounded(-ltv[0]), _rounded(-ltv[1])
