"""The predicted damage beside the real one: whole simulated exposures, calibrated by the native engine.

Curves and sequences are drawn from the prior of study/injection.py. Every exposure has stars and galaxies, dark, flat,
bad pixels, nonlinearity and reference pixels, but no cosmic rays, so that what the ramp fit rejects is its own doing.
The real fraction is that of the sky pixels with bit 8192 or 32 in the last read of the IMA.

Usage: python study/engine.py [number of exposures]; it prints the page docs/study-engine.md.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from injection import true_curve

from wfc3tvb.exposure import Row
from wfc3tvb.pipeline.calibrate import calibrate
from wfc3tvb.pipeline.measure import measure
from wfc3tvb.simulate.detector import Detector, make_detector
from wfc3tvb.simulate.exposure import Light, expose
from wfc3tvb.simulate.frame import Frame
from wfc3tvb.simulate.plan import ExposurePlan, Target
from wfc3tvb.simulate.references import reference_names, write_references
from wfc3tvb.simulate.scene import make_sources, scene_rate
from wfc3tvb.simulate.sky import Tabulated
from wfc3tvb.simulate.timing import SEQUENCES, is_flight_mode, sample_times
from wfc3tvb.simulate.visit import raw_file

SIZE = 128
FIELD = Target("FIELD-S", 189.22, 62.24, 99099, 123.4)


def plan_of(k: int) -> ExposurePlan:
    """Return an exposure drawn from the prior."""
    rng = np.random.default_rng([20130107, k])
    sequence = str(rng.choice([s for s in SEQUENCES if is_flight_mode(s)]))
    times = sample_times(sequence, 16)[: int(rng.integers(11, 17))]
    cumulative = np.cumsum(true_curve(rng, times) * np.diff(times)) / times[1:]
    model = Tabulated(tuple(cumulative.tolist()))
    return ExposurePlan(f"i{k:07d}q", 56298.785, FIELD, model, samp_seq=sequence, nsamp=times.size)


def measured(plan: ExposurePlan, detector: Detector, folder: Path, iref: Path) -> Row:
    """Simulate, calibrate and measure one exposure; return its row."""
    frame = detector.frame
    rng = np.random.default_rng([1, int(plan.rootname[1:8])])
    scene = scene_rate(make_sources(7, (FIELD.ra, FIELD.dec)), plan.pointing, frame, plan.filter)
    light = Light(scene, plan.sky(frame.size), plan.filter, cosmic_rays=0.0)
    reads = expose(detector, light, plan.times(frame.size), rng)
    names = reference_names(detector.seed, frame, plan.filter, plan.samp_seq)
    raw = folder / f"{plan.rootname}_raw.fits"
    raw_file(plan, frame, reads, names).writeto(raw)
    (result,) = calibrate([raw], engine="native", crcorr="perform", iref=iref)
    assert result.ima is not None
    return measure(result.ima).exposure


def report(rows: list[Row]) -> str:
    """Return the study as Markdown."""
    pairs = [(r["pred_frac_broken"], r["obs_frac_broken"]) for r in rows if r["pred_frac_broken"] is not None]
    predicted, real = np.array(pairs, float).T
    middle = (real >= 0.005) & (real <= 0.995)
    ranks = [np.argsort(np.argsort(v[middle])) for v in (predicted, real)]
    lines = [f"# Engine study: {len(pairs)} exposures", "", (__doc__ or "").split("Usage")[0].strip(), ""]
    lines += [f"Mean absolute error of the fraction broken: {np.abs(predicted - real).mean():.4f}; largest "
              f"{np.abs(predicted - real).max():.3f}; rank correlation {np.corrcoef(*ranks)[0, 1]:.3f} over "
              f"{middle.sum()} exposures with a real fraction of 0.005 to 0.995.", ""]  # fmt: skip
    lines += ["| real fraction | exposures | mean real | mean predicted |", "|---|---|---|---|"]
    for low, high in ((0, 0.005), (0.005, 0.02), (0.02, 0.1), (0.1, 0.3), (0.3, 0.7), (0.7, 0.995), (0.995, 1.01)):
        inside = (real >= low) & (real < high)
        if inside.any():
            means = f"{real[inside].mean():.4f} | {predicted[inside].mean():.4f}"
            lines.append(f"| {low}-{min(high, 1)} | {inside.sum()} | {means} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Run the study."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    plans = [plan_of(k) for k in range(n)]
    detector = make_detector(2013, Frame(SIZE))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_references(folder / "references", detector, plans)
        rows = [measured(plan, detector, folder, folder / "references") for plan in plans]
    sys.stdout.write(report(rows))


if __name__ == "__main__":
    main()
