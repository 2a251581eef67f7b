"""The likelihood fit beside stcal's (Brandt 2024): rates, errors and chi^2 under a constant sky.

Both weight the intervals with the photon noise of a rate that is given to stcal: here our final one. Ours takes that of
its first pass, and below ten errors the mean of the neighboring pixels; where a star crosses that border from one pass
to the next, the errors differ by up to 7 %. Given the very rate that ours took, all agree to 1e-6.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
from tests.helpers.photons import DARK, READ_NOISE, expose

from wfc3tvb.calibration.likelihood.fit import fit_ramps_optimal
from wfc3tvb.calibration.likelihood.model import OptimalSettings
from wfc3tvb.simulate.timing import SEQUENCES, sample_times

WHAT = "rate within 5e-4, error and chi^2 within 1 % of stars above 15 errors, constant sky, no hits"
NO_HITS = OptimalSettings(threshold=1e6, neighbor_threshold=1e6)
STARS = 64


def missing() -> str | None:
    """Return why stcal cannot run."""
    return None if importlib.util.find_spec("stcal") else "stcal is not installed"


def case(rng: np.random.Generator, folder: Path) -> list[str]:
    """Draw a row of stars, fit it by both and compare. stcal is given the variances that follow from our rates."""
    from stcal.ramp_fitting import likely_fit

    sequence, n = str(rng.choice(list(SEQUENCES))), int(rng.integers(4, 17))
    times = np.asarray(sample_times(sequence, n), np.float64)[1:]
    lengths, level = np.diff(times, prepend=0.0), float(rng.uniform(0.3, 3))
    sky, stars = np.full(times.size, level), np.geomspace(0.1, 10 ** rng.uniform(1, 3), STARS)
    rate, _ = expose(times, sky, stars[None], rng)
    fit = fit_ramps_optimal(np.repeat(rate, 3, axis=1), times, sky, settings=NO_HITS)
    ours = fit.sci[1].astype(np.float64) + DARK
    steps = np.diff(rate[:, 0] * times[:, None], axis=0, prepend=0.0) / lengths[:, None] + DARK
    covariance = likely_fit.Covar([*np.concatenate([[0.0], times])])
    noise = np.full(STARS, READ_NOISE)
    theirs = likely_fit.fit_ramps(steps, covariance, np.ones(STARS), noise, count_rate_guess=ours.copy(), rescale=False)
    bright = ours - level - DARK > 15 * fit.err[1]
    pairs = {
        "rate": (ours, theirs.countrate, 5e-4),
        "error": (fit.err[1], theirs.uncert, 0.01),
        "chi^2": (fit.chi2[1] * (times.size - 1), theirs.chisq, 0.01),
    }
    found = []
    for name, (a, b, limit) in pairs.items():
        off = float(np.max(np.abs(a[bright] / b[bright] - 1), initial=0.0))
        if not off <= limit:
            found.append(f"{name} differs by {off:.2g} ({sequence}, {n} reads, sky {level:.2f})")
    return found
