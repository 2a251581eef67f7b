"""Run the calibration steps over an exposure.

The steps run over bands of rows: each band is read, goes through all steps and is stored while it is in the
processor's cache, in several threads. Only the level of the reference pixels comes before, since it needs whole frames.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from wfc3tvb.calibration import darkcorr, statistics, unitcorr
from wfc3tvb.calibration.bands import BAND, Work, bands_of
from wfc3tvb.calibration.model import Calibrated, Imset, Ramp, Switches, Window
from wfc3tvb.calibration.steps import STEPS, Step
from wfc3tvb.system.threads import Turns

#: Takes the first row of a band and its calibrated reads.
Store = Callable[[int, Imset], object]


def calibrate_bands(
    work: Work, *, store: Store = lambda y0, reads: None, bad: int = 31743, threads: int = 2
) -> Calibrated:
    """Calibrate an exposure.

    Parameters
    ----------
    work : Work
        The exposure and its reference data; its reads stay as they are.
    store : callable, optional
        Called for each band, in any order and in several threads, with its first row and its calibrated reads.
    bad : int, optional
        SDQFLAGS: flags that keep a pixel out of the statistics.
    threads : int, optional
        Bands processed at once.

    Returns
    -------
    Calibrated
        The image, which is the fit of the ramp, or the last read if CRCORR is off; and the numbers for the headers.
    """
    steps, tally, turns = steps_of(work), Tally(work, bad), Turns()
    starts = range(0, work.ramp.shape[0], BAND)

    def run(number: int) -> None:
        part = work.rows(starts[number], min(starts[number] + BAND, work.ramp.shape[0]))
        with turns.last(number, lambda: tally.add(part)):
            calibrate_rows(part, steps)
            store(part.y0, Imset(part.ramp.sci, part.ramp.err, part.ramp.dq))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(len(starts))))
    return tally.result()


def steps_of(work: Work) -> list[Step]:
    """Return the steps that an exposure's switches ask for; rates are not divided by the time again."""
    steps = [step for name, step in STEPS if name is None or getattr(work.switches, name)]
    return [step for step in steps if not (step is unitcorr.apply and work.ramp.unit.endswith("/S"))]


def calibrate_rows(part: Work, steps: list[Step]) -> None:
    """Run the steps over some rows of an exposure; without a fit the last read is the image."""
    for band in bands_of(part):
        for step in steps:
            step(part, band)
    if not part.switches.crcorr:
        _last_read(part)


def _last_read(part: Work) -> None:
    ramp, light, image = part.ramp, part.light, part.image
    rows = slice(light.y0, light.y1), slice(light.x0, light.x1)
    image.sci[:], image.err[:], image.dq[:] = ramp.sci[-1][rows], ramp.err[-1][rows], ramp.dq[-1][rows]
    image.samp[:], image.time[:] = ramp.n - 1, part.time[-1]


def expected(work: Work) -> Calibrated:
    """Return a result with the keywords of the one to come, so that the length of the headers is known in advance."""
    n, one = work.ramp.n, statistics.no_totals(1)
    one.n[0] = 1
    numbers, zeros = statistics.keywords(one, 0), (0.0,) * n
    return Calibrated(
        _afterwards(work),
        work.image,
        work.light,
        Imset(*np.zeros((3, n))),
        Imset(*np.zeros((3, n), np.bool_)),
        bias_levels=zeros if work.levels.size else (),
        mean_dark=zeros if work.references.dark and work.switches.darkcorr else (),
        statistics=(numbers,) * n,
        image_statistics=numbers,
    )


def _afterwards(work: Work) -> Ramp:
    """Return the exposure with the times and the unit that it has after the calibration."""
    return replace(work.ramp, time=work.time, unit=_unit(work.ramp, work.switches))


class Tally:
    """Numbers of an exposure for its headers and trailer, added up band by band in the order of the rows."""

    def __init__(self, work: Work, bad: int) -> None:
        self._work, self._bad, n = work, bad, work.ramp.n
        self._reads, self._image = statistics.no_totals(n), statistics.no_totals(1)
        self._saturated, self._unstable = np.zeros(2 + n, np.int64), 0
        self._corners: Any = None
        self._constant: Any = Imset(*np.ones((3, n), np.bool_))
        dark = work.references.dark if work.switches.darkcorr else None
        self._dark_sums, self._dark_counts = np.zeros(n), np.zeros(n, np.int64)
        self._dark, self._dark_known = dark, bool(dark and dark.means)

    def add(self, part: Work) -> None:
        """Add some rows, which must follow those added before."""
        ramp, image, light = part.ramp, part.image, part.light
        reads = Imset(ramp.sci, ramp.err, ramp.dq)
        self._compare(reads)
        statistics.add_rows(reads, self._bad, light, self._reads)
        fitted = Imset(image.sci[None], image.err[None], image.dq[None])
        statistics.add_rows(fitted, self._bad, Window(0, len(image.sci), 0, image.sci.shape[1]), self._image)
        self._saturated += part.n_saturated.sum(axis=0)
        self._unstable += int(part.n_unstable.sum())
        if part.dark is not None and not self._dark_known:
            columns, values = (light.x0, light.x1), np.empty(light.x1 - light.x0)
            darkcorr.add_to_means(part.dark, columns, self._dark_sums, self._dark_counts, values)

    def _compare(self, reads: Any) -> None:
        """Note the first pixel of every read, and whether all pixels are as that one."""
        if self._corners is None:
            self._corners = Imset(*(planes[:, 0, 0].copy() for planes in reads))
        for constant, planes, corners in zip(self._constant, reads, self._corners, strict=True):
            for k in np.flatnonzero(constant):
                constant[k] = np.all(planes[k] == corners[k])

    def result(self) -> Calibrated:
        """Return the result, after the last row."""
        work, totals = self._work, self._reads
        return Calibrated(
            _afterwards(work),
            work.image,
            work.light,
            self._corners,
            self._constant,
            bias_levels=tuple(float(level) for level in work.levels),
            mean_dark=self._means(),
            statistics=tuple(statistics.keywords(totals, k) for k in range(work.ramp.n)),
            image_statistics=statistics.keywords(self._image, 0),
            counts=self._counts(),
        )

    def _means(self) -> tuple[float, ...]:
        """Return the mean of the dark of every read [DN]; it is kept for the next exposure of a batch."""
        if self._dark is None:
            return ()
        if not self._dark_known:
            sums, counts = self._dark_sums, self._dark_counts
            self._dark.means.extend(float(np.float32(s / n)) if n else 0.0 for s, n in zip(sums, counts, strict=True))
        return tuple(self._dark.means)

    def _counts(self) -> Mapping[str, Any]:
        zeroth, first, *reads = map(int, self._saturated)
        return {
            "saturated_zeroth": zeroth,
            "saturated_first": first,
            "saturated": reads,
            "unstable": self._unstable,
        }


def _unit(ramp: Ramp, switches: Switches) -> str:
    unit = ramp.unit
    if switches.unitcorr:
        unit = "ELECTRONS/S" if "flatcorr" in ramp.complete else "COUNTS/S"
    if switches.flatcorr:
        unit = "ELECTRONS/S" if switches.unitcorr or "unitcorr" in ramp.complete else "ELECTRONS"
    return unit
