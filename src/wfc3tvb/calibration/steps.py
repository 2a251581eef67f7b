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
from wfc3tvb.calibration.rampfit import Settings, fit_window
from wfc3tvb.calibration.statistics import good_pixels

#: Rows of a band: all reads of a band fit into a processor's cache.
_BAND = 8
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
        self.signal = np.zeros(ramp.shape, np.float32), np.zeros(ramp.shape, np.bool_)
        self.sci0, self.dq0 = np.empty(ramp.shape, np.float32), np.empty(ramp.shape, np.int16)
        self.levels = np.zeros(0, np.float32)
        if switches.blevcorr:
            self.levels = np.array([_level(read, references) for read in ramp.sci], np.float32)
        self.first_kept_error = _first_given_error(ramp, self.light)
        ny, nx = self.light.y1 - self.light.y0, self.light.x1 - self.light.x0
        self.image = Image(
            np.zeros((ny, nx), np.float32), np.zeros((ny, nx), np.float32), np.zeros((ny, nx), np.int16),
            np.zeros((ny, nx), np.int16), np.zeros((ny, nx), np.float32),
        )  # fmt: skip
        self.n_saturated = np.zeros((-(-ramp.shape[0] // _BAND), 2 + ramp.n), np.int64)
        self.n_unstable = np.zeros(self.n_saturated.shape[0], np.int64)
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
        zeroth.flag_bad_pixels(work.ramp.dq, work.references.bad_pixels, band.full)


def _keep_zeroth(work: Work, band: Band) -> None:
    rows = slice(band.full.y0, band.full.y1)
    work.sci0[rows], work.dq0[rows] = work.ramp.sci[0, rows], work.ramp.dq[0, rows]


def _zsigcorr(work: Work, band: Band) -> None:
    ramp, reference = work.ramp, work.references.linearity
    if reference is None or ramp.n < 2:
        return
    work.n_saturated[band.number, :2] = zeroth.estimate_zeroth_signal(
        ramp.sci[0], ramp.sci[1], ramp.dq[0], ramp.dq[1], reference.zsci, reference.zerr, reference.node,
        work.amplifiers, band.light, *work.signal,
    )  # fmt: skip


def _blevcorr(work: Work, band: Band) -> None:
    zeroth.subtract_level(work.ramp.sci, work.levels, band.full)
    zeroth.subtract_level(work.sci0[None], work.levels[:1], band.full)


def _zoffcorr(work: Work, band: Band) -> None:
    zeroth.subtract_zeroth_read(work.ramp.sci, work.ramp.dq, work.sci0, work.dq0, band.full)


def _noise(work: Work, band: Band) -> None:
    new = slice(0, work.first_kept_error)
    noise.initialize_error(work.ramp.sci[new], work.ramp.err[new], work.amplifiers, band.light)


def _nlincorr(work: Work, band: Band) -> None:
    ramp, reference = work.ramp, work.references.linearity
    if reference is not None:
        planes = reference.coef, reference.node, reference.dq
        found = work.n_saturated[band.number, 2:]
        linearity.correct_nonlinearity(ramp.sci, ramp.dq, planes, *work.signal, band.light, band.full, found)


def _darkcorr(work: Work, band: Band) -> None:
    ramp, reference = work.ramp, work.references.dark
    if reference is not None:
        y0, y1 = band.light.y0, band.light.y1
        sci, err, dq = (planes.rows(y0, y1) for planes in (reference.sci, reference.err, reference.dq))
        dark.subtract_dark(ramp.sci, ramp.err, ramp.dq, sci, err, dq, band.light, y0)


def _unitcorr(work: Work, band: Band) -> None:
    ramp = work.ramp
    flux.multiply(ramp.sci[:1], ramp.err[:1], np.float32(1.0 / ramp.sampzero), band.light)
    flux.divide_by_time(ramp.sci[1:], ramp.err[1:], work.time[1:], band.light)


def _crcorr(work: Work, band: Band) -> None:
    ramp, light, rejection = work.ramp, band.light, work.references.rejection
    if light.y1 <= light.y0 or rejection is None:
        return
    known = work.switches.zsigcorr or "zsigcorr" in ramp.complete
    scale = work.time if work.rates else np.ones_like(work.time)
    gain = float(work.references.amplifiers.mean_gain)
    settings = Settings(work.time, scale, gain, rejection.threshold, rejection.ignore, known)
    image = work.image
    planes = image.sci, image.err, image.dq, image.samp, image.time
    fit_window((ramp.sci, ramp.err, ramp.dq, ramp.dq), settings, light, (work.light.y0, work.light.x0), planes)
    own = slice(light.y0 - work.light.y0, light.y1 - work.light.y0)
    if not work.rates:
        image.sci[own] *= image.time[own]
        image.err[own] *= image.time[own]
    rows = slice(light.y0, light.y1), slice(light.x0, light.x1)
    first = (ramp.dq[1][rows] & _SATURATED) != 0 if known else np.zeros(image.dq[own].shape, bool)
    work.n_unstable[band.number] = np.count_nonzero(image.dq[own][~first] & 32)
    if first.any():
        _take_zeroth(work, own, first, ramp.sci[0][rows], ramp.err[0][rows], ramp.dq[0][rows])


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
    saturated = work.n_saturated.sum(axis=0)
    return {
        "saturated_zeroth": int(saturated[0]),
        "saturated_first": int(saturated[1]),
        "saturated": [int(n) for n in saturated[2:]],
        "unstable": int(work.n_unstable.sum()),
    }
