"""Exposures that are being drizzled: AstroDrizzle's objects for them, and their pixels for the kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from astropy.io import fits
from drizzlepac import processInput
from drizzlepac import util as drizzle_util
from numpy.typing import NDArray
from stsci.tools import teal

from wfc3tvb.repair.drizzling import kernels
from wfc3tvb.repair.drizzling.kernels import Exposure, Grid, Output

Image = NDArray[np.float32]

#: Loops over pixels that drizzle, by AstroDrizzle's name of the kernel.
KERNELS: dict[str, Callable[[Exposure, Output], None]] = {
    "turbo": kernels.drizzle_turbo,
    "square": kernels.drizzle_square,
}


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


@contextmanager
def opened(inputs: Sequence[str] | str, product: str, parameters: Mapping[str, Any]) -> Iterator[Job]:
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


def chips_of(image: Any) -> list[Any]:
    """Return drizzlepac's objects for the chips of an exposure; WFC3/IR has one."""
    return list(image.returnAllChips(extname=image.scienceExt))


def grid_between(frame: Any, other: Any, step: float) -> Grid:
    """Return the positions of an image's pixels in another one, at nodes every `step` pixels."""
    nx, ny = frame.pixel_shape
    j, i = np.mgrid[: int(ny / step) + 2, : int(nx / step) + 2] * float(step)
    x, y = other.wcs_world2pix(*frame.all_pix2world(i.ravel(), j.ravel(), 1), 1)
    return Grid(x.reshape(i.shape), y.reshape(i.shape), float(step))


def light_of(image: Any) -> Image:
    """Return the pixels of an exposure above its sky, in the units that are drizzled."""
    (chip,) = chips_of(image)
    stored = image.getData(f"{chip.header['extname']},{chip.header['extver']}")
    above = stored if chip.computedSky is None else stored - chip.computedSky
    return np.ascontiguousarray(above * chip._effGain, np.float32)


def exposure_of(job: Job, chip: Any, pixels: tuple[Image, Image], frame: Any, pars: Mapping[str, Any]) -> Exposure:
    """Return an exposure for the kernels: its image and weight, its place in the output frame."""
    scale = frame.pscale / chip.wcslin_pscale
    return Exposure(
        np.ascontiguousarray(pixels[0], np.float32), np.ascontiguousarray(pixels[1], np.float32),
        grid_between(chip.wcs, frame, float(job.config["stepsize"])),
        np.int32(1), scale * scale, scale, float(pars["pixfrac"]), np.float32(chip._wtscl),
    )  # fmt: skip


def keep(image: Any, name: str, pixels: NDArray[Any]) -> None:
    """Keep an intermediate image under AstroDrizzle's name for it."""
    image.saveVirtualOutputs({name: fits.HDUList([fits.PrimaryHDU(pixels)])})


def virtual(image: Any, name: Any) -> Any:
    """Return an intermediate image by AstroDrizzle's name for it."""
    return image.virtualOutputs.get(name, name) if name is not None else None
