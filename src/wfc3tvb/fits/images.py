"""Read and change calibrated files for the repair: images to compare, planes and headers to update."""

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
from wfc3tvb.fits.opened import opened, primary_header
from wfc3tvb.instrument import BORDER, DQ
from wfc3tvb.system.files import atomic_write

#: Flags that make a pixel unusable; those of the ramp fit (32) and of small blemishes (64) do not.
BAD = int(DQ.SOFTERR | DQ.DATALOST | DQ.DETECTORPROB | DQ.BADZERO | DQ.HOTPIX | DQ.BADBIAS | DQ.SATPIXEL | DQ.BADFLAT)
#: Bit that AstroDrizzle sets for cosmic rays.
DRIZZLE_CR = 4096
#: What files that are opened should be.
_EXPECTED = "the WFC3 file expected, or its data end too early"
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


def read_flt(path: Path) -> Picture:
    """Read a calibrated exposure (FLT).

    Raises
    ------
    NotFitsError
        If the file is not an FLT, or cut short.
    """
    with _open(path) as hdus:
        image = np.asarray(hdus["SCI", 1].data, np.float32)
        dq = plane_of(hdus["DQ", 1], image.shape)
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
        planes = {name: plane_of(hdus[name, 1], shape) for name in ("SCI", "ERR", "DQ") if (name, 1) in hdus}
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
    return primary_header(path, _EXPECTED)


def plane_of(hdu: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the pixels of an extension, constant planes included."""
    if hdu.data is None:
        return np.full(shape, hdu.header.get("PIXVALUE", 0))
    return np.asarray(hdu.data)


def _replace(hdus: fits.HDUList, path: Path) -> None:
    with atomic_write(path) as part:
        hdus.writeto(part, overwrite=True, output_verify="silentfix")


def _open(path: Path) -> AbstractContextManager[fits.HDUList]:
    """Open a FITS file for reading; astropy's errors about a bad one become one line."""
    return opened(path, _EXPECTED)
