"""AstroDrizzle's steps with arrays handed from one to the next, and the same pixels and headers.

AstroDrizzle makes a FITS header for each of its intermediate images, the larger part of its time. Here they are arrays.
Setting up, static mask, sky, median, detection of cosmic rays and the file of the product are drizzlepac's own; the
mapping of pixels is astropy's, and drizzling and blotting follow drizzlepac's C code bit for bit (`kernels`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from astropy.io import fits
from drizzlepac import __version__, adrizzle, cdriz, createMedian, drizCR, outputimage, processInput, sky, staticMask
from drizzlepac import util as drizzle_util
from numpy.typing import NDArray
from scipy import ndimage
from stsci.tools import teal
from stwcs.distortion.utils import make_orthogonal_cd

from wfc3tvb.repair.drizzling import kernels
from wfc3tvb.repair.drizzling.kernels import Exposure, Grid, Output
from wfc3tvb.system.threads import in_threads

Image = NDArray[np.float32]

#: What drizzlepac's C code says of itself in the header of the product.
_C_VERSION = "Callable C-based DRIZZLE Version 0.8 (20th May 2009)"
#: Log that the header of the product names.
LOG = "drizzle.log"
#: Exposures in a plane of the context image, one bit each.
_BITS = 32
#: Release of drizzlepac whose C code the kernels follow.
_RELEASE = "3.11."
_KERNELS: dict[str, Callable[[Exposure, Output], None]] = {
    "turbo": kernels.drizzle_turbo,
    "square": kernels.drizzle_square,
}
#: Smallest size of a drop; cdriz takes smaller ones for points.
_SMALLEST = 0.001
#: Parameters with the two limits of cosmic rays: multiples of the derivative, and of the noise.
_LIMITS = ("driz_cr_scale", "driz_cr_snr")


class UnsupportedError(Exception):
    """A parameter that only AstroDrizzle itself supports; the message names it."""


@dataclass(frozen=True)
class Job:
    """Exposures that are being drizzled.

    Attributes
    ----------
    config : mapping
        All of AstroDrizzle's parameters, in its sections.
    images : list of drizzlepac.imageObject.imageObject
        The exposures.
    frames : drizzlepac.wcs_functions.WCSObject
        The output frames.
    light : list of ndarray
        Pixels of each exposure above its sky, in the units that are drizzled; filled after the sky is known.
    """

    config: Mapping[str, Any]
    images: list[Any]
    frames: Any
    light: list[Image] = field(default_factory=list)

    def step(self, number: int | str) -> dict[str, Any]:
        """Return the parameters of one of AstroDrizzle's steps."""
        return dict(self.config[drizzle_util.getSectionName(self.config, number)])


def drizzle(inputs: Sequence[str] | str, product: str, parameters: Mapping[str, Any]) -> None:
    """Combine exposures as AstroDrizzle does with the MDRIZTAB's parameters, overridden by those given.

    Raises
    ------
    UnsupportedError
        If a parameter needs AstroDrizzle itself; nothing is changed.
    """
    with _opened(inputs, product, parameters) as job:
        check(job)
        if job.step(staticMask.STEP_NUM)["static"]:
            staticMask.createStaticMask(job.images, job.config)
        sky.subtractSky(job.images, job.config)
        # Now, because the detection of cosmic rays changes the units of the images in memory.
        job.light.extend(_light(image) for image in job.images)
        if len(job.images) > 1 and job.step(drizCR.STEP_NUM)["driz_cr"]:
            _separate(job)
            createMedian.createMedian(job.images, job.config)
            _blot(job)
            _reject(job)
        _combine(job)


@contextmanager
def _opened(inputs: Sequence[str] | str, product: str, parameters: Mapping[str, Any]) -> Iterator[Job]:
    """Open exposures with the parameters of the MDRIZTAB and those given."""
    given = {**parameters, "input": inputs, "output": product}
    defaults = teal.load("astrodrizzle", defaults=True)
    defaults["updatewcs"] = given.pop("updatewcs", False)
    config = drizzle_util.getDefaultConfigObj("astrodrizzle", defaults, given, loadOnly=True)
    for step in ("3a", "7a"):
        drizzle_util.applyUserPars_steps(config, given, step=step)
    config["mdriztab"] = True
    images, frames = processInput.setCommonInput(config, overwrite_dict=given)
    if not images:
        raise RuntimeError("drizzlepac finds no valid exposure")
    try:
        yield Job(config, images, frames)
    finally:
        for image in images:
            image.clean()
            image.close()


def check(job: Job) -> None:
    """Raise `UnsupportedError` if a parameter or an exposure needs AstroDrizzle itself."""
    single, final, blot = job.step(3), job.step(7), job.step(5)
    chips = [chip for image in job.images for chip in _chips(image)]
    allowed = {
        f"drizzlepac {__version__}": __version__.startswith(_RELEASE),
        "driz_sep_kernel": single["driz_sep_kernel"] in _KERNELS,
        "final_kernel": final["final_kernel"] in _KERNELS,
        "driz_sep_pixfrac": float(single["driz_sep_pixfrac"]) > _SMALLEST,
        "final_pixfrac": float(final["final_pixfrac"]) > _SMALLEST,
        "driz_sep_fillval": _unset(single["driz_sep_fillval"]),
        "final_fillval": _unset(final["final_fillval"]),
        "driz_sep_wcs": not job.step("3a")["driz_sep_wcs"],
        "final_wcs": not job.step("7a")["final_wcs"],
        "blot_interp": blot["blot_interp"] == "poly5",
        "driz_cr_corr": not job.step(drizCR.STEP_NUM)["driz_cr_corr"],
        "driz_combine": bool(final["driz_combine"]),
        "coeffs": bool(job.config["coeffs"]),
        "stepsize": float(job.config["stepsize"]) > 0,
        "in_memory": bool(job.config["in_memory"]),
        "clean": bool(job.config["STATE OF INPUT FILES"]["clean"]),
        "number of chips": len(chips) == len(job.images),
        "units": all(chip.in_units.lower() == "cps" for chip in chips),
        "exposure time": all(chip._exptime > 0 for chip in chips),
    }
    if refused := [name for name, good in allowed.items() if not good]:
        raise UnsupportedError(", ".join(refused))


def _unset(value: Any) -> bool:
    return drizzle_util.is_blank(value) or str(value).upper() == "INDEF"


def _chips(image: Any) -> list[Any]:
    return list(image.returnAllChips(extname=image.scienceExt))


def grid_between(frame: Any, other: Any, step: float) -> Grid:
    """Return the positions of an image's pixels in another one, at nodes every `step` pixels."""
    nx, ny = frame.pixel_shape
    j, i = np.mgrid[: int(ny / step) + 2, : int(nx / step) + 2] * float(step)
    x, y = other.wcs_world2pix(*frame.all_pix2world(i.ravel(), j.ravel(), 1), 1)
    return Grid(x.reshape(i.shape), y.reshape(i.shape), float(step))


def _light(image: Any) -> Image:
    """Return the pixels of an exposure above its sky, in the units that are drizzled."""
    (chip,) = _chips(image)
    stored = image.getData(f"{chip.header['extname']},{chip.header['extver']}")
    above = stored if chip.computedSky is None else stored - chip.computedSky
    return np.ascontiguousarray(above * chip._effGain, np.float32)


def _exposure(job: Job, chip: Any, pixels: tuple[Image, Image], frame: Any, pars: Mapping[str, Any]) -> Exposure:
    """Return an exposure for the kernels: its image and weight, its place in the output frame."""
    scale = frame.pscale / chip.wcslin_pscale
    return Exposure(
        np.ascontiguousarray(pixels[0], np.float32), np.ascontiguousarray(pixels[1], np.float32),
        grid_between(chip.wcs, frame, float(job.config["stepsize"])),
        np.int32(1), scale * scale, scale, float(pars["pixfrac"]), np.float32(chip._wtscl),
    )  # fmt: skip


# --- cosmic rays -----------------------------------------------------------------------------------------------------


def _separate(job: Job) -> None:
    """Drizzle each exposure into an image of its own, for the median."""
    pars, frame = adrizzle.buildDrizParamDict(job.config), job.frames.single_wcs
    kernel = _KERNELS[pars["kernel"]]
    exposures = []
    for image, light in zip(job.images, job.light, strict=True):
        (chip,) = _chips(image)
        good = image.buildMask(chip._chip, bits=pars["bits"])
        adrizzle.mergeDQarray(_virtual(image, chip.outputNames["staticMask"]), good)
        image.set_wtscl(chip._chip, pars["wt_scl"])
        pixels = light, chip._exptime * good.astype(np.float32)
        exposures.append(_exposure(job, chip, pixels, frame, pars))

    def drizzled(exposure: Exposure) -> tuple[Image, Image]:
        out = Output(*(np.zeros(frame.array_shape, kind) for kind in (np.float32, np.float32, np.int32)))
        kernel(exposure, out)
        return out.image, out.weight

    for image, planes in zip(job.images, in_threads(drizzled, exposures), strict=True):
        for name, plane in zip(("outSingle", "outSWeight"), planes, strict=True):
            _keep(image, image.outputNames[name], plane)


def _blot(job: Job) -> None:
    """Compute from the median what each exposure would look like without cosmic rays."""
    pars, frame = job.step(5), job.frames.single_wcs
    median = np.ascontiguousarray(job.images[0].getOutputName("outMedian")[0].data, np.float32)
    chips = [chip for image in job.images for chip in _chips(image)]
    places = [_place_in(chip, frame, float(job.config["stepsize"])) for chip in chips]
    found = in_threads(lambda place: blot(median, place), places)
    for image, chip, pixels in zip(job.images, chips, found, strict=True):
        pixels /= chip._conversionFactor
        level = chip.computedSky if pars["blot_addsky"] else pars["blot_skyval"]
        if level is not None:
            pixels += level
        _keep(image, chip.outputNames["blotImage"], pixels)


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


def _reject(job: Job) -> None:
    """Find the cosmic rays of each exposure, which is brighter there than its blotted image."""
    pars = job.step(drizCR.STEP_NUM)
    simple = pars["driz_cr_grow"] == 1 and pars["driz_cr_ctegrow"] == 0
    numbers = [_numbers_of_rejection(chip, pars) for image in job.images for chip in _chips(image)]
    # With numbers of double precision, numpy would compute in it.
    if not simple or any(type(number) not in (float, np.float32) for each in numbers for number in each):
        drizCR.rundrizCR(job.images, job.config)
        return

    def good(image: Any) -> NDArray[np.uint8]:
        (chip,) = _chips(image)
        blotted = _virtual(image, chip.outputNames["blotImage"])[0].data
        stored = image.getData(f"{image.scienceExt},{chip._chip}")
        pair = np.array(stored, np.float32), np.array(blotted, np.float32)
        for plane in pair:
            plane *= chip._conversionFactor
        return without_cosmic_rays(pair, [np.float32(number) for number in _numbers_of_rejection(chip, pars)])

    for image, mask in zip(job.images, in_threads(good, job.images), strict=True):
        (chip,) = _chips(image)
        _keep(image, chip.outputNames["crmaskImage"], mask)


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


def _keep(image: Any, name: str, pixels: NDArray[Any]) -> None:
    """Keep an intermediate image under AstroDrizzle's name for it."""
    image.saveVirtualOutputs({name: fits.HDUList([fits.PrimaryHDU(pixels)])})


def _virtual(image: Any, name: Any) -> Any:
    """Return an intermediate image by AstroDrizzle's name for it."""
    return image.virtualOutputs.get(name, name) if name is not None else None


# --- product ---------------------------------------------------------------------------------------------------------


def _combine(job: Job) -> None:
    """Drizzle all exposures into one image, flag the cosmic rays in their files, and write the product."""
    pars = _final_parameters(job)
    frame = job.frames.final_wcs
    planes = (len(job.images) - 1) // _BITS + 1 if job.images[0][1].outputNames["outContext"] else 1
    image = np.full(frame.array_shape, adrizzle.interpret_maskval(pars), np.float32)
    weight, context = np.zeros(frame.array_shape, np.float32), np.zeros((planes, *frame.array_shape), np.int32)
    records, added = [], []
    with ThreadPoolExecutor(1) as pool:  # adds an exposure while the next one's flags and weights are made
        for number, each in enumerate(job.images):
            (chip,) = _chips(each)
            pixels = job.light[number], _final_weight(each, chip, pars, frame)
            exposure = _exposure(job, chip, pixels, frame, pars)
            (bit,) = np.array([1 << number % _BITS], np.uint32).view(np.int32)
            out = Output(image, weight, context[min(number // _BITS, planes - 1)])
            added.append(pool.submit(_KERNELS[pars["kernel"]], exposure._replace(bit=bit), out))
            records.append(_record(each, chip, pars))
        for one in added:
            one.result()
    _write(job, records, pars, (image, weight, context))


def _final_parameters(job: Job) -> dict[str, Any]:
    """Return the parameters of the combination."""
    config = job.config
    return {
        **adrizzle.buildDrizParamDict(config, single=False),
        "crbit": config["crbit"], "proc_unit": config["proc_unit"], "wht_type": job.step(7)["final_wht_type"],
        "rules_file": config["rules_file"] or None, "clean": True, "logfile": LOG,
    }  # fmt: skip


def _final_weight(image: Any, chip: Any, pars: Mapping[str, Any], frame: Any) -> Image:
    """Return the weight of an exposure's pixels; cosmic rays are flagged in its file."""
    good = image.buildMask(chip._chip, bits=pars["bits"])
    adrizzle.mergeDQarray(_virtual(image, chip.outputNames["staticMask"]), good)
    rays = _virtual(image, chip.outputNames["crmaskImage"])
    if good.any():
        adrizzle.mergeDQarray(rays, good)
    adrizzle.updateInputDQArray(chip.dqfile, chip.dq_extn, chip._chip, rays, pars["crbit"])
    image.set_wtscl(chip._chip, pars["wt_scl"])
    ratio = frame.pscale / chip.wcslin_pscale
    if pars["wht_type"] == "ERR":
        return np.asarray(image.buildERRmask(chip._chip, good, ratio))
    if pars["wht_type"] == "IVM":
        return np.asarray(image.buildIVMmask(chip._chip, good, ratio))
    if pars["wht_type"] == "EXP":
        return np.asarray(image.buildEXPmask(chip._chip, good))
    return np.asarray(chip._exptime * good.astype(np.float32))


def _record(image: Any, chip: Any, pars: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the header of the product says of an exposure."""
    chip.outputNames |= {"driz_version": _C_VERSION, "driz_wcskey": pars["wcskey"]}
    output = {name: value for name, value in image.outputNames.items() if name[:3] == "out"}
    record: dict[str, Any] = {**chip.outputNames, **image.outputValues, **output}
    return record | {
        "exptime": chip._exptime, "expstart": chip._expstart, "expend": chip._expend, "wt_scl_val": chip._wtscl,
    }  # fmt: skip


def _write(
    job: Job, records: list[dict[str, Any]], pars: dict[str, Any], planes: tuple[Image, Image, NDArray[np.int32]]
) -> None:
    """Write the product with drizzlepac's header; its last exposure decides the units, as in AstroDrizzle."""
    last = job.images[-1]
    (chip,) = _chips(last)
    unit, slash = chip._bunit, chip._bunit.find("/")
    if pars["proc_unit"].lower() == "native" and last.native_units.lower()[:6] == "counts":
        planes[0][...] /= chip._gain
        unit, slash = last.native_units.lower(), last.native_units.find("/")
    if pars["units"] == "counts":
        planes[0][...] *= last.outputValues["texptime"]
        unit = unit[:slash] if slash > 0 else None
    else:
        unit = f"{unit}/S" if slash < 1 else None
    last.inmemory = False
    written = outputimage.OutputImage(
        records, pars | {"idcscale": chip.wcs.idcscale}, build=pars["build"], wcs=job.frames.final_wcs, single=False
    )
    written.set_bunit(unit)
    written.set_units(pars["units"])
    versions = {
        "AstroDrizzle": __version__, "PyFITS": drizzle_util.__fits_version__, "Numpy": drizzle_util.__numpy_version__,
    }  # fmt: skip
    names = [one.outputNames["data"] for image in job.images for one in _chips(image)]
    written.writeFITS(
        names, *planes[:2], ctxarr=planes[2], versions=versions, virtual=False, rules_file=pars["rules_file"],
        logfile=LOG,
    )  # fmt: skip
