"""Draw an exposure: sequence, number of reads, frame, filter, sky, stars, and which steps are switched on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from wfc3tvb.simulate.detector import make_detector
from wfc3tvb.simulate.expose import Light, expose
from wfc3tvb.simulate.frame import FULL, Frame
from wfc3tvb.simulate.plan import ExposurePlan, Target
from wfc3tvb.simulate.reference_files import reference_names, write_references
from wfc3tvb.simulate.scene import make_sources, scene_rate
from wfc3tvb.simulate.sky_models import Tabulated
from wfc3tvb.simulate.timing import SAMPLE_TIMES, sample_times
from wfc3tvb.simulate.visit import raw_file

FILTERS = ("F098M", "F105W", "F110W", "F125W", "F140W", "F160W")
#: Steps that are sometimes switched off; the others stay as the archive has them.
SWITCHES = ("ZSIGCORR", "DARKCORR", "NLINCORR", "FLATCORR", "UNITCORR")
OFF = 0.1


@dataclass(frozen=True)
class Exposure:
    """A drawn exposure: its RAW, the folder of its references, and what was drawn in words."""

    raw: Path
    iref: Path
    words: str


def draw(rng: np.random.Generator, folder: Path, *, switches: bool = True, least: int = 2) -> Exposure:
    """Write a drawn exposure and its references into a folder; it has at least so many reads."""
    plan, size = drawn_plan(rng, least), int(rng.choice([64, 128]))
    detector = make_detector(int(rng.integers(1, 9)), Frame(size))
    write_references(folder / "references", detector, [plan])
    frame, field = detector.frame, (plan.target.ra, plan.target.dec)
    scene = scene_rate(make_sources(int(rng.integers(1000)), field), plan.pointing, frame, plan.filter)
    scene *= 10 ** rng.uniform(-1, 2)  # up to saturation
    reads = expose(detector, Light(scene, plan.sky(size), plan.filter), plan.times(size), rng)
    raw = folder / f"{plan.rootname}_raw.fits"
    names = reference_names(detector.seed, frame, plan.filter, plan.samp_seq)
    raw_file(plan, frame, reads, names).writeto(raw)
    off = [name for name in SWITCHES if switches and rng.random() < OFF]
    for name in off:
        fits.setval(raw, name, value="OMIT")
    words = f"{plan.samp_seq}, {plan.nsamp} reads, {size} pixels, {plan.filter}, off: {', '.join(off) or 'none'}"
    return Exposure(raw, folder / "references", words)


def drawn_plan(rng: np.random.Generator, least: int) -> ExposurePlan:
    """Return the plan: a sky that is constant, or a walk with steps of up to a factor of two."""
    sequence = str(rng.choice(sorted({name for size, name in SAMPLE_TIMES if size == FULL})))
    nsamp = int(rng.integers(least, 17))
    times = np.asarray(sample_times(sequence, nsamp), float)
    steps = rng.normal(0, rng.choice([0.0, 0.1, 0.7]), nsamp - 1)
    sky = rng.uniform(0.3, 3) * np.exp(np.cumsum(steps)).clip(0.1, 20)
    cumulative = np.cumsum(sky * np.diff(times)) / times[1:]
    target = Target("DRAWN", float(rng.uniform(0, 360)), float(rng.uniform(-80, 80)), 99099, float(rng.uniform(0, 360)))
    name = f"i{rng.integers(10**7):07d}q"
    model = Tabulated(tuple(cumulative.tolist()))
    return ExposurePlan(name, 56298.785, target, model, filter=str(rng.choice(FILTERS)), samp_seq=sequence, nsamp=nsamp)
