"""Read and change calibrated files for the repair: images to compare, ramps to fit, headers to update."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from wfc3tvb.display import Result
from wfc3tvb.errors import BadFileError
from wfc3tvb.fits.opened import opened
from wfc3tvb.instrument import BORDER, DQ, ZEROTH_OFFSET
from wfc3tvb.system.files import atomic_write

#: Flags that make a pixel unusable; those of the ramp fit (32) and of small blemishes (64) do not.
BAD = int(DQ.SOFTERR | DQ.DATALOST | DQ.DETECTORPROB | DQ.BADZERO | DQ.HOTPIX | DQ.BADBIAS | DQ.SATPIXEL | DQ.BADFLAT)
#: Bit that AstroDrizzle sets for cosmic rays.
DRIZZLE_CR = 4096
#: Drizzled pixels with less than this fraction of the full weight are noisier, so they are not used.
_FULL_WEIGHT = 0.7
#: End of the rows and columns whose medians the notebooks print (the light-sensitive part ends at 1019).
_PRINTED_END = 1014


@dataclass(frozen=True, repr=False)
class Picture(Result):
    """An FLT or drizzled image.

    Attributes
    ----------
    image : ndarray, shape (ny, nx), float32
        Count rate [electron/s].
    good : ndarray of bool, shape (ny, nx)
        Usable pixels.
    rejected : ndarray of bool, shape (ny, nx)
        Pixels in which AstroDrizzle found a cosmic ray (FLT); all False for a drizzled image.
    saturated : ndarray of bool, shape (ny, nx)
        Saturated pixels (FLT); all False for a drizzled image.
    unstable : float or None
        Fraction of the pixels with bit 32; None for a drizzled image.
    header : fits.Header
        Primary header.
    wcs : WCS
        World coordinates of the image.
    """

    image: NDArray[np.float32]
    good: NDArray[np.bool_]
    rejected: NDArray[np.bool_]
    saturated: NDArray[np.bool_]
    unstable: float | None
    header: fits.Header
    wcs: WCS


@dataclass(frozen=True)
class UnfittedRamp:
    """All reads of an IMA without a ramp fit: in time order, the zeroth first, reference pixels left out.

    Attributes
    ----------
    counts, error : ndarray, shape (n, ny, nx), float32
        Signal since the zeroth read, and its error [DN, after the flat].
    dq : ndarray, shape (n, ny, nx), int16
        Flags.
    times : ndarray, shape (n,), float64
        Time since the zeroth read [s].
    gain : float
        Mean gain [electron/DN].
    """

    counts: NDArray[np.float32]
    error: NDArray[np.float32]
    dq: NDArray[np.int16]
    times: NDArray[np.float64]
    gain: float


@dataclass(frozen=True)
class IntegrationReads:
    """Reads of an IMA without a ramp fit, as a fit of their differences needs them; reference pixels left out.

    Attributes
    ----------
    rate : ndarray, shape (n, ny, nx), float32
        Cumulative rate since the zeroth read of reads 1 to n, in time order [electron/s].
    dq : ndarray, shape (n, ny, nx), int16
        Their flags.
    times : ndarray, shape (n,), float64
        Their time since the zeroth read [s].
    zeroth_rate, zeroth_err : ndarray, shape (ny, nx), float32
        Signal in the zeroth read divided by the time since the reset, and its error [electron/s].
    zeroth_dq : ndarray, shape (ny, nx), int16
        Its flags.
    zeroth_time : float
        Time from the reset to the zeroth read [s].
    shape : (int, int)
        Height and width of the frame, reference pixels included.
    ltv : (int, int)
        LTV1, LTV2 of the frame, rounded.
    header : fits.Header
        Primary header.
    """

    rate: NDArray[np.float32]
    dq: NDArray[np.int16]
    times: NDArray[np.float64]
    zeroth_rate: NDArray[np.float32]
    zeroth_err: NDArray[np.float32]
    zeroth_dq: NDArray[np.int16]
    zeroth_time: float
    shape: tuple[int, int]
    ltv: tuple[int, int]
    header: fits.Header


def read_flt(path: Path) -> Picture:
    """Read a calibrated exposure (FLT).

    Raises
    ------
    NotFitsError
        If the file is not an FLT, or cut short.
    """
    with _open(path) as hdus:
        image = np.asarray(hdus["SCI", 1].data, np.float32)
        dq = _plane(hdus["DQ", 1], image.shape)
        return Picture(
            image=image,
            good=((dq & BAD) == 0) & np.isfinite(image),
            rejected=(dq & DRIZZLE_CR) != 0,
            saturated=(dq & int(DQ.SATPIXEL)) != 0,
            unstable=float(np.mean((dq & int(DQ.UNSTABLE)) != 0)),
            header=hdus[0].header,
            wcs=WCS(hdus["SCI", 1].header, hdus, fix=False),
        )


def read_drz(path: Path) -> Picture:
    """Read a drizzled image; pixels with a low weight are not good.

    Raises
    ------
    NotFitsError
        If the file is not a drizzled image, or cut short.
    """
    with _open(path) as hdus:
        image, weight = np.asarray(hdus["SCI", 1].data, np.float32), np.asarray(hdus["WHT", 1].data)
        full = float(np.percentile(weight[weight > 0], 95)) if np.any(weight > 0) else 1.0
        return Picture(
            image=image,
            good=(weight > _FULL_WEIGHT * full) & np.isfinite(image),
            rejected=np.zeros(image.shape, bool),
            saturated=np.zeros(image.shape, bool),
            unstable=None,
            header=hdus[0].header,
            wcs=WCS(hdus["SCI", 1].header, fix=False),
        )


def exposure_of(raw: Path) -> tuple[float, bool]:
    """Return the exposure time of a raw file [s], and whether the pixels of its last read differ from each other.

    Raises
    ------
    NotFitsError
        If the file is not a raw exposure, or cut short.
    """
    with _open(raw) as hdus:
        last = hdus["SCI", 1].data
        return float(hdus[0].header["EXPTIME"]), last is not None and bool(np.any(last != last.flat[0]))


def image_statistics(path: Path, window: tuple[float, float]) -> tuple[float, float, float]:
    """Return mean, median and standard deviation of an image's pixels with values in a window [electron/s].

    Raises
    ------
    NotFitsError
        If the file is not a WFC3 image, or cut short.
    """
    with _open(path) as hdus:
        values = np.asarray(hdus["SCI", 1].data, float)
    values = values[(values >= window[0]) & (values <= window[1])]
    return float(values.mean()), float(np.median(values)), float(values.std())


def printed_medians(path: Path) -> tuple[list[float], list[float]]:
    """Return the time and the median of every read of an IMA, as the STScI notebooks print them.

    Returns
    -------
    times, medians : list of float
        Time since the zeroth read [s]; `numpy.median` of ``SCI[5:1014, 5:1014]``, bad pixels included, in the units of
        the file. In time order, the zeroth read left out.

    Raises
    ------
    NotFitsError
        If the file is not an IMA, or cut short.
    """
    with _open(path) as hdus:
        planes = [hdus["SCI", version] for version in range(int(hdus[0].header["NSAMP"]) - 1, 0, -1)]
        times = [float(plane.header["SAMPTIME"]) for plane in planes]
        return times, [float(np.median(plane.data[BORDER:_PRINTED_END, BORDER:_PRINTED_END])) for plane in planes]


def drop_and_scale(header: Mapping[str, Any]) -> tuple[float, float]:
    """Return pixfrac, and the size of an output pixel in input pixels, from the header of a drizzled image."""
    pixfrac, scale = float(header.get("D001PIXF", 1.0)), float(header.get("D001SCAL", 0.0))
    native = float(header.get("D001ISCL", 0.0))
    return pixfrac, scale / native if scale and native else 1.0


def read_ramp(path: Path) -> UnfittedRamp:
    """Read an IMA in electron/s without a ramp fit (CRCORR=OMIT).

    Raises
    ------
    BadFileError
        If it has been fitted, so that its flags would spoil a new fit, or is not in electron/s.
    """
    with _open(path) as hdus:
        header = hdus[0].header
        _check_unfitted(hdus, path)
        gain = float(np.mean([header[f"ATODGN{amp}"] for amp in "ABCD"]))
        versions = range(int(header["NSAMP"]), 0, -1)
        times = np.array([hdus["SCI", v].header["SAMPTIME"] for v in versions], np.float64)
        times[0] = 0.0
        counts, error = (_stack(hdus, name, versions, np.float32) for name in ("SCI", "ERR"))
        dq = _stack(hdus, "DQ", versions, np.int16)
    for cube in (counts, error):
        cube *= (times / gain).astype(np.float32)[:, None, None]
    return UnfittedRamp(counts, error, dq, times, gain)


def read_integration(path: Path) -> IntegrationReads:
    """Read an IMA in electron/s without a ramp fit (CRCORR=OMIT), for a fit of the differences of its reads.

    Raises
    ------
    BadFileError
        If it has been fitted, or is not in electron/s.
    """
    with _open(path) as hdus:
        _check_unfitted(hdus, path)
        first, n = hdus["SCI", 1], int(hdus[0].header["NSAMP"])
        versions = range(n - 1, 0, -1)
        times = np.array([hdus["SCI", v].header["SAMPTIME"] for v in versions], np.float64)
        zeroth = range(n, n - 1, -1)
        return IntegrationReads(
            rate=_stack(hdus, "SCI", versions, np.float32),
            dq=_stack(hdus, "DQ", versions, np.int16),
            times=times,
            zeroth_rate=_stack(hdus, "SCI", zeroth, np.float32)[0],
            zeroth_err=_stack(hdus, "ERR", zeroth, np.float32)[0],
            zeroth_dq=_stack(hdus, "DQ", zeroth, np.int16)[0],
            zeroth_time=float(times[0]) - ZEROTH_OFFSET,
            shape=(int(first.data.shape[0]), int(first.data.shape[1])),
            ltv=(round(first.header.get("LTV1", BORDER)), round(first.header.get("LTV2", BORDER))),
            header=hdus[0].header,
        )


def _check_unfitted(hdus: fits.HDUList, path: Path) -> None:
    """Raise `BadFileError` unless an IMA is in electron/s and not fitted: the flags of a fit would spoil a new one."""
    units = [str(hdu.header.get("BUNIT")) for hdu in hdus if hdu.name == "SCI"]
    if hdus[0].header.get("CRCORR") == "COMPLETE" or any("ELECTRONS/S" not in unit for unit in units):
        raise BadFileError(path, "has a ramp fit already, or is not in electron/s", "calibrate with CRCORR=OMIT")


def write_planes(
    path: Path, planes: Mapping[str, NDArray[Any]], keywords: Mapping[str, Any], history: Sequence[str] = ()
) -> None:
    """Replace planes (SCI, ERR, DQ, SAMP, TIME) of an FLT, add missing ones, and change its primary header."""
    with fits.open(path, memmap=False) as hdus:
        for name, plane in planes.items():
            if (name, 1) not in hdus:
                hdus.append(fits.ImageHDU(plane, name=name, ver=1))
                hdus[0].header["NEXTEND"] = len(hdus) - 1
                continue
            header = hdus[name, 1].header
            for keyword in ("NPIX1", "NPIX2", "PIXVALUE"):
                header.remove(keyword, ignore_missing=True)
            hdus[hdus.index_of((name, 1))] = fits.ImageHDU(plane, header)
        hdus[0].header.update(keywords)
        for line in history:
            hdus[0].header.add_history(line)
        _replace(hdus, path)


def fill_not_finite(path: Path) -> int:
    """Replace NaN and infinity in an FLT by the level of its sky, flag these pixels (DQ 2), and return their number.

    AstroDrizzle would measure a wrong sky, and spread them into the drizzled image, whatever their flags.
    """
    with _open(path) as hdus:
        shape = hdus["SCI", 1].data.shape
        planes = {name: _plane(hdus[name, 1], shape) for name in ("SCI", "ERR", "DQ") if (name, 1) in hdus}
    bad = ~np.isfinite(planes["SCI"])
    if all(np.all(np.isfinite(plane)) for plane in planes.values()):
        return 0
    dq = np.array(planes.get("DQ", np.zeros(shape)), np.int16)
    usable = planes["SCI"][~bad & (dq == 0)]
    values = {"SCI": np.median(usable) if usable.size else 0.0, "ERR": 0.0}
    filled = {
        name: np.where(np.isfinite(planes[name]), planes[name], value).astype(np.float32)
        for name, value in values.items()
        if name in planes
    }
    dq[bad] |= int(DQ.DATALOST)
    write_planes(path, filled | {"DQ": dq}, {})
    return int(np.count_nonzero(bad))


def write_cards(path: Path, cards: Mapping[str, tuple[Any, str]], *history: str) -> None:
    """Write keywords with comments, and HISTORY lines, into a primary header."""
    with fits.open(path, memmap=False) as hdus:
        for keyword, (value, comment) in cards.items():
            hdus[0].header[keyword] = (value, comment)
        for line in history:
            hdus[0].header.add_history(line)
        _replace(hdus, path)


def copy_raw(original: Path, path: Path, keywords: Mapping[str, str]) -> None:
    """Copy a raw file and set keywords of its primary header; the original is not touched."""
    with atomic_write(path) as part:
        shutil.copyfile(original, part)
        with fits.open(part, mode="update", do_not_scale_image_data=True) as hdus:
            hdus[0].header.update(keywords)


def header_of(path: Path) -> fits.Header:
    """Return the primary header.

    Raises
    ------
    NotFitsError
        If it is not a FITS file.
    """
    with _open(path) as hdus:
        return hdus[0].header


def _stack(hdus: fits.HDUList, name: str, versions: range, kind: type[Any]) -> NDArray[Any]:
    """Return a plane of every read, reference pixels left out."""
    shape = hdus["SCI", 1].data.shape
    inner = slice(BORDER, -BORDER)
    return np.stack([_plane(hdus[name, v], shape)[inner, inner].astype(kind) for v in versions])


def _plane(hdu: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the pixels of an extension, constant planes included."""
    if hdu.data is None:
        return np.full(shape, hdu.header.get("PIXVALUE", 0))
    return np.asarray(hdu.data)


def _replace(hdus: fits.HDUList, path: Path) -> None:
    with atomic_write(path) as part:
        hdus.writeto(part, overwrite=True, output_verify="silentfix")


def _open(path: Path) -> AbstractContextManager[fits.HDUList]:
    """Open a FITS file for reading; astropy's errors about a bad one become one line."""
    return opened(path, "the WFC3 file expected, or its data end too early")
