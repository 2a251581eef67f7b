"""Read reference images (dark, nonlinearity, flat), cut to an exposure's frame and cached for the next exposure."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.calibration.model import Dark, Flat, Linearity, Planes
from wfc3tvb.errors import BadFileError, MissingReferenceError, UnsuitableReferenceError
from wfc3tvb.fits.blocks import CHECK_THE_COPY
from wfc3tvb.fits.hdus import Extension, read_fits

#: Largest difference between the exposure time of a dark image and that of a read [s].
_SAME_TIME = 0.01


def read_dark(path: Path, samp_seq: str, subtype: str, times: Sequence[float], *, shape: tuple[int, int]) -> Dark:
    """Return the dark of every read (DARKFILE).

    Parameters
    ----------
    path : Path
        The file.
    samp_seq, subtype : str
        SAMP_SEQ and SUBTYPE of the exposure, which must begin with those of the dark.
    times : sequence of float
        Exposure time of every read, the zeroth first [s].
    shape : (int, int)
        Height and width of the frame; a dark is never cut.

    Raises
    ------
    UnsuitableReferenceError
        If it is a dark for another sequence, frame or set of times.
    """
    return _read_dark(path, path.stat().st_mtime_ns, samp_seq, subtype, tuple(times), shape)


@lru_cache(maxsize=1)
def _read_dark(
    path: Path, mtime: int, samp_seq: str, subtype: str, times: tuple[float, ...], shape: tuple[int, int]
) -> Dark:
    extensions = _opened("DARKFILE", path)
    header = extensions["PRIMARY", 1].header
    for keyword, wanted in (("SAMP_SEQ", samp_seq), ("SUBTYPE", subtype)):
        if not wanted.startswith(str(header.get(keyword, "")).strip()):
            problem = f"{keyword} is {header.get(keyword)}, the exposure has {wanted}"
            raise UnsuitableReferenceError("DARKFILE", path.name, problem, "use the dark that CRDS names")
    n = int(header.number("NUMEXPOS"))
    if n < 1:
        raise UnsuitableReferenceError("DARKFILE", path.name, f"NUMEXPOS is {n}", "use the dark that CRDS names")
    exposed = [float(header.number(f"EXPOS_{i}")) for i in range(1, n + 1)]
    versions = [_dark_version(path, exposed, time) for time in times]
    sci, err, dq = (
        Planes(tuple(_plane("DARKFILE", path, extensions[name, version], shape) for version in versions), kind)
        for name, kind in (("SCI", np.float32), ("ERR", np.float32), ("DQ", np.int16))
    )
    return Dark(sci, err, dq)


def _dark_version(path: Path, exposed: Sequence[float], time: float) -> int:
    """Return EXTVER of the image of a dark that has the exposure time of a read [s]."""
    for version, exposure_time in enumerate(exposed, 1):
        if abs(exposure_time - time) <= _SAME_TIME:
            return version
    problem = f"no image of {time:.3f} s (it has {min(exposed):.3f} to {max(exposed):.3f} s)"
    raise UnsuitableReferenceError("DARKFILE", path.name, problem, "use the dark that CRDS names")


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
    extensions = _opened("NLINFILE", path)
    cut = _cut("NLINFILE", path, extensions["COEF", 1], shape, corner)
    n = int(extensions["PRIMARY", 1].header.number("NCOEF"))
    if n < 1:
        raise UnsuitableReferenceError("NLINFILE", path.name, f"NCOEF is {n}", "use the file that CRDS names")
    coef = Planes(tuple(cut(extensions["COEF", i + 1]) for i in range(n)), np.float32)
    node, zsci, zerr = (_typed(cut(extensions[name, 1]), np.float32) for name in ("NODE", "ZSCI", "ZERR"))
    return Linearity(coef, node, _typed(cut(extensions["DQ", 1]), np.int16), zsci, zerr)


def read_flat(paths: Sequence[tuple[str, Path]], shape: tuple[int, int], corner: tuple[int, int]) -> Flat:
    """Return the product of the flats (keyword and file of each) of a frame, errors propagated and flags combined.

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
    place: Extension | None = None  # calwf3 multiplies flats as they are, and cuts the product by the first one's LTV
    for keyword, path in paths:
        extensions = _opened(keyword, path)
        place = place or extensions["SCI", 1]
        if extensions["SCI", 1].shape != place.shape:
            problem = "its size is not that of the other flats"
            raise UnsuitableReferenceError(keyword, path.name, problem, "use the flats that CRDS names")
        cut = _cut(keyword, path, place, shape, corner)
        sci, err = (_typed(cut(extensions[name, 1]), np.float32) for name in ("SCI", "ERR"))
        flat = Flat(sci, err, _typed(cut(extensions["DQ", 1]), np.int16))
        product = flat if product is None else _times(product, flat)
    if product is None:
        raise MissingReferenceError("PFLTFILE", "N/A", "all flats are N/A", "set FLATCORR to OMIT, or name a flat")
    return product


def _times(a: Flat, b: Flat) -> Flat:
    left, right = a.sci * b.err, b.sci * a.err
    err = np.sqrt((left * left + right * right).astype(np.float64)).astype(np.float32)
    return Flat(a.sci * b.sci, err, a.dq | b.dq)


def _opened(keyword: str, path: Path) -> Mapping[tuple[str, int], Extension]:
    """Return the extensions of a file by EXTNAME and EXTVER; looking up a missing one raises an error."""
    try:
        primary, *others = read_fits(path)
    except BadFileError as error:
        problem = f"cannot be read as FITS: {error.problem}"
        raise MissingReferenceError(keyword, str(path), problem, CHECK_THE_COPY) from error
    return _Extensions(keyword, path, {("PRIMARY", 1): primary} | {extension.key: extension for extension in others})


class _Extensions(UserDict[tuple[str, int], Extension]):
    """Extensions of a reference file; a missing one is an error."""

    def __init__(self, keyword: str, path: Path, extensions: dict[tuple[str, int], Extension]) -> None:
        self.keyword, self.path = keyword, path
        super().__init__(extensions)

    def __missing__(self, key: tuple[str, int]) -> Extension:
        problem = f"has no extension {key[0]},{key[1]}"
        raise UnsuitableReferenceError(self.keyword, self.path.name, problem, "use the file that CRDS names")


def _cut(
    keyword: str, path: Path, first: Extension, shape: tuple[int, int], corner: tuple[int, int]
) -> Callable[[Extension], NDArray[Any]]:
    """Return a function that cuts a frame out of a file's images; `first` has the LTV keywords of the file's frame."""
    x0, y0 = (int(corner[i] - _rounded(-float(first.header.number(f"LTV{i + 1}", 0.0)))) for i in (0, 1))

    def cut(extension: Extension) -> NDArray[Any]:
        image = extension.pixels
        if image is None:
            return np.broadcast_to(extension.value, shape)
        ny, nx = image.shape if image.ndim == 2 else (0, 0)
        if x0 < 0 or y0 < 0 or y0 + shape[0] > ny or x0 + shape[1] > nx:
            problem = f"its {nx} x {ny} pixels do not cover the exposure's {shape[1]} x {shape[0]}"
            raise UnsuitableReferenceError(keyword, path.name, problem, "use the file that CRDS names")
        return image[y0 : y0 + shape[0], x0 : x0 + shape[1]]

    return cut


def _typed(image: NDArray[Any], kind: type) -> NDArray[Any]:
    """Return an image in a type, in any byte order: most files have it, and the image stays in its file."""
    return image if image.dtype.newbyteorder("=") == kind else image.astype(kind)


def _plane(keyword: str, path: Path, extension: Extension, shape: tuple[int, int]) -> NDArray[Any]:
    """Return the pixels of a plane, in the file's type and byte order."""
    image = extension.pixels
    if image is None:
        return np.broadcast_to(extension.value, shape)
    if image.shape != shape:
        found = " x ".join(map(str, image.shape[::-1]))
        problem = f"has {found} pixels, the exposure {shape[1]} x {shape[0]}"
        raise UnsuitableReferenceError(keyword, path.name, problem, "use the dark for this frame that CRDS names")
    return image


def _rounded(value: float) -> int:
    """Return the nearest integer, halves away from zero."""
    return int(value + 0.5) if value >= 0 else int(value - 0.5)


def corner_of(ltv: tuple[float, float]) -> tuple[int, int]:
    """Return column and row of a frame's first pixel, counted from the detector's first light-sensitive pixel."""
    return _rounded(-ltv[0]), _rounded(-ltv[1])
