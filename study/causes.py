"""How often the cause is named wrongly: curves of known cause, with noise, gradients and geometry that go with it.

Every cause is drawn 300 times on SPARS50 to STEP200 sequences, in F105W and F160W: helium (F105W only; a rise or fall
of 0.3 to 3 electron/s within 60 to 400 s, Sun above the limb where it stands), scattered light (near the bright limb,
left minus right 0.2 to 1.5, of which the median sees 0.2 to 1.1), both at once, persistence (a decay of 0.15 to 1
electron/s within 100 to 600 s, half of them in shadow: in the Sun it is hardly told from helium). Left minus right has
a noise of 0.02 electron/s. Only curves whose class is not none are asked. Satellite trails do not move the median, so
that their class is none.

Usage: python study/causes.py; it prints the page docs/study-causes.md.
"""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np
from injection import measured_rows
from numpy.typing import NDArray

from wfc3tvb.config import MeasureSettings
from wfc3tvb.pipeline.score import score
from wfc3tvb.schema import TABLES, TVB_KINDS
from wfc3tvb.simulate.timing import sample_times

Floats = NDArray[np.float64]
CAUSES = ("helium", "scattered", "mixed", "persistence")
N = 300


def case(cause: str, k: int) -> str | None:
    """Return the kind that one curve gets; None where its class is none or it has no score."""
    rng = np.random.default_rng([CAUSES.index(cause), k])
    times = sample_times(str(rng.choice(["SPARS50", "SPARS100", "STEP100", "STEP200"])), int(rng.integers(12, 17)))
    middle = (times[1:] + times[:-1]) / 2
    name = "F105W" if cause in ("helium", "mixed") else str(rng.choice(["F105W", "F160W"]))
    light, side, near, altitude = np.zeros(middle.size), np.zeros(middle.size), np.zeros(middle.size), 40.0 + 0 * middle
    if cause in ("helium", "mixed"):
        altitude = slope(rng, middle, times[-1])
        light += rng.uniform(0.3, 3.0) / (1 + np.exp(-(altitude - 15) / rng.uniform(2, 6)))
    if cause in ("scattered", "mixed"):
        near = 1 / (1 + np.exp(rng.choice([-1, 1]) * (middle - rng.uniform(0.2, 0.8) * times[-1]) / 40))
        side = rng.uniform(0.2, 1.5) * near
        light += rng.uniform(0.2, 1.1) * side
    if cause == "persistence":
        light += rng.uniform(0.15, 1.0) * np.exp(-middle / rng.uniform(100, 600))
        altitude = altitude if rng.random() < 0.5 else -30.0 + 0 * middle
    reads = measured_rows("icause01q", times, rng.uniform(0.4, 0.8) + light, rng)
    for i, row in enumerate(reads):
        row |= {"lr_diff": float(side[i] + rng.normal(0, 0.02)), "sun_alt": float(altitude[i])}
        row |= {"limb_angle": 60.0 - 42.0 * float(near[i]), "bright_limb": bool(altitude[i] > 0)}
        row |= {"in_shadow": bool(altitude[i] < 0)}
    exposure = TABLES["exposures"].empty_row() | {"rootname": "icause01q", "filter": name, "quality_flags": []}
    kind = score(exposure, reads, MeasureSettings())["tvb_kind"]
    return None if kind is None else str(kind)


def slope(rng: np.random.Generator, middle: Floats, length: float) -> Floats:
    """Return the Sun's altitude [deg]: it rises or sets by 5 deg in 100 s, and passes the limb during the exposure."""
    return rng.choice([-1, 1]) * 0.05 * (middle - rng.uniform(0.1, 0.7) * length)


def main() -> None:
    """Print the table."""
    lines = ["# Cause study", "", (__doc__ or "").split("Usage")[0].strip(), ""]
    lines += ["| true | asked | " + " | ".join(TVB_KINDS) + " |", "|---" * (len(TVB_KINDS) + 2) + "|"]
    for cause in CAUSES:
        kinds = Counter(kind for k in range(N) if (kind := case(cause, k)) is not None)
        shares = " | ".join(f"{kinds[kind] / max(kinds.total(), 1):.2f}" for kind in TVB_KINDS)
        lines.append(f"| {cause} | {kinds.total()} | {shares} |")
    sys.stdout.write("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
