"""AstroDrizzle's steps with arrays handed from one to the next, and the same pixels and headers.

AstroDrizzle makes a FITS header for each of its intermediate images, the larger part of its time. Here they are arrays.
Setting up, static mask, sky, median, detection of cosmic rays and the file of the product are drizzlepac's own; the
mapping of pixels is astropy's, and drizzling and blotting follow drizzlepac's C code bit for bit (`kernels`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drizzlepac import __version__, createMedian, drizCR, sky, staticMask
from drizzlepac import util as drizzle_util

from wfc3tvb.repair.drizzling.cosmic_rays import blot_median, reject, separate
from wfc3tvb.repair.drizzling.job import KERNELS, Job, chips_of, light_of, opened
from wfc3tvb.repair.drizzling.product import combine

#: Release of drizzlepac whose C code the kernels follow.
_RELEASE = "3.11."
#: Smallest size of a drop; cdriz takes smaller ones for points.
_SMALLEST = 0.001


class UnsupportedError(Exception):
    """A parameter that only AstroDrizzle itself supports; the message names it."""


def drizzle(inputs: Sequence[str] | str, product: str, parameters: Mapping[str, Any]) -> None:
    """Combine exposures as AstroDrizzle does with the MDRIZTAB's parameters, overridden by those given.

    Raises
    ------
    UnsupportedError
        If a parameter needs AstroDrizzle itself; nothing is changed.
    """
    with opened(inputs, product, parameters) as job:
        check(job)
        if job.step(staticMask.STEP_NUM)["static"]:
            staticMask.createStaticMask(job.images, job.config)
        sky.subtractSky(job.images, job.config)
        # Now, because the detection of cosmic rays changes the units of the images in memory.
        job.light.extend(light_of(image) for image in job.images)
        if len(job.images) > 1 and job.step(drizCR.STEP_NUM)["driz_cr"]:
            separate(job)
            createMedian.createMedian(job.images, job.config)
            blot_median(job)
            reject(job)
        combine(job)


def check(job: Job) -> None:
    """Raise `UnsupportedError` if a parameter or an exposure needs AstroDrizzle itself."""
    single, final, blot = job.step(3), job.step(7), job.step(5)
    chips = [chip for image in job.images for chip in chips_of(image)]
    allowed = {
        f"drizzlepac {__version__}": __version__.startswith(_RELEASE),
        "driz_sep_kernel": single["driz_sep_kernel"] in KERNELS,
        "final_kernel": final["final_kernel"] in KERNELS,
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
