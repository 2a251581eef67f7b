"""Completeness and purity of the score, for curves injected into quiet ramps of all sample sequences.

{prior}
Every curve is scored as it would be measured: with 0.21 electron of noise per read, shared by the two intervals that it
separates, and a systematic error of 0.02 electron/s per interval. The true class comes from 20,000 pixels that follow
the true curve and are fitted as calwf3 fits them.

Usage: python study/injection.py [number of curves [FOLDER]]; it writes study-injection.md and its figure into FOLDER
(docs).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import curves
import numpy as np
from curves import draw_times, measured_rows, reliability, reliability_figure, true_curve
from numpy.typing import NDArray

from wfc3tvb.config import MeasureSettings
from wfc3tvb.schema import TABLES, TVB_CLASSES
from wfc3tvb.score.damage import damage_class, noise_factor, predict
from wfc3tvb.score.score import score

Floats = NDArray[np.float64]
Case = dict[str, Any]
ROOT = Path(__file__).parents[1]
#: Curves drawn, of which those of short sequences have no score.
N = 3000


def case(k: int) -> Case | None:
    """Return what is true and what is scored of one curve; None where it has no score."""
    rng = np.random.default_rng([20130106, k])
    sequence, times = draw_times(rng)
    rate, name = true_curve(rng, times), f"i{k:07d}q"
    dt = np.diff(times)
    truth = predict(times[1:], np.cumsum(rate * dt), 4.0, rng, n_pixels=20_000)
    used = np.arange(rate.size) > 0
    factor = noise_factor(times[1:], np.cumsum(rate * dt), truth.noise_pipeline)
    excess = float(np.average((rate - rate[used].min())[used], weights=dt[used]))
    exposure = TABLES["exposures"].empty_row() | {"rootname": name, "filter": "F105W", "quality_flags": []}
    row = score(exposure, measured_rows(name, times, rate, rng), MeasureSettings())
    if row["tvb_class"] is None:
        return None
    return {
        "sequence": sequence,
        "true": damage_class(truth.frac_broken, excess, truth.level_bias, factor=factor),
        "scored": row["tvb_class"],
        "probability": [row[f"prob_{name}"] for name in TVB_CLASSES],
        "fraction": (truth.frac_broken, row["pred_frac_broken"]),
        "jump": (row["tvb_score"], row["tvb_score_err"]),
    }


def shares(cases: list[Case], wanted: tuple[str, ...]) -> str:
    """Return number, completeness and purity of some classes as cells of a table."""
    pairs = [(c["true"] in wanted, c["scored"] in wanted) for c in cases]
    true, scored, both = (sum(f(*p) for p in pairs) for f in (lambda t, s: t, lambda t, s: s, lambda t, s: t and s))
    found = " / ".join(f"{both / n:.2f}" if n else "-" for n in (true, scored))
    return f"{true}: {found}" if true or scored else "0"


def tables(cases: list[Case]) -> list[str]:
    """Return completeness and purity per class, and per class and sequence."""
    lines = ["Each cell gives the number of curves that truly have the class, then completeness / purity.", ""]
    groups = [*((name,) for name in TVB_CLASSES), ("moderate", "severe")]
    lines += ["| sequence | curves | " + " | ".join(" or ".join(g) for g in groups) + " |", "|---" * 7 + "|"]
    for sequence in ["all", *sorted({c["sequence"] for c in cases}, key=_order)]:
        own = [c for c in cases if sequence in ("all", c["sequence"])]
        lines.append(f"| {sequence} | {len(own)} | " + " | ".join(shares(own, group) for group in groups) + " |")
    return lines


def _order(sequence: str) -> tuple[str, int]:
    letters = sequence.rstrip("0123456789")
    return letters, int(sequence[len(letters) :] or 0)


def stated_and_true(cases: list[Case]) -> tuple[Floats, Floats]:
    """Return the probability of each class and whether it was the one, each of shape (cases, classes)."""
    stated = np.array([c["probability"] for c in cases], float)
    return stated, np.array([[c["true"] == name for name in TVB_CLASSES] for c in cases], float)


def report(cases: list[Case]) -> str:
    """Return the study as Markdown."""
    stated, true = stated_and_true(cases)
    brier = float(((stated - true) ** 2).sum(1).mean())
    real, predicted = np.array([c["fraction"] for c in cases], float).T
    middle = (real >= 0.005) & (real <= 0.995)
    ranks = [np.argsort(np.argsort(v[middle])) for v in (real, predicted)]
    prior = (curves.__doc__ or "").split("\n\n", 1)[1].strip()
    text = (__doc__ or "").split("Usage")[0].strip().format(prior=prior + "\n")
    lines = [f"# Injection study: {len(cases)} curves", "", text, "", "## Completeness and purity", "", *tables(cases)]
    lines += ["", "## Probabilities of the classes", "", f"Brier score over the four classes: {brier:.3f}.", ""]
    lines += [*reliability(stated, true), "", "![Predicted probabilities and observed frequencies]"
              "(study-injection.png)", "", "## Fraction broken", "",
              f"Mean absolute error {np.abs(real - predicted).mean():.4f} over all; rank correlation "
              f"{np.corrcoef(ranks[0], ranks[1])[0, 1]:.3f} over {middle.sum()} curves with a true fraction of 0.005 "
              "to 0.995.", ""]  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    """Run the study."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else N
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "docs"
    cases = [found for k in range(n) if (found := case(k)) is not None]
    text = report(cases)
    (folder / "study-injection.md").write_text(text)
    reliability_figure(*stated_and_true(cases), folder / "study-injection.png", "probability of a class")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
