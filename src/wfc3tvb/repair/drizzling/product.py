"""Combination of the exposures into one image, and its file."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from drizzlepac import __version__, adrizzle, outputimage
from drizzlepac import util as drizzle_util
from numpy.typing import NDArray

from wfc3tvb.repair.drizzling.job import KERNELS, Image, Job, chips_of, exposure_of, virtual
from wfc3tvb.repair.drizzling.kernels import Output

#: What drizzlepac's C code says of itself in the header of the product.
_C_VERSION = "Callable C-based DRIZZLE Version 0.8 (20th May 2009)"
#: Log that the header of the product names.
LOG = "drizzle.log"
#: Exposures in a plane of the context image, one bit each.
_BITS = 32


def combine(job: Job) -> None:
    """Drizzle all exposures into one image, flag the cosmic rays in their files, and write the product."""
    pars = _final_parameters(job)
    frame = job.frames.final_wcs
    planes = (len(job.images) - 1) // _BITS + 1 if job.images[0][1].outputNames["outContext"] else 1
    image = np.full(frame.array_shape, adrizzle.interpret_maskval(pars), np.float32)
    weight, context = np.zeros(frame.array_shape, np.float32), np.zeros((planes, *frame.array_shape), np.int32)
    records, added = [], []
    with ThreadPoolExecutor(1) as pool:  # adds an exposure while the next one's flags and weights are made
        for number, each in enumerate(job.images):
            (chip,) = chips_of(each)
            pixels = job.light[number], _final_weight(each, chip, pars, frame)
            exposure = exposure_of(job, chip, pixels, frame, pars)
            (bit,) = np.array([1 << number % _BITS], np.uint32).view(np.int32)
            out = Output(image, weight, context[min(number // _BITS, planes - 1)])
            added.append(pool.submit(KERNELS[pars["kernel"]], exposure._replace(bit=bit), out))
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
    adrizzle.mergeDQarray(virtual(image, chip.outputNames["staticMask"]), good)
    rays = virtual(image, chip.outputNames["crmaskImage"])
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
    (chip,) = chips_of(last)
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
    names = [one.outputNames["data"] for image in job.images for one in chips_of(image)]
    written.writeFITS(
        names, *planes[:2], ctxarr=planes[2], versions=versions, virtual=False, rules_file=pars["rules_file"],
        logfile=LOG,
    )  # fmt: skip
