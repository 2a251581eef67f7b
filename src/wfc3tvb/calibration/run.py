"""Run the calibration steps over an exposure.

The steps run over bands of rows: each band goes through all steps while it is in the processor's cache, in two
threads. Only the level of the reference pixels comes before, and the statistics after, since these need whole frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from wfc3tvb.calibration import darkcorr, unitcorr
from wfc3tvb.calibration.bands import Band, Work, bands_of
from wfc3tvb.calibration.model import Calibrated, Ramp, ReferenceData, Switches, Window
from wfc3tvb.calibration.statistics import good_pixels
from wfc3tvb.calibration.steps import STEPS


def calibrate_ramp(
    ramp: Ramp, references: ReferenceData, switches: Switches, *, bad: int = 31743, threads: int = 2
) -> Calibrated:
    """Calibrate an exposure.

    Parameters
    ----------
    ramp : Ramp
        Its reads; changed in place.
    references : ReferenceData
        Reference data that the switches require.
    switches : Switches
        Steps to be done.
    bad : int, optional
        SDQFLAGS: flags that keep a pixel out of the statistics.
    threads : int, optional
        Bands processed at once.

    Returns
    -------
    Calibrated
        The same ramp, and the image: the fit of the ramp, or the last read if CRCORR is off.
    """
    return calibrate_work(Work(ramp, references, switches), bad=bad, threads=threads)


def calibrate_work(work: Work, *, bad: int = 31743, threads: int = 2) -> Calibrated:
    """Calibrate an exposure whose `Work` has been made already; see `calibrate_ramp`."""
    ramp, switches = work.ramp, work.switches
    steps = [step for name, step in STEPS if name is None or getattr(switches, name)]
    if ramp.unit.endswith("/S"):
        steps = [step for step in steps if step is not unitcorr.apply]
    bands = list(bands_of(work))

    def run(band: Band) -> None:
        for step in steps:
            step(work, band)

    _each(run, bands, threads)
    ramp.time, ramp.unit = work.time, _unit(ramp, switches)
    if not switches.crcorr:
        _last_read(work)
    return describe(work, bad, threads)


def _each(function: Callable[[Band], object], items: Iterable[Band], threads: int) -> None:
    if threads == 1:
        for item in items:
            function(item)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(function, items))


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


def describe(work: Work, bad: int, threads: int) -> Calibrated:
    """Return the result with the statistics of every read and of the image."""
    ramp, image = work.ramp, work.image
    ny, nx = image.sci.shape
    jobs = [(*planes, bad, work.light) for planes in zip(ramp.sci, ramp.err, ramp.dq, strict=True)]
    jobs.append((image.sci, image.err, image.dq, bad, Window(0, ny, 0, nx)))
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(lambda job: good_pixels(*job), jobs))
    levels = tuple(float(level) for level in work.levels)
    darks = darkcorr.means(work.references.dark) if work.references.dark and work.switches.darkcorr else ()
    return Calibrated(ramp, image, work.light, levels, darks, tuple(found[:-1]), found[-1], _counts(work))


def _counts(work: Work) -> Mapping[str, object]:
    saturated = work.n_saturated.sum(axis=0)
    return {
        "saturated_zeroth": int(saturated[0]),
        "saturated_first": int(saturated[1]),
        "saturated": [int(n) for n in saturated[2:]],
        "unstable": int(work.n_unstable.sum()),
    }
