"""Classes from the few rows that `survey --fast` fetches, beside those of whole frames, for the same exposures.

{prior}
Each exposure is scored from the whole frame, from the default 80 middle rows, and from the rows of ``--fast``. All
three have the same true curve, the same noise that a read takes from its reference pixels (0.18 electron), and the same
systematic error of 0.02 electron/s per interval. They differ in the noise of the median over their pixels, of which
three quarters show the sky: photons of the interval, and 14.6 electron in each pixel of a read, shared by the two
intervals that the read separates.

Usage: python study/fast.py [number of curves [FOLDER]]; it writes study-fast.md and its figure into FOLDER (docs).
"""

from __future__ import annotations

import sys
from pathlib import Path

import curves
import numpy as np
from curves import Floats, draw_times, measured_rows, true_curve

from wfc3tvb.config import BAND_ROWS, FAST_ROWS, MOST_ROWS, MeasureSettings
from wfc3tvb.models import Row
from wfc3tvb.schema import TABLES, TVB_CLASSES
from wfc3tvb.score.score import score

ROOT = Path(__file__).parents[1]
#: Exposures drawn, of which those of short sequences have no score.
N = 1500
#: Noise of a read from its reference pixels and in one pixel [electron]; fraction of the pixels that show the sky.
REFERENCE, PIXEL, SKY = 0.18, 14.6, 0.75
#: Standard error of a median over that of a mean.
MEDIAN = np.sqrt(np.pi / 2)


def sampled(rate: Floats, dt: Floats, rows: int, rng: np.random.Generator) -> Floats:
    """Return what the median over the pixels of `rows` rows adds to each interval rate [electron/s]."""
    error = MEDIAN / np.sqrt(SKY * rows * 1014)
    photons = rng.normal(0, error * np.sqrt(rate * dt))
    return np.asarray((photons + np.diff(rng.normal(0, error * PIXEL, rate.size + 1))) / dt)


def scored(k: int) -> dict[int, Row]:
    """Return the score of a curve for each number of rows."""
    rng = np.random.default_rng([20130107, k])
    _, times = draw_times(rng)
    rate, name = true_curve(rng, times), f"i{k:07d}q"
    rows, dt = measured_rows(name, times, rate, rng), np.diff(times)
    common = rate + np.diff(rng.normal(0, REFERENCE, rate.size + 1)) / dt
    common += rng.normal(0, curves.SYSTEMATIC, rate.size)
    exposure = TABLES["exposures"].empty_row() | {"rootname": name, "filter": "F105W", "quality_flags": []}
    found = {}
    for n in (MOST_ROWS, BAND_ROWS, FAST_ROWS):
        seen, error = common + sampled(rate, dt, n, rng), rate_error(rate, dt, n)
        own = [r | {"rate": float(v), "rate_err": float(e)} for r, v, e in zip(rows, seen, error, strict=True)]
        found[n] = score(exposure, own, MeasureSettings())
    return found


def rate_error(rate: Floats, dt: Floats, rows: int) -> Floats:
    """Return the error of each interval rate, as the survey states it [electron/s]."""
    variance = 2 * REFERENCE**2 + MEDIAN**2 * (rate * dt + 2 * PIXEL**2) / (SKY * rows * 1014)
    return np.asarray(np.sqrt(variance) / dt)


def report(found: list[dict[int, Row]]) -> str:
    """Return the study as Markdown."""
    prior = (curves.__doc__ or "").split("\n\n", 1)[1].strip()
    text = (__doc__ or "").split("Usage")[0].strip().format(prior=prior + "\n")
    lines = [f"# Study of the fast survey: {len(found)} exposures", "", text, ""]
    lines += ["| rows | same class as the whole frame | same recommendation | error of a rate over 100 s, of the whole "
              "frame's |", "|---|---|---|---|"]  # fmt: skip
    sky, seconds = np.array([0.8]), np.array([100.0])
    for n in (BAND_ROWS, FAST_ROWS):
        same = [np.mean([each[n][key] == each[MOST_ROWS][key] for each in found]) for key in ("tvb_class", "recommend")]
        error = float(rate_error(sky, seconds, n)[0] / rate_error(sky, seconds, MOST_ROWS)[0])
        lines.append(f"| {n} | {100 * same[0]:.2f} % | {100 * same[1]:.2f} % | {error:.2f} |")
    lines += [
        "",
        f"Classes from {FAST_ROWS} rows (columns) by those from whole frames (rows):",
        "",
    ]
    lines += ["| whole frame | " + " | ".join(TVB_CLASSES) + " |", "|---" * (len(TVB_CLASSES) + 1) + "|"]
    for true in TVB_CLASSES:
        own = [each[FAST_ROWS]["tvb_class"] for each in found if each[MOST_ROWS]["tvb_class"] == true]
        lines.append(f"| {true} | " + " | ".join(str(own.count(name)) for name in TVB_CLASSES) + " |")
    return "\n".join([*lines, "", "![Fraction broken from both](study-fast.png)", ""])


def figure(found: list[dict[int, Row]], path: Path) -> None:
    """Draw the predicted fraction of broken pixels from the fast rows against that from the whole frame."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(4.6, 4.6), layout="constrained")
    axes = drawing.add_subplot()
    whole, fast = ([each[n]["pred_frac_broken"] for each in found] for n in (MOST_ROWS, FAST_ROWS))
    axes.plot([0, 1], [0, 1], color="0.7", lw=1)
    axes.plot(whole, fast, ".", ms=3, color="C0")
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="fraction broken, whole frame")
    axes.set_ylabel(f"fraction broken, {FAST_ROWS} rows")
    drawing.savefig(path, dpi=110, metadata={"Software": None})


def main() -> None:
    """Run the study."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else N
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "docs"
    found = [each for k in range(n) if (each := scored(k))[MOST_ROWS]["tvb_class"] is not None]
    text = report(found)
    (folder / "study-fast.md").write_text(text)
    figure(found, folder / "study-fast.png")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
