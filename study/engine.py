"""Comparison of predicted and real damage, for complete simulated exposures calibrated by the native engine.

{prior}
Every exposure has stars and galaxies, dark, flat, bad pixels, nonlinearity, reference pixels, and cosmic rays (11 per
second on the area of a full frame). The real fraction is that of the sky pixels with bit 8192 or 32 in the last read of
the IMA. Every pixel that a real cosmic ray hit is left out, so only damage done by the ramp fit is counted.

Usage: python study/engine.py [number of exposures [FOLDER]]; it writes study-engine.md and its figure into FOLDER
(docs).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import curves
import numpy as np
from curves import draw_times, true_curve
from numpy.typing import NDArray

from wfc3tvb.config import MeasureSettings
from wfc3tvb.curve.kernels import flagged_fraction
from wfc3tvb.curve.sky_mask import sky_mask
from wfc3tvb.engines.calibrate import calibrate
from wfc3tvb.fits.ima import read_ima
from wfc3tvb.instrument import DQ
from wfc3tvb.measurement import measure_cube
from wfc3tvb.simulate.detector import Detector, make_detector
from wfc3tvb.simulate.expose import Light, expose
from wfc3tvb.simulate.frame import Frame
from wfc3tvb.simulate.plan import ExposurePlan, Target
from wfc3tvb.simulate.reference_files import reference_names, write_references
from wfc3tvb.simulate.scene import make_sources, scene_rate
from wfc3tvb.simulate.sky_models import Tabulated
from wfc3tvb.simulate.visit import raw_file

Floats = NDArray[np.float64]
ROOT = Path(__file__).parents[1]
SIZE, N = 128, 1000
FIELD = Target("FIELD-S", 189.22, 62.24, 99099, 123.4)
BINS = ((0, 0.005), (0.005, 0.02), (0.02, 0.1), (0.1, 0.3), (0.3, 0.7), (0.7, 0.995), (0.995, 1.01))


def plan_of(k: int) -> ExposurePlan:
    """Return an exposure drawn from the prior."""
    rng = np.random.default_rng([20130107, k])
    sequence, times = draw_times(rng)
    cumulative = np.cumsum(true_curve(rng, times) * np.diff(times)) / times[1:]
    model = Tabulated(tuple(cumulative.tolist()))
    return ExposurePlan(f"i{k:07d}q", 56298.785, FIELD, model, samp_seq=sequence, nsamp=times.size)


def fractions(plan: ExposurePlan, detector: Detector, folder: Path) -> tuple[float, float] | None:
    """Simulate, calibrate and measure one exposure; return the predicted and the real fraction broken."""
    frame, rng = detector.frame, np.random.default_rng([1, int(plan.rootname[1:8])])
    scene = scene_rate(make_sources(7, (FIELD.ra, FIELD.dec)), plan.pointing, frame, plan.filter)
    reads = expose(detector, Light(scene, plan.sky(frame.size), plan.filter), plan.times(frame.size), rng)
    names = reference_names(detector.seed, frame, plan.filter, plan.samp_seq)
    raw = folder / f"{plan.rootname}_raw.fits"
    raw_file(plan, frame, reads, names).writeto(raw)
    (result,) = calibrate([raw], engine="native", crcorr="perform", iref=folder / "references")
    assert result.ima is not None
    cube = read_ima(result.ima)
    predicted = measure_cube(cube, None, MeasureSettings()).exposure["pred_frac_broken"]
    skip = sky_mask(cube.rate[-1], cube.dq[0]).skip | reads.hit[frame.inner].astype(np.uint8)
    real = flagged_fraction(cube.dq[-1], int(DQ.DATAREJECT | DQ.UNSTABLE), skip)
    for path in folder.glob(f"{plan.rootname}*"):
        path.unlink()
    return None if predicted is None else (predicted, real)


def report(predicted: Floats, real: Floats) -> str:
    """Return the study as Markdown."""
    middle = (real >= 0.005) & (real <= 0.995)
    ranks = [np.argsort(np.argsort(v[middle])) for v in (predicted, real)]
    prior = (curves.__doc__ or "").split("\n\n", 1)[1].strip()
    text = (__doc__ or "").split("Usage")[0].strip().format(prior=prior + "\n")
    lines = [f"# Engine study: {real.size} exposures", "", text, "",
             f"Mean absolute error of the fraction broken: {np.abs(predicted - real).mean():.4f}; largest "
             f"{np.abs(predicted - real).max():.3f}; rank correlation "
             f"{np.corrcoef(ranks[0], ranks[1])[0, 1]:.3f} over {middle.sum()} exposures with a real fraction of 0.005 "
             "to 0.995.", "", "![Predicted and real fraction](study-engine.png)", "",
             "| real fraction | exposures | mean real | mean predicted |", "|---|---|---|---|"]  # fmt: skip
    for low, high in BINS:
        inside = (real >= low) & (real < high)
        if inside.any():
            means = f"{real[inside].mean():.4f} | {predicted[inside].mean():.4f}"
            lines.append(f"| {low}-{min(high, 1)} | {inside.sum()} | {means} |")
    return "\n".join([*lines, ""])


def figure(predicted: Floats, real: Floats, path: Path) -> None:
    """Draw the predicted fraction against the real one."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(4.6, 4.6), layout="constrained")
    axes = drawn.add_subplot()
    axes.plot([1e-4, 1], [1e-4, 1], color="0.7", lw=1)
    axes.plot(np.maximum(real, 2e-4), np.maximum(predicted, 2e-4), "o", ms=3, alpha=0.6)
    axes.set(xscale="log", yscale="log", aspect="equal", xlabel="real fraction broken", ylabel="predicted")
    drawn.savefig(path, dpi=110, metadata={"Software": None})


def main() -> None:
    """Run the study."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else N
    out = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "docs"
    plans = [plan_of(k) for k in range(n)]
    detector = make_detector(2013, Frame(SIZE))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_references(folder / "references", detector, plans)
        pairs = [found for plan in plans if (found := fractions(plan, detector, folder)) is not None]
    predicted, real = np.array(pairs, float).T
    text = report(predicted, real)
    (out / "study-engine.md").write_text(text)
    figure(predicted, real, out / "study-engine.png")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
