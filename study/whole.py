"""Causes of whole simulated exposures: drawn, exposed, calibrated by the native engine, measured and named.

Geometry is that of the real orbit on dates of sunrise, sunset and shadow; stars, galaxies, cosmic rays, flat field and
reference pixels are in the exposures; 128 pixels a side. study/causes.py puts the table on its page.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.engines.calibrate import calibrate
from wfc3tvb.fits.ima import read_ima
from wfc3tvb.measurement import measure_cube
from wfc3tvb.models import Row
from wfc3tvb.simulate.detector import Detector, make_detector
from wfc3tvb.simulate.expose import Light, Trail, expose
from wfc3tvb.simulate.frame import Frame
from wfc3tvb.simulate.plan import ExposurePlan, Target
from wfc3tvb.simulate.reference_files import reference_names, write_references
from wfc3tvb.simulate.scene import make_sources, scene_rate
from wfc3tvb.simulate.sky_models import Constant, Helium, Scattered, Sky, SkyModel, Step, SunAltitude
from wfc3tvb.simulate.visit import raw_file

Floats = NDArray[np.float64]

#: A sunrise, a sunset and a field that stands near the bright limb then, a moment in shadow [MJD].
_RISE = 55525.325, Target("FIELD-A", 175.0, 60.0, 99010, 70.0)
_SET = 56177.74225, Target("FIELD-S", 240.0, 60.0, 99002, 310.0)
_SHADOW = 55702.65683, Target("FIELD-Q", 205.0, 15.0, 99001, 75.0)
_DAY = 86400.0


@dataclass(frozen=True)
class Course:
    """A sky given interval by interval [electron/s]."""

    rates: tuple[float, ...]

    def sky(self, times: Floats, sun_alt: SunAltitude) -> Sky:
        """Return the sky between reads."""
        rates = np.array(self.rates[: len(times) - 1])
        return Sky(rates, np.zeros_like(rates))


def plan_of(name: str, k: int) -> ExposurePlan:
    """Return an exposure of a cause."""
    rng = np.random.default_rng([7, k, len(name)])
    zodi, base = rng.uniform(0.4, 0.8), rng.choice(["F105W", "F110W"])
    filter_name = base if name in ("helium", "both") else str(rng.choice(["F105W", "F110W", "F160W"]))
    (start, target), model, trail = _SHADOW, Constant(zodi), None
    sequence, nsamp = str(rng.choice(["SPARS50", "SPARS100", "STEP100"])), int(rng.integers(13, 17))
    first = ExposurePlan("iwhole01q", start, target, model, str(filter_name), sequence, nsamp)
    seconds = first.times()[-1]
    if name == "helium":
        (start, target), model = _RISE, Helium(zodi, rng.uniform(0.8, 3.0))
        start += rng.uniform(-0.4 * seconds, 400) / _DAY
    if name in ("scattered", "both"):
        start, target = _SET
        start -= 350 / _DAY
        light = rng.uniform(0.2, 0.8)
        below: SkyModel = Helium(zodi, rng.uniform(4, 8)) if name == "both" else Constant(zodi)
        model = Scattered(below, Step(light, -light, rng.uniform(120, 300), 40.0))
    if name == "trail":
        ends = rng.uniform(0, 1, 2)
        trail = Trail(int(rng.integers(2, nsamp)), float(rng.uniform(500, 5000)), (0.0, ends[0]), (1.0, ends[1]))
    if name in ("persistence", "unknown"):
        start, target = (_RISE, _SHADOW)[rng.integers(2)]
        model = Course(tuple((zodi + _without_rule(name, first.times(), rng)).tolist()))
    if name == "unknown":
        filter_name = "F160W"
    return replace(
        first, start=start, target=target, model=model, trail=trail, filter=filter_name, rootname=f"iw{k:06d}q"
    )


def _without_rule(name: str, times: Floats, rng: np.random.Generator) -> Floats:
    """Return light that decays, or wanders [electron/s]."""
    middle = (times[1:] + times[:-1]) / 2
    if name == "persistence":
        return np.asarray(rng.uniform(0.3, 1.0) * np.exp(-middle / rng.uniform(100, 600)))
    walk = np.cumsum(rng.normal(0, 1, middle.size))
    return np.asarray((walk - walk.min()) / np.ptp(walk) * rng.uniform(0.4, 2.0))


def measured(plan: ExposurePlan, detector: Detector, folder: Path) -> Row:
    """Simulate, calibrate and measure one exposure; return its row of `exposures`."""
    frame, rng = detector.frame, np.random.default_rng([3, int(plan.rootname[2:8])])
    scene = scene_rate(make_sources(7, (plan.target.ra, plan.target.dec)), plan.pointing, frame, plan.filter)
    reads = expose(detector, Light(scene, plan.sky(frame.size), plan.filter, plan.trail), plan.times(frame.size), rng)
    names = reference_names(detector.seed, frame, plan.filter, plan.samp_seq)
    raw = folder / f"{plan.rootname}_raw.fits"
    raw_file(plan, frame, reads, names).writeto(raw)
    (result,) = calibrate([raw], engine="native", crcorr="perform", iref=folder / "references")
    assert result.ima is not None
    row = measure_cube(read_ima(result.ima), plan.orbit).exposure
    for path in folder.glob(f"{plan.rootname}*"):
        path.unlink()
    return row


def whole_exposures(names: list[str], size: int = 128) -> list[tuple[str, Row]]:
    """Return the cause and the measured row of one exposure for each name."""
    plans = [plan_of(name, k) for k, name in enumerate(names)]
    detector = make_detector(2013, Frame(size))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_references(folder / "references", detector, plans)
        return [(name, measured(plan, detector, folder)) for name, plan in zip(names, plans, strict=True)]
