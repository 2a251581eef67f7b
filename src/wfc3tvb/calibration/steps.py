"""The order of steps, and their run over an exposure.

The steps run over bands of rows, each band through all steps while it is in the processor's cache, two threads at a
time. Only the level of the reference pixels comes before, and the statistics after, since these need whole frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from wfc3tvb.calibration import bias, dark, flux, linearity, noise, zeroth
from wfc3tvb.calibration.compiled import Window
from wfc3tvb.calibration.model import Calibrated, Flags, Floats, Image, Ramp, ReferenceData
from wfc3tvb.calibration.rampfit import fit_ramps
from wfc3tvb.calibration.statistics import good_pixels

#: Rows of a band: all reads of a band fit into a processor's cache.
_BAND = 16
_SATURATED, _ZEROSIG = 256, 2048


@dataclass(frozen=True)
class Switches:
    """Which steps are to be done (PERFORM)."""

    dqicorr: bool = True
    zsigcorr: bool = True
    blevcorr: bool = True
    zoffcorr: bool = True
    nlincorr: bool = True
    darkcorr: bool = True
    photcorr: bool = True
    unitcorr: bool = True
    crcorr: bool = True
    flatcorr: bool = True


class Work:
    """An exposure on its way through the steps: arrays that the bands share, and what the steps have to know.

    Parameters
    ----------
    ramp : Ramp
        The reads; changed.
    references : ReferenceData
        What the switches ask for.
    switches : Switches
        What is to be done.
    """

    def __init__(self, ramp: Ramp, references: ReferenceData, switches: Switches) -> None:
        self.ramp, self.references, self.switches = ramp, references, switches
        self.light = references.overscan.window(ramp.shape)
        self.zero = np.zeros(ramp.shape, np.float32), np.zeros(ramp.shape, np.bool_)
        self.signal = np.zeros(ramp.shape, np.float32), np.zeros(ramp.shape, np.bool_)
        self.sci0, self.dq0 = np.empty(ramp.shape, np.float32), np.empty(ramp.shape, np.int16)
        self.levels: tuple[np.float32, ...] = ()
        if switches.blevcorr:
            self.levels = tuple(_level(read, references) for read in ramp.sci)
        self.first_kept_error = _first_given_error(ramp, self.light)
        ny, nx = self.light.y1 - self.light.y0, self.light.x1 - self.light.x0
        self.image = Image(
            np.zeros((ny, nx), np.float32), np.zeros((ny, nx), np.float32), np.zeros((ny, nx), np.int16),
            np.zeros((ny, nx), np.int16), np.zeros((ny, nx), np.float32),
        )  # fmt: skip
        self.n_saturated = np.zeros((2 + ramp.n, -(-ramp.shape[0] // _BAND)), np.int64)
        self.n_unstable = np.zeros(self.n_saturated.shape[1], np.int64)
        self.time = ramp.time - ramp.time[0] if switches.zoffcorr else ramp.time.copy()

    @property
    def amplifiers(self) -> tuple[Floats, Floats, int, int]:
        """Gain, read noise, row and column at which the quadrants meet: what `noise` takes."""
        a = self.references.amplifiers
        ltv1, ltv2 = self.ramp.ltv
        trimx, trimy = self.references.overscan.trimx[0], self.references.overscan.trimy[0]
        return a.gain, a.readnoise, a.ampy + ltv2 - trimy, a.ampx + ltv1 - trimx

    @property
    def rates(self) -> bool:
        """Whether the reads are rates when the ramp is fitted."""
        return self.ramp.unit.endswith("/S") or self.switches.unitcorr


@dataclass(frozen=True)
class Band:
    """Rows of a frame: all columns, and the light-sensitive part of them."""

    number: int
    full: Window
    light: Window


def _dqicorr(work: Work, band: Band) -> None:
    if work.references.bad_pixels is not None:
        for dq in work.ramp.dq:
            zeroth.flag_bad_pixels(dq, work.references.bad_pixels, band.full)


def _keep_zeroth(work: Work, band: Band) -> None:
    rows = slice(band.full.y0, band.full.y1)
    work.sci0[rows], work.dq0[rows] = work.ramp.sci[0, rows], work.ramp.dq[0, rows]


def _zsigcorr(work: Work, band: Band) -> None:
    ramp, reference = work.ramp, work.references.linearity
    if reference is None or ramp.n < 2:
        return
    work.n_saturated[:2, band.number] = zeroth.estimate_zeroth_signal(
        ramp.sci[0], ramp.sci[1], ramp.dq[0], ramp.dq[1], reference.zsci, reference.zerr, reference.node,
        work.amplifiers, band.light, *work.signal,
    )  # fmt: skip


def _blevcorr(work: Work, band: Band) -> None:
    for sci, level in zip(work.ramp.sci, work.levels, strict=True):
        zeroth.subtract_level(sci, level, band.full)
    zeroth.subtract_level(work.sci0, work.levels[0], band.full)


def _zoffcorr(work: Work, band: Band) -> None:
    for sci, dq in zip(work.ramp.sci, work.ramp.dq, strict=True):
        zeroth.subtract_zeroth_read(sci, dq, work.sci0, work.dq0, band.full)


def _noise(work: Work, band: Band) -> None:
    for k in range(work.first_kept_error):
        noise.initialize_error(work.ramp.sci[k], work.ramp.err[k], work.amplifiers, band.light)


def _nlincorr(work: Work, band: Band) -> None:
    ramp, reference = work.ramp, work.references.linearity
    if reference is None:
        return
    for k in range(ramp.n):
        signal = work.signal if k > 0 and work.switches.zsigcorr else work.zero
        work.n_saturated[2 + k, band.number] = linearity.correct_nonlinearity(
            ramp.sci[k], ramp.dq[k], reference.coef, reference.node, reference.dq, *signal, band.light
        )
        if k + 1 < ramp.n:
            linearity.propagate_saturation(ramp.dq[k], ramp.dq[k + 1], band.full)


def _darkcorr(work: Work, band: Band) -> None:
    ramp, reference = work.ramp, work.references.dark
    if reference is None:
        return
    for k in range(ramp.n):
        planes = reference.sci[k], reference.err[k], reference.dq[k]
        dark.subtract_dark(ramp.sci[k], ramp.err[k], ramp.dq[k], *planes, band.light)


def _unitcorr(work: Work, band: Band) -> None:
    ramp = work.ramp
    flux.multiply(ramp.sci[0], ramp.err[0], np.float32(1.0 / ramp.sampzero), band.light)
    for k in range(1, ramp.n):
        flux.divide_by_time(ramp.sci[k], ramp.err[k], work.time[k], band.light)


def _crcorr(work: Work, band: Band) -> None:
    ramp, light, rejection = work.ramp, band.light, work.references.rejection
    if light.y1 <= light.y0 or rejection is None:
        return
    rows, columns = slice(light.y0, light.y1), slice(light.x0, light.x1)
    sci, err, dq = (cube[:, rows, columns] for cube in (ramp.sci, ramp.err, ramp.dq))
    t = work.time
    scale = t[:, None, None] if work.rates else np.float32(1)
    fit = fit_ramps(
        sci * scale, err * scale, dq, t, gain=float(work.references.amplifiers.mean_gain),
        threshold=rejection.threshold, ignore=rejection.ignore,
    )  # fmt: skip
    own = slice(light.y0 - work.light.y0, light.y1 - work.light.y0)
    image = work.image
    back = np.float32(1) if work.rates else fit.time
    image.sci[own], image.err[own] = fit.rate * back, fit.error * back
    image.dq[own], image.samp[own], image.time[own] = fit.dq, fit.samples, fit.time
    known = work.switches.zsigcorr or "zsigcorr" in ramp.complete
    first = (dq[1] & _SATURATED) != 0 if known else np.zeros(dq[1].shape, bool)
    _take_zeroth(work, own, first, sci[0], err[0], dq[0])
    work.n_unstable[band.number] = np.count_nonzero(fit.dq[~first] & 32)
    dq |= np.where(first, np.int16(0), fit.read_dq)


def _take_zeroth(work: Work, rows: slice, first: np.ndarray, sci: Floats, err: Floats, dq: Flags) -> None:
    """Where the first read is saturated already, the zeroth is all there is."""
    image = work.image
    image.sci[rows][first], image.err[rows][first] = sci[first], err[first]
    image.dq[rows][first] = dq[first] & ~np.int16(_ZEROSIG)
    image.samp[rows][first], image.time[rows][first] = 1, np.float32(work.ramp.sampzero)


def _flatcorr(work: Work, band: Band) -> None:
    ramp, flat, gain = work.ramp, work.references.flat, work.references.amplifiers.mean_gain
    if flat is None:
        return
    for k in range(ramp.n):
        flux.divide_by_flat(ramp.sci[k], ramp.err[k], ramp.dq[k], flat.sci, flat.err, flat.dq, band.light, 0, 0)
        flux.multiply(ramp.sci[k], ramp.err[k], gain, band.full)
    if work.switches.crcorr:
        image, light = work.image, work.light
        own = Window(band.light.y0 - light.y0, band.light.y1 - light.y0, 0, light.x1 - light.x0)
        planes = flat.sci, flat.err, flat.dq
        flux.divide_by_flat(image.sci, image.err, image.dq, *planes, own, light.y0, light.x0)
        flux.multiply(image.sci, image.err, gain, own)


Step = Callable[[Work, Band], None]

#: The steps in calwf3's order, each with its switch; None is always done.
STEPS: tuple[tuple[str | None, Step], ...] = (
    ("dqicorr", _dqicorr),
    (None, _keep_zeroth),
    ("zsigcorr", _zsigcorr),
    ("blevcorr", _blevcorr),
    ("zoffcorr", _zoffcorr),
    (None, _noise),
    ("nlincorr", _nlincorr),
    ("darkcorr", _darkcorr),
    ("unitcorr", _unitcorr),
    ("crcorr", _crcorr),
    ("flatcorr", _flatcorr),
)


def calibrate_ramp(
    ramp: Ramp, references: ReferenceData, switches: Switches, *, bad: int = 31743, threads: int = 2
) -> Calibrated:
    """Calibrate an exposure.

    Parameters
    ----------
    ramp : Ramp
        Its reads; changed in place.
    references : ReferenceData
        What the switches ask for.
    switches : Switches
        What is to be done.
    bad : int, optional
        SDQFLAGS: flags that keep a pixel out of the statistics.
    threads : int, optional
        Bands worked on at once.

    Returns
    -------
    Calibrated
        The same ramp, and the image: the fit of the ramp, or without CRCORR the last read.
    """
    work = Work(ramp, references, switches)
    steps = [step for name, step in STEPS if name is None or getattr(switches, name)]
    if ramp.unit.endswith("/S"):
        steps = [step for step in steps if step is not _unitcorr]
    bands = list(_bands(work))

    def run(band: Band) -> None:
        for step in steps:
            step(work, band)

    _each(run, bands, threads)
    ramp.time, ramp.unit = work.time, _unit(ramp, switches)
    if not switches.crcorr:
        _last_read(work)
    return _described(work, bad, threads)


def _bands(work: Work) -> Iterable[Band]:
    (ny, nx), light = work.ramp.shape, work.light
    for number, y0 in enumerate(range(0, ny, _BAND)):
        y1 = min(y0 + _BAND, ny)
        own = Window(min(max(y0, light.y0), light.y1), max(min(y1, light.y1), light.y0), light.x0, light.x1)
        yield Band(number, Window(y0, y1, 0, nx), own)


def _each(function: Callable[[Band], object], items: Iterable[Band], threads: int) -> None:
    if threads == 1:
        for item in items:
            function(item)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(function, items))


def _level(read: Floats, references: ReferenceData) -> np.float32:
    return bias.resistant_mean(bias.reference_pixels(read, references.overscan))


def _first_given_error(ramp: Ramp, light: Window) -> int:
    """Return the first read that came with an error: from it on errors are kept as they are."""
    for k, err in enumerate(ramp.err):
        if np.any(err[light.y0 : light.y1, light.x0 : light.x1]):
            return k
    return ramp.n


def _unit(ramp: Ramp, switches: Switches) -> str:
    unit = ramp.unit
    if switches.unitcorr:
        unit = "ELECTRONS/S" if "flatcorr" in ramp.complete else "COUNTS/S"
    if switches.flatcorr:
        unit = "ELECTRONS/S" if switches.unitcorr or "unitcorr" in ramp.complete else "ELECTRONS"
    return unit


def _last_read(work: Work) -> None:
    ramp, light, image = work.ramp, work.light, work.image
    part = slice(light.y0, light.y1), slice(light.x0, light.x1)
    image.sci[:], image.err[:], image.dq[:] = ramp.sci[-1][part], ramp.err[-1][part], ramp.dq[-1][part]
    image.samp[:], image.time[:] = ramp.n - 1, ramp.time[-1]


def _described(work: Work, bad: int, threads: int) -> Calibrated:
    """Return the result with the statistics of every read and of the image."""
    ramp, image = work.ramp, work.image
    ny, nx = image.sci.shape
    jobs = [(*planes, bad, work.light) for planes in zip(ramp.sci, ramp.err, ramp.dq, strict=True)]
    jobs.append((image.sci, image.err, image.dq, bad, Window(0, ny, 0, nx)))
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(lambda job: good_pixels(*job), jobs))
    levels = tuple(float(level) for level in work.levels)
    darks = work.references.dark.mean if work.references.dark and work.switches.darkcorr else ()
    return Calibrated(ramp, image, levels, darks, tuple(found[:-1]), found[-1], _counts(work))


def _counts(work: Work) -> Mapping[str, object]:
    saturated = work.n_saturated.sum(axis=1)
    return {
        "saturated_zeroth": int(saturated[0]),
        "saturated_first": int(saturated[1]),
        "saturated": [int(n) for n in saturated[2:]],
        "unstable": int(work.n_unstable.sum()),
    }
