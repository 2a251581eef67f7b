"""True curves drawn from an assumed prior, their measured rows, and reliability tables, for all studies.

Prior (assumed, not measured): all sequences of a full frame with 11 to 16 reads are equally likely; the zodiacal light
is 0.35 to 0.8 electron/s; 40 % of the curves are constant. Half of the others are measured curves: the helium of the
five exposures of visit IBOHBF040 that have it, starting anywhere from 800 s before the exposure to its end, and scaled
so that its largest value is the amplitude. The other half rise, fall or do both within 30 to 300 s, anywhere in the
exposure. The logarithm of the amplitude is uniform between 0.1 and 4 electron/s.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.models import Row
from wfc3tvb.schema import TABLES
from wfc3tvb.simulate.plan import ExposurePlan
from wfc3tvb.simulate.presets import preset
from wfc3tvb.simulate.timing import SEQUENCES, is_flight_mode, sample_times

Floats = NDArray[np.float64]

#: Noise that a read of a full frame takes from its reference pixels [electron]; systematic [electron/s].
READ, SYSTEMATIC = 0.21, 0.02
#: Zodiacal light of visit IBOHBF040 [electron/s].
_ZODI = 0.465
_BINS = ((0, 0.05), (0.05, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 0.95), (0.95, 1.01))


@cache
def hit_exposures() -> tuple[tuple[ExposurePlan, tuple[Floats, Floats]], ...]:
    """Return the exposures of IBOHBF040 that have helium, with time [s] and helium, largest value 1."""
    return tuple((p, found) for p in preset("ibohbf040").exposures if (found := _helium(p)) is not None)


def _helium(plan: ExposurePlan) -> tuple[Floats, Floats] | None:
    times = plan.times()
    long = np.diff(times) >= 10
    rate = np.maximum(plan.sky().total[long] - _ZODI, 0)
    return ((times[1:] + times[:-1])[long] / 2, rate / rate.max()) if rate.max() > 0.2 else None


def draw_times(rng: np.random.Generator) -> tuple[str, Floats]:
    """Return a sequence and the times of its reads, the zeroth included [s]."""
    sequence = str(rng.choice([s for s in SEQUENCES if is_flight_mode(s)]))
    return sequence, sample_times(sequence, int(rng.integers(11, 17)))


def true_curve(rng: np.random.Generator, times: Floats) -> Floats:
    """Return the sky rate of every interval [electron/s]."""
    fine = np.linspace(0, times[-1], 4000)
    zodi, amplitude = rng.uniform(0.35, 0.8), np.exp(rng.uniform(np.log(0.1), np.log(4.0)))
    kind = rng.choice(["constant", "measured", "drawn"], p=[0.4, 0.3, 0.3])
    shape = {"constant": lambda *_: 0 * fine, "measured": _measured, "drawn": _drawn}[kind](rng, fine)
    total = np.concatenate([[0.0], np.cumsum((zodi + amplitude * shape)[:-1] * np.diff(fine))])
    return np.asarray(np.diff(np.interp(times, fine, total)) / np.diff(times))


def _measured(rng: np.random.Generator, fine: Floats) -> Floats:
    _, (time, helium) = hit_exposures()[rng.integers(len(hit_exposures()))]
    return np.asarray(np.interp(fine - rng.uniform(-800, fine[-1]), time, helium))


def _drawn(rng: np.random.Generator, fine: Floats) -> Floats:
    width = rng.uniform(30, 300) / 4.4
    rise = 1 / (1 + np.exp(-(fine - rng.uniform(0, fine[-1])) / width))
    fall = 1 / (1 + np.exp((fine - rng.uniform(0, fine[-1])) / width))
    kind = str(rng.choice(["rise", "fall", "both"]))
    return np.asarray({"rise": rise, "fall": fall, "both": (rise + fall) / 2}[kind])


def measured_rows(name: str, times: Floats, rate: Floats, rng: np.random.Generator) -> list[Row]:
    """Return rows of `reads` of a curve with the noise of a quiet ramp."""
    dt, n = np.diff(times), rate.size
    reads = rng.normal(0, READ, n + 1)
    seen = rate + np.diff(reads) / dt + rng.normal(0, SYSTEMATIC, n)
    error = np.sqrt(2) * READ / dt
    return [
        TABLES["reads"].empty_row()
        | {"rootname": name, "read": i + 1, "t_start": float(times[i]), "t_end": float(times[i + 1])}
        | {"rate": float(seen[i]), "rate_err": float(error[i]), "lr_diff": 0.0, "lr_ratio": 1.0}
        | {"used": bool(i > 0 and dt[i] >= 5 and error[i] <= 0.1)}
        for i in range(n)
    ]


def reliability(stated: Floats, true: Floats) -> list[str]:
    """Return a table: how often what has a stated probability came true."""
    lines = ["| predicted probability | cases | mean | observed frequency |", "|---|---|---|---|"]
    for low, high in _BINS:
        inside = (stated >= low) & (stated < high)
        if inside.any():
            row = f"{inside.sum()} | {stated[inside].mean():.3f} | {true[inside].mean():.3f}"
            lines.append(f"| {low:.2f}-{min(high, 1):.2f} | {row} |")
    return lines


def reliability_figure(stated: Floats, true: Floats, path: Path, label: str) -> None:
    """Draw how often what has a stated probability came true, in tenths, with binomial errors."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 4.6), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="0.7", lw=1)
    for low in np.arange(0, 1, 0.1):
        inside = (stated >= low) & (stated < low + 0.1 + 1e-9 * (low > 0.85))
        if inside.sum() >= 5:
            share, n = float(true[inside].mean()), int(inside.sum())
            error = np.sqrt(max(share * (1 - share), 1 / n) / n)
            axes.errorbar(stated[inside].mean(), share, error, fmt="o", color="C0", ms=4)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel=f"stated {label}", ylabel="came true")
    figure.savefig(path, dpi=110, metadata={"Software": None})
