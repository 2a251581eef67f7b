"""Search for cosmic rays: each exposure drizzled alone, their median, and the median blotted back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from drizzlepac import adrizzle, cdriz, drizCR
from numpy.typing import NDArray
from scipy import ndimage
from stwcs.distortion.utils import make_orthogonal_cd

from wfc3tvb.repair.drizzling import kernels
from wfc3tvb.repair.drizzling.job import KERNELS, Image, Job, chips_of, exposure_of, grid_between, keep, virtual
from wfc3tvb.repair.drizzling.kernels import Exposure, Grid, Output
from wfc3tvb.system.threads import in_threads

#: Parameters with the two limits of cosmic rays: multiples of the derivative, and of the noise.
_LIMITS = ("driz_cr_scale", "driz_cr_snr")


def separate(job: Job) -> None:
    """Drizzle each exposure into an image of its own, for the median."""
    pars, frame = adrizzle.buildDrizParamDict(job.config), job.frames.single_wcs
    kernel = KERNELS[pars["kernel"]]
    exposures = []
    for image, light in zip(job.images, job.light, strict=True):
        (chip,) = chips_of(image)
        good = image.buildMask(chip._chip, bits=pars["bits"])
        adrizzle.mergeDQarray(virtual(image, chip.outputNames["staticMask"]), good)
        image.set_wtscl(chip._chip, pars["wt_scl"])
        pixels = light, chip._exptime * good.astype(np.float32)
        exposures.append(exposure_of(job, chip, pixels, frame, pars))

    def drizzled(exposure: Exposure) -> tuple[Image, Image]:
        out = Output(*(np.zeros(frame.array_shape, kind) for kind in (np.float32, np.float32, np.int32)))
        kernel(exposure, out)
        return out.image, out.weight

    for image, planes in zip(job.images, in_threads(drizzled, exposures), strict=True):
        for name, plane in zip(("outSingle", "outSWeight"), planes, strict=True):
            keep(image, image.outputNames[name], plane)


def blot_median(job: Job) -> None:
    """Compute from the median what each exposure would look like without cosmic rays."""
    pars, frame = job.step(5), job.frames.single_wcs
    median = np.ascontiguousarray(job.images[0].getOutputName("outMedian")[0].data, np.float32)
    chips = [chip for image in job.images for chip in chips_of(image)]
    places = [_place_in(chip, frame, float(job.config["stepsize"])) for chip in chips]
    found = in_threads(lambda place: blot(median, place), places)
    for image, chip, pixels in zip(job.images, chips, found, strict=True):
        pixels /= chip._conversionFactor
        level = chip.computedSky if pars["blot_addsky"] else pars["blot_skyval"]
        if level is not None:
            pixels += level
        keep(image, chip.outputNames["blotImage"], pixels)


@dataclass(frozen=True)
class Place:
    """Where the pixels of an exposure lie in another image.

    Attributes
    ----------
    grid : Grid
        Their positions.
    shape : (int, int)
        Height and width of the exposure.
    scale : float
        Size of a pixel of the image over that of the exposure.
    exptime : float
        Exposure time [s].
    """

    grid: Grid
    shape: tuple[int, int]
    scale: float
    exptime: float


def _place_in(chip: Any, frame: Any, step: float) -> Place:
    """Return where the pixels of an exposure lie in a frame; not for threads, because WCSLIB is not."""
    scale = frame.pscale / make_orthogonal_cd(chip.wcs).pscale
    return Place(grid_between(chip.wcs, frame, step), tuple(chip.wcs.array_shape), scale, chip._exptime)


def blot(source: Image, place: Place) -> Image:
    """Return an image of the sky as it falls on the pixels of an exposure, times its exposure time."""
    x, y, out = (np.zeros(place.shape, np.float32) for _ in range(3))
    kernels.places(place.grid, x, y)
    columns = np.zeros((source.shape[1], source.shape[0] + 4), np.float32)
    columns[:, :-4] = source.T
    kernels.blot_inside(columns, x, y, np.float32(place.exptime), np.float32(place.scale**2), out)
    at = kernels.near_edge(source.shape, x, y)
    if at.size:
        # cdriz extrapolates beyond the edge in its own way, so it does these pixels itself.
        places = [plane.ravel()[at].astype(np.float64) + 1.0 for plane in (x, y)]
        edge, (ny, nx) = np.zeros((1, at.size), np.float32), source.shape
        cdriz.tblot(
            source, edge, 1, nx, 1, ny, place.scale, 1.0, 1.0, 1.0, "center", "poly5", place.exptime, 0.0, 1.0, 1,
            lambda _x, _y: tuple(places),
        )  # fmt: skip
        out.ravel()[at] = edge[0]
    return out


def reject(job: Job) -> None:
    """Find the cosmic rays of each exposure, which is brighter there than its blotted image."""
    pars = job.step(drizCR.STEP_NUM)
    simple = pars["driz_cr_grow"] == 1 and pars["driz_cr_ctegrow"] == 0
    numbers = [_numbers_of_rejection(chip, pars) for image in job.images for chip in chips_of(image)]
    # With numbers of double precision, numpy would compute in it.
    if not simple or any(type(number) not in (float, np.float32) for each in numbers for number in each):
        drizCR.rundrizCR(job.images, job.config)
        return

    def good(image: Any) -> NDArray[np.uint8]:
        (chip,) = chips_of(image)
        blotted = virtual(image, chip.outputNames["blotImage"])[0].data
        stored = image.getData(f"{image.scienceExt},{chip._chip}")
        pair = np.array(stored, np.float32), np.array(blotted, np.float32)
        for plane in pair:
            plane *= chip._conversionFactor
        return without_cosmic_rays(pair, [np.float32(number) for number in _numbers_of_rejection(chip, pars)])

    for image, mask in zip(job.images, in_threads(good, job.images), strict=True):
        (chip,) = chips_of(image)
        keep(image, chip.outputNames["crmaskImage"], mask)


def _numbers_of_rejection(chip: Any, pars: Mapping[str, Any]) -> tuple[float, ...]:
    """Return gain, background, variance of the read noise, and the two pairs of limits: derivative and noise."""
    limits = [[float(each) for each in re.split(r"[,;\s]+", pars[name]) if each] for name in _LIMITS]
    background = chip.subtractedSky * chip._conversionFactor
    return (chip._effGain, background, chip._rdnoise**2, *(limits[0][:2]), *(limits[1][:2]))


def without_cosmic_rays(pair: tuple[Image, Image], numbers: Sequence[np.float32]) -> NDArray[np.uint8]:
    """Return 1 for pixels of an exposure without a cosmic ray, 0 for others, by its blotted image.

    A pixel is hit if it differs from the blotted image by more than the second limit, and it or a neighbour by more
    than the first, which is larger. A limit is a multiple of the noise and one of the largest difference of
    neighbouring pixels of the blotted image.
    """
    certain, possible = np.empty(pair[0].shape, np.bool_), np.empty(pair[0].shape, np.bool_)
    kernels.differ(*pair, tuple(numbers), certain, possible)
    near = ndimage.maximum_filter(certain.view(np.uint8), 3, mode="reflect")
    return np.asarray(~(possible & (near > 0)), np.uint8)
