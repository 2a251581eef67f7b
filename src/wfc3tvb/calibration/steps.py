"""The steps of the calibration, each over a band of rows, and their order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wfc3tvb.calibration import darkcorr as dark
from wfc3tvb.calibration import error_array
from wfc3tvb.calibration import flatcorr as flux
from wfc3tvb.calibration import nlincorr as linearity
from wfc3tvb.calibration import zsigcorr as zeroth
from wfc3tvb.calibration.bands import Band, Work
from wfc3tvb.calibration.crcorr.fit import Settings, fit_window
from wfc3tvb.calibration.model import Flags, Float32Array, Window

_SATURATED, _ZEROSIG = 256, 2048


def dqicorr(work: Work, band: Band) -> None:
    """Flag bad pixels (WFC3 Data Handbook 3.3.1)."""
    if work.references.bad_pixels is not None:
        zeroth.flag_bad_pixels(work.ramp.dq, work.references.bad_pixels, band.full)


def keep_zeroth(work: Work, band: Band) -> None:
    """Keep the zeroth read as it is, to be subtracted later."""
    rows = slice(band.full.y0, band.full.y1)
    work.sci0[rows], work.dq0[rows] = work.ramp.sci[0, rows], work.ramp.dq[0, rows]


def zsigcorr(work: Work, band: Band) -> None:
    """Find the signal that is in the zeroth read already (3.3.2)."""
    ramp, reference = work.ramp, work.references.linearity
    if reference is None or ramp.n < 2:
        return
    work.n_saturated[band.number, :2] = zeroth.estimate_zeroth_signal(
        ramp.sci[0], ramp.sci[1], ramp.dq[0], ramp.dq[1], reference.zsci, reference.zerr, reference.node,
        work.amplifiers, band.light, *work.signal,
    )  # fmt: skip


def blevcorr(work: Work, band: Band) -> None:
    """Subtract the level of the reference pixels (3.3.3)."""
    zeroth.subtract_level(work.ramp.sci, work.levels, band.full)
    zeroth.subtract_level(work.sci0[None], work.levels[:1], band.full)


def zoffcorr(work: Work, band: Band) -> None:
    """Subtract the zeroth read (3.3.4)."""
    zeroth.subtract_zeroth_read(work.ramp.sci, work.ramp.dq, work.sci0, work.dq0, band.full)


def initial_errors(work: Work, band: Band) -> None:
    """Give the reads their errors, but those that came with one (3.3.5)."""
    new = slice(0, work.first_kept_error)
    error_array.initialize_error(work.ramp.sci[new], work.ramp.err[new], work.amplifiers, band.light)


def nlincorr(work: Work, band: Band) -> None:
    """Correct the nonlinearity, flag saturation (3.3.6)."""
    ramp, reference = work.ramp, work.references.linearity
    if reference is not None:
        planes = reference.coef, reference.node, reference.dq
        found = work.n_saturated[band.number, 2:]
        linearity.correct_nonlinearity(ramp.sci, ramp.dq, planes, *work.signal, band.light, band.full, found)


def darkcorr(work: Work, band: Band) -> None:
    """Subtract the dark (3.3.7)."""
    ramp, reference = work.ramp, work.references.dark
    if reference is not None:
        y0, y1 = band.light.y0, band.light.y1
        for k in range(ramp.n):
            sci, err, dq = (planes.rows(k, y0, y1) for planes in (reference.sci, reference.err, reference.dq))
            dark.subtract_dark(ramp.sci[k], ramp.err[k], ramp.dq[k], sci, err, dq, band.light, y0)


def unitcorr(work: Work, band: Band) -> None:
    """Make rates; the zeroth read by its own exposure time (3.3.9)."""
    ramp = work.ramp
    flux.multiply(ramp.sci[:1], ramp.err[:1], np.float32(1.0 / ramp.sampzero), band.light)
    flux.divide_by_time(ramp.sci[1:], ramp.err[1:], work.time[1:], band.light)


def crcorr(work: Work, band: Band) -> None:
    """Fit the ramps: the image, and the flags of hits (3.3.10)."""
    ramp, light, rejection = work.ramp, band.light, work.references.rejection
    if light.y1 <= light.y0 or rejection is None:
        return
    known = work.switches.zsigcorr or "zsigcorr" in ramp.complete
    scale = work.time if work.rates else np.ones_like(work.time)
    gain = float(work.references.amplifiers.mean_gain)
    settings = Settings(work.time, scale, gain, rejection.threshold, rejection.ignore, known)
    image = work.image
    planes = image.sci, image.err, image.dq, image.samp, image.time
    cubes, corner = (ramp.sci, ramp.err, ramp.dq, ramp.dq), (work.light.y0, work.light.x0)
    work.n_unstable[band.number] = fit_window(cubes, settings, light, corner, planes)
    own = slice(light.y0 - work.light.y0, light.y1 - work.light.y0)
    if not work.rates:
        image.sci[own] *= image.time[own]
        image.err[own] *= image.time[own]
    rows = slice(light.y0, light.y1), slice(light.x0, light.x1)
    first = (ramp.dq[1][rows] & _SATURATED) != 0 if known else np.zeros(image.dq[own].shape, bool)
    if first.any():
        _take_zeroth(work, own, first, ramp.sci[0][rows], ramp.err[0][rows], ramp.dq[0][rows])


def _take_zeroth(work: Work, rows: slice, first: np.ndarray, sci: Float32Array, err: Float32Array, dq: Flags) -> None:
    """Where the first read is saturated already, the zeroth is all there is."""
    image = work.image
    image.sci[rows][first], image.err[rows][first] = sci[first], err[first]
    image.dq[rows][first] = dq[first] & ~np.int16(_ZEROSIG)
    image.samp[rows][first], image.time[rows][first] = 1, np.float32(work.ramp.sampzero)


def flatcorr(work: Work, band: Band) -> None:
    """Divide by the flat and make electrons (3.3.11)."""
    ramp, flat, gain = work.ramp, work.references.flat, work.references.amplifiers.mean_gain
    if flat is None:
        return
    planes = flat.sci, flat.err, flat.dq
    flux.divide_by_flat(ramp.sci, ramp.err, ramp.dq, *planes, band.light, 0, 0)
    flux.multiply(ramp.sci, ramp.err, gain, band.full)
    if work.switches.crcorr:
        image, light = work.image, work.light
        own = Window(band.light.y0 - light.y0, band.light.y1 - light.y0, 0, light.x1 - light.x0)
        sci, err = image.sci[None], image.err[None]
        flux.divide_by_flat(sci, err, image.dq[None], *planes, own, light.y0, light.x0)
        flux.multiply(sci, err, gain, own)


Step = Callable[[Work, Band], None]

#: The steps in calwf3's order, each with its switch; None is always done.
STEPS: tuple[tuple[str | None, Step], ...] = (
    ("dqicorr", dqicorr),
    (None, keep_zeroth),
    ("zsigcorr", zsigcorr),
    ("blevcorr", blevcorr),
    ("zoffcorr", zoffcorr),
    (None, initial_errors),
    ("nlincorr", nlincorr),
    ("darkcorr", darkcorr),
    ("unitcorr", unitcorr),
    ("crcorr", crcorr),
    ("flatcorr", flatcorr),
)
