"""Accuracy of the named cause, and the fit that names it, for simulated exposures of known cause.

Six causes are drawn: helium, scattered light, both, a satellite trail, persistence, and something else, on SPARS50 to
STEP200 sequences with 12 to 16 reads, one in seven without geometry. The limb moves by up to 5 deg in 100 s; light
scattered by it follows its distance in half of the draws.

* helium: F105W or F110W; half of the curves as measured in an exposure of visit IBOHBF040, with a largest value of 0.5
  to 3 electron/s and the Sun's altitude of that time; the others have 0.3 to 3 electron/s when the Sun is high, half of
  that at 10 to 25 deg above the limb and nothing below the limb, while the Sun rises or sets by 5 deg in 100 s;
* scattered: F105W, F110W or F160W; left minus right is 0.2 to 1.5 electron/s while the bright limb is near, and the
  median of the frame rises by 0.1 to 1.3 times that; in two of five the light is flat: 0.15 to 1.5 electron/s in the
  median, and 0 to 0.1 of that from left to right;
* both: helium and scattered light together, in F105W or F110W, with helium that changes by at least 0.1 electron/s;
* trail: any filter; a streak is detected in 95 of 100, and in a third of them the median rises by up to 0.3 electron/s
  in that read; a streak also crosses one in 200 of the exposures of other causes;
* persistence: any filter; 0.15 to 1.5 electron/s that decays within 100 to 800 s, exponentially or as one over time,
  whatever the Sun's altitude;
* unknown: a change that is uniform over the frame and has none of these causes: a random walk, a single high read
  without a streak, light where there can be no helium, in another filter or in the Earth's shadow, what is left of the
  dark current (0.1 to 0.6 electron/s, falling over two to six reads), or a drift of the bias (a smooth change of the
  offset of all pixels by 5 to 60 electron, so that short intervals change most).

Left minus right has a noise of 0.02 electron/s in addition to that of the rates. Only exposures that are given a kind
are counted: those whose class is not none, and those with a streak.

Usage: python study/causes.py [--fit] [SHARE [FOLDER]]; it writes study-causes.md and its figure into FOLDER (docs);
SHARE is the share of the exposures to draw, 1 for all. With --fit it first fits the weights anew and writes
cause_weights.py beside the module that has them, or into FOLDER.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from curves import hit_exposures, measured_rows, reliability, reliability_figure
from numpy.typing import NDArray
from scipy.optimize import minimize
from whole import whole_exposures

from wfc3tvb.config import MeasureSettings
from wfc3tvb.models import Row
from wfc3tvb.schema import TABLES, TVB_KINDS
from wfc3tvb.score import cause, cause_weights
from wfc3tvb.score.cause_features import Features
from wfc3tvb.score.score import cause_features, score
from wfc3tvb.score.sky import AFFECTED
from wfc3tvb.simulate.timing import sample_times

Floats = NDArray[np.float64]
ROOT = Path(__file__).parents[1]
SETTINGS = MeasureSettings()
#: Exposures drawn of every cause to fit with; drawn from the prior, and of every cause, to test with. Seeds.
N_FIT, N_TEST, N_EACH = 1500, 4000, 300
#: Whole exposures simulated of every cause.
N_WHOLE = 25
FIT, TEST, EACH, ALIKE = 1, 2, 3, 4
#: What the draws without a rule look like.
SHAPES = ("walk", "spike", "control", "shadow", "dark residual", "dark residual", "bias drift", "bias drift")
#: Causes that look alike, drawn in the filters of helium, and the class of the regression that each belongs to.
LOOK_ALIKE = {
    "helium": "helium",
    "persistence": "persistence",
    "flat scattered": "scattered",
    "dark residual": "unknown",
    "bias drift": "unknown",
}
#: Weight of the penalty on the squared weights.
PENALTY = 0.0003
NOISE = 0.02


def exposure(name: str, rng: np.random.Generator, *, hidden: bool = False) -> tuple[Row, list[Row]]:
    """Return an exposure of a cause, and its reads; with `hidden` in a filter of helium, whatever the cause."""
    times = sample_times(str(rng.choice(["SPARS50", "SPARS100", "STEP100", "STEP200"])), int(rng.integers(12, 17)))
    middle, n = (times[1:] + times[:-1]) / 2, times.size - 1
    passing = name in ("helium", "both") or name not in cause.ALONE_AND_BOTH or hidden
    filter_name = str(rng.choice(["F105W", "F110W"] if passing else ["F105W", "F110W", "F160W"]))
    altitude = _altitude(rng, middle, times[-1])
    limb = np.clip(rng.uniform(25, 90) + rng.uniform(-0.05, 0.05) * (middle - times[-1] / 2), 12, 110)
    streak = rng.random() < (0.95 if name == "trail" else 0.005)
    light, side = np.zeros(n), np.zeros(n)
    if name in ("helium", "both"):
        helium, altitude = _helium(rng, middle, times[-1])
        while name == "both" and np.ptp(helium) < AFFECTED:
            helium, altitude = _helium(rng, middle, times[-1])
        light += helium
    if name in ("scattered", "flat scattered", "both"):
        near = 1 / (1 + np.exp(rng.choice([-1, 1]) * (middle - rng.uniform(0.2, 0.8) * times[-1]) / 40))
        altitude = np.where(near > 0.1, np.abs(altitude) + 1, altitude)
        limb = 60 - 42 * near if rng.random() < 0.5 else np.clip(limb - limb.min() + rng.uniform(15, 35), 12, 110)
        side, seen = _scattered(
            rng, near, flat=name == "flat scattered" or (name == "scattered" and rng.random() < 0.4)
        )
        light += seen
    if name == "trail" and rng.random() < 0.33:
        light[rng.integers(1, n)] += rng.uniform(0, 0.3)
    if name == "persistence":
        decay = middle / rng.uniform(100, 800)
        light += rng.uniform(0.15, 1.5) * (np.exp(-decay) if rng.random() < 0.5 else 1 / (1 + decay))
    if name in ("unknown", "dark residual", "bias drift"):
        shape = str(rng.choice(SHAPES)) if name == "unknown" else name
        filter_name, altitude, light = _unknown(rng, times, shape, filter_name, altitude)
    reads = measured_rows("icause01q", times, rng.uniform(0.4, 0.8) + light, rng)
    known = rng.random() > 1 / 7
    for i, row in enumerate(reads):
        row["lr_diff"] = float(side[i] + rng.normal(0, np.hypot(NOISE, 1.5 * row["rate_err"])))
        if known:
            row |= {"sun_alt": float(altitude[i]), "in_shadow": bool(altitude[i] < 0)}
            row |= {"limb_angle": float(limb[i]), "bright_limb": bool(altitude[i] > 0)}
    flags = ["trail"] if streak else []
    facts = {"rootname": "icause01q", "filter": filter_name, "quality_flags": flags, "crrejtab_sigma": 4.0}
    return TABLES["exposures"].empty_row() | facts, reads


def _scattered(rng: np.random.Generator, near: Floats, *, flat: bool) -> tuple[Floats, Floats]:
    """Return left minus right and the rise of the median under scattered light."""
    if flat:
        seen = rng.uniform(0.15, 1.5) * near
        return rng.uniform(0, 0.1) * seen, seen
    side = rng.uniform(0.2, 1.5) * near
    return side, rng.uniform(0.1, 1.3) * side


def _altitude(rng: np.random.Generator, middle: Floats, length: float, *, through: bool = False) -> Floats:
    """Return the Sun's altitude [deg]: it rises or sets; with `through` it passes the limb during the exposure."""
    moment = rng.uniform(0.1, 0.7) if through else rng.uniform(-1.5, 2.5)
    return np.asarray(np.clip(rng.choice([-1, 1]) * 0.05 * (middle - moment * length), -29, 76))


def _helium(rng: np.random.Generator, middle: Floats, length: float) -> tuple[Floats, Floats]:
    """Return helium and the Sun's altitude: measured or, as often, ideal."""
    return _measured(rng, middle) if rng.random() < 0.5 else _ideal(rng, middle, length)


def _ideal(rng: np.random.Generator, middle: Floats, length: float) -> tuple[Floats, Floats]:
    """Return helium that rises with the Sun alone, and the Sun's altitude."""
    altitude = _altitude(rng, middle, length, through=True)
    rise = 1 / (1 + np.exp(-(altitude - rng.uniform(10, 25)) / rng.uniform(2, 6)))
    return np.where(altitude > 0, rng.uniform(0.3, 3.0) * rise, 0), altitude


def _measured(rng: np.random.Generator, middle: Floats) -> tuple[Floats, Floats]:
    """Return helium as measured in an exposure of IBOHBF040, or a part of it, and the Sun's altitude then."""
    plan, (time, helium) = hit_exposures()[rng.integers(len(hit_exposures()))]
    t = middle + rng.uniform(0, max(0.0, time[-1] - middle[-1]))
    return rng.uniform(0.5, 3.0) * np.interp(t, time, helium), plan.sun_alt(t)


def _unknown(
    rng: np.random.Generator, times: Floats, shape: str, name: str, altitude: Floats
) -> tuple[str, Floats, Floats]:
    """Return filter, altitude and light of an exposure that varies without a rule."""
    n = times.size - 1
    if shape == "dark residual":
        return name, altitude, rng.uniform(0.1, 0.6) * np.exp(-np.arange(n) / rng.uniform(2, 6))
    if shape == "bias drift":
        x = times / times[-1]
        wave = np.sin(2 * np.pi * (x * rng.uniform(0.2, 1.2) + rng.random()))
        return name, altitude, rng.uniform(5, 60) * np.diff(wave) / np.diff(times)
    walk = np.cumsum(rng.normal(0, 1, n))
    walk = (walk - walk.min()) / max(np.ptp(walk), 1e-9) * rng.uniform(0.3, 2.0)
    if shape == "spike":
        return name, altitude, np.where(np.arange(n) == rng.integers(3, n - 2), rng.uniform(0.2, 1.5), 0.0)
    if shape == "control":
        return "F160W", altitude, walk
    return name, np.minimum(altitude, -np.abs(altitude)) if shape == "shadow" else altitude, walk


def drawn(names: list[str], seed: int, *, hidden: bool = False) -> Iterator[tuple[str, Features]]:
    """Yield the cause and the features of those exposures that have a kind."""
    for k, name in enumerate(names):
        row, reads = exposure(name, np.random.default_rng([seed, k]), hidden=hidden)
        if score(row, reads, SETTINGS)["tvb_kind"] is not None:
            yield name, cause_features(row, reads, SETTINGS)


def fit(cases: list[tuple[str, Features]]) -> Floats:
    """Return the weights of the regression, all causes equally likely, shape (causes, features)."""
    x = np.array([cause.vector(f) for _, f in cases])
    y = np.array([cause.ALONE_AND_BOTH.index(name) for name, _ in cases])
    offset = np.array([cause.fixed_offset(f) for _, f in cases])
    share = 1 / np.bincount(y, minlength=len(cause.ALONE_AND_BOTH))[y] / len(cause.ALONE_AND_BOTH)

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(len(cause.ALONE_AND_BOTH), -1)
        z = x @ weights.T + offset
        z -= z.max(1, keepdims=True)
        p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        off = p.copy()
        off[np.arange(y.size), y] -= 1
        gradient = (share[:, None] * off).T @ x + PENALTY * weights
        value = -(share * np.log(p[np.arange(y.size), y] + 1e-300)).sum() + PENALTY / 2 * (weights**2).sum()
        return float(value), gradient.ravel()

    start = np.zeros(len(cause.ALONE_AND_BOTH) * x.shape[1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 5000})
    return np.asarray(found.x).reshape(len(cause.ALONE_AND_BOTH), -1)


def write_weights(weights: Floats, n: int, folder: Path) -> None:
    """Write cause_weights.py."""
    lines = ['"""Weights of the regression for the cause, fitted to simulated exposures of known cause.', ""]
    lines += [f"Made by study/causes.py --fit from {n} exposures (seed {FIT}), all causes equally likely;",
              "docs/study-causes.md describes how these were drawn and how often the causes are right.",
              '"""', ""]  # fmt: skip
    lines += ["#: Weights of each feature of `cause.vector`, in its order, for the causes of `cause.ALONE_AND_BOTH`:",
              "#: helium, scattered light, both, trail, persistence, unknown.", "WEIGHTS_BY_FEATURE = {"]  # fmt: skip
    for name, column in zip(cause_weights.FEATURES, weights.T, strict=True):
        lines.append(f'    "{name}": (' + ", ".join(f"{value:.4f}" for value in column) + "),")
    lines += ["}", "FEATURES = tuple(WEIGHTS_BY_FEATURE)", "#: A row per cause, a column per feature.",
              "WEIGHTS = tuple(zip(*WEIGHTS_BY_FEATURE.values(), strict=True))", ""]  # fmt: skip
    (folder / "cause_weights.py").write_text("\n".join(lines))


def kinds(named_as: list[tuple[str, str]]) -> list[str]:
    """Return the table of what each cause is named, from pairs of both."""
    lines = ["| true | exposures | " + " | ".join(TVB_KINDS) + " |", "|---" * (len(TVB_KINDS) + 2) + "|"]
    for name in cause.ALONE_AND_BOTH:
        named = [kind for true, kind in named_as if true == name]
        shares = " | ".join(f"{named.count(kind) / max(len(named), 1):.2f}" for kind in TVB_KINDS)
        lines.append(f"| {'helium and scattered' if name == 'both' else name} | {len(named)} | {shares} |")
    return lines


def probabilities(cases: list[tuple[str, Features]]) -> tuple[Floats, Floats]:
    """Return the stated probability of each cause and whether it was the one, each of shape (cases, causes)."""
    stated = np.array([list(cause.posterior(f).values()) for _, f in cases])
    return stated, np.array([[name == other for other in cause.ALONE_AND_BOTH] for name, _ in cases], float)


def look_alikes(cases: list[tuple[str, Features]]) -> list[str]:
    """Return the table of causes that look alike: what they are named, and the probabilities stated."""
    lines = ["| true | exposures | named helium | named right | mean probability of helium | of the true cause |"]
    lines += ["|---" * 6 + "|"]
    for name, true in LOOK_ALIKE.items():
        own = [cause.posterior(f) for other, f in cases if other == name]
        named = [cause.kind_of(found) for found in own]
        helium, right = (float(np.mean([found[c] for found in own])) for c in ("helium", true))
        shares = " | ".join(f"{named.count(c) / max(len(named), 1):.2f}" for c in ("helium", true))
        lines.append(f"| {name} | {len(own)} | {shares} | {helium:.2f} | {right:.2f} |")
    return lines


def with_shares(stated: Floats, true: Floats) -> Floats:
    """Return the probabilities with the shares of the cases in place of the assumed prior."""
    weight = stated * true.mean(0) / np.array([cause.PRIOR[name] for name in cause.ALONE_AND_BOTH])
    return np.asarray(weight / weight.sum(1, keepdims=True))


def main() -> None:
    """Fit where asked to; write the page."""
    places = [text for text in sys.argv[1:] if text != "--fit"]
    share = float(places[0]) if places else 1.0
    n_fit, n_test, n_each, n_whole = (math.ceil(share * n) for n in (N_FIT, N_TEST, N_EACH, N_WHOLE))
    folder = Path(places[1]) if len(places) > 1 else ROOT / "docs"
    if "--fit" in sys.argv:
        names = [name for name in cause.ALONE_AND_BOTH for _ in range(n_fit)]
        cases = list(drawn(names, FIT))
        weights = fit(cases)
        write_weights(weights, len(cases), folder if len(places) > 1 else ROOT / "src/wfc3tvb/score")
        cause.WEIGHTS = tuple(map(tuple, weights.round(4).tolist()))
    rng = np.random.default_rng(TEST)
    prior = list(cause.PRIOR)
    test = list(drawn([str(name) for name in rng.choice(prior, n_test, p=list(cause.PRIOR.values()))], TEST))
    each = list(drawn([name for name in cause.ALONE_AND_BOTH for _ in range(n_each)], EACH))
    stated, true = probabilities(test)
    brier = float(((stated - true) ** 2).sum(1).mean())
    wrong = float(np.mean([_named(f) != ("mixed" if name == "both" else name) for name, f in test]))
    text = [f"# Cause study: {len(test)} exposures", "", (__doc__ or "").split("Usage")[0].strip(), ""]
    text += ["## Causes as frequent as in the assumed prior", "",
             "Prior: " + ", ".join(f"{name} {p:g}" for name, p in cause.PRIOR.items()) + ".", "",
             f"Wrong cause, or none although there is one: {100 * wrong:.1f} %. Brier score over the six causes: "
             f"{brier:.3f}.", "", *reliability(stated, true), "",
             "![Predicted probabilities and observed frequencies](study-causes.png)", ""]  # fmt: skip
    text += ["## All causes equally frequent", "", *kinds([(name, _named(f)) for name, f in each]), ""]
    alike = list(drawn([name for name in LOOK_ALIKE for _ in range(n_each)], ALIKE, hidden=True))
    sure, is_true = probabilities([(LOOK_ALIKE[name], f) for name, f in alike])
    text += ["## Causes that look alike", "",
             "As many exposures of helium, persistence, flat scattered light, dark residuals and bias drifts, all in",
             "F105W and F110W, where they differ in little but the shape of the curve, the Sun and the limb.", "",
             *look_alikes(alike), "", "With the assumed prior, of which these draws know nothing:", "",
             *reliability(sure, is_true), "", "With the shares of these draws as the prior:", "",
             *reliability(with_shares(sure, is_true), is_true), ""]  # fmt: skip
    whole = whole_exposures([name for name in cause.ALONE_AND_BOTH for _ in range(n_whole)])
    text += ["## Complete exposures", "", f"{n_whole} exposures of every cause, with stars, galaxies, cosmic rays,",
             "flat field and the real orbit, calibrated by the native engine (study/whole.py); those without a kind",
             "are not counted.",
             "", *kinds([(name, row["tvb_kind"]) for name, row in whole if row["tvb_kind"]]), ""]  # fmt: skip
    (folder / "study-causes.md").write_text("\n".join(text))
    reliability_figure(stated, true, folder / "study-causes.png", "probability of a cause")
    sys.stdout.write("\n".join(text) + "\n")


def _named(f: Features) -> str:
    return cause.kind_of(cause.posterior(f))


if __name__ == "__main__":
    main()
