"""Choice of the method for an exposure, and its curve as the methods use it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wfc3tvb.instrument import is_grism
from wfc3tvb.models import Row
from wfc3tvb.repair.model import ReprocessSettings
from wfc3tvb.schema.methods import METHODS
from wfc3tvb.score.recommend import REFUSED, WORTH, gain, is_worth
from wfc3tvb.score.sides import find_sides
from wfc3tvb.score.stored_curve import column


@dataclass(frozen=True)
class Curve:
    """Curve of an exposure; empty where it was not measured.

    Attributes
    ----------
    times, cumulative : tuple of float
        Time of each read [s], and cumulative rate of the sky [electron/s].
    lost : tuple of int
        Reads without a rate; their cumulative rate is interpolated.
    lit : tuple of int
        Reads with scattered light.
    """

    times: tuple[float, ...] = ()
    cumulative: tuple[float, ...] = ()
    lost: tuple[int, ...] = ()
    lit: tuple[int, ...] = ()


def curve_of(times: Sequence[float], rates: Sequence[float | None], lit: tuple[int, ...] = ()) -> Curve:
    """Return a curve, in which the electrons of the sky grow evenly across reads without a rate.

    Only their sum between good reads matters, because a lost read is left out of every ramp. After the last good read
    the mean rate is assumed.

    Parameters
    ----------
    times : sequence of float
        Time of each read [s].
    rates : sequence of float or None
        Cumulative rate of the sky at each read [electron/s].
    lit : tuple of int, optional
        Reads with scattered light.
    """
    t, rate = np.array(times, float), np.array([np.nan if rate is None else rate for rate in rates], float)
    good = np.isfinite(rate)
    if not good.any():
        return Curve()
    last = np.flatnonzero(good)[-1]
    electrons = np.where(t > t[last], rate[last] * t, np.interp(t, [0.0, *t[good]], [0.0, *(rate * t)[good]]))
    lost = tuple(int(k) + 1 for k in np.flatnonzero(~good))
    return Curve(tuple(t.tolist()), tuple(np.where(good, rate, electrons / t).tolist()), lost, lit)


def curve_of_reads(reads: Sequence[Row]) -> Curve:
    """Return the curve of an exposure from its rows of `reads`, in time order."""
    used = np.array([bool(row["used"]) for row in reads])
    sides = find_sides(column(reads, "lr_diff"), column(reads, "rate_err"), used)
    return curve_of([row["t_end"] for row in reads], [row["cumulative_rate"] for row in reads], sides.reads)


@dataclass(frozen=True)
class ChooseMethod:
    """Choice of methods for the exposures of one dataset.

    Attributes
    ----------
    settings : ReprocessSettings
        Method requested, and whether only flagged exposures are repaired.
    has_flagged : bool
        Whether an exposure of the dataset is flagged, so that it is drizzled again.
    """

    settings: ReprocessSettings
    has_flagged: bool

    def __call__(self, row: Row, *, asked: bool, has_curve: bool) -> tuple[str, str]:
        """Return the method for an exposure, and the reason.

        Parameters
        ----------
        row : row of `exposures`
            The exposure.
        asked : bool
            Whether it was requested by its rootname.
        has_curve : bool
            Whether the sky of its reads is known.
        """
        why = reason(row)
        if is_grism(row["filter"]):
            return ("omit", "grism") if row["flagged"] or asked else ("perform", "grism")
        if self.settings.method != "auto":
            return self._requested(row, asked, why)
        if row["flagged"]:
            return _recommended(row, has_curve, why)
        if self._is_noisy(row) and has_curve:
            return "optimal", f"not flagged, but {_above_limit(row)}; {why}"
        return "perform", f"not flagged; {why}"

    def _requested(self, row: Row, asked: bool, why: str) -> tuple[str, str]:
        method = METHODS[self.settings.method]
        if asked:
            return method.name, f"requested; {why}"
        if not row["flagged"]:
            return "perform", f"not flagged; {why}"
        factor = gain(row["noise_pipeline"], row[method.noise_column])
        known = row["noise_pipeline"] is not None and row["recommend"] == "optimal"
        if known and not is_worth(method, factor, row["pred_level_bias"]):
            return "perform", f"{method.name} would lower the noise by a factor of only {factor:.2f}; {why}"
        return method.name, f"requested; {why}"

    def _is_noisy(self, row: Row) -> bool:
        """Return whether the pipeline's image of an exposure is noisier than its limit, by the factor WORTH."""
        if self.settings.only_flagged or not self.has_flagged or REFUSED & set(row["quality_flags"] or ()):
            return False
        return row["recommend"] == "none" and gain(row["noise_pipeline"], row["noise_optimal"]) > WORTH


def _recommended(row: Row, has_curve: bool, why: str) -> tuple[str, str]:
    method = METHODS[row["recommend"]]
    if method.needs_curve and not has_curve:
        return "omit", f"{method.name} recommended, but the catalog has no curve; {why}"
    return method.name, f"recommended; {why}"


def _above_limit(row: Row) -> str:
    """Return the noise of the pipeline's image relative to the least possible, as a phrase."""
    excess = 100 * (gain(row["noise_pipeline"], row["noise_optimal"]) - 1)
    return f"its noise is {excess:.0f} % above the limit of photons and reads"


def reason(row: Row) -> str:
    """Return the numbers behind a recommendation."""
    parts = [row["tvb_class"] or "unscored"] if row["tvb_class"] != "none" else ["no damage"]
    if row["pred_frac_broken"] is not None:
        share = f"{100 * row['pred_frac_broken']:.1f}"
        parts.append("calwf3 cuts no ramp" if share == "0.0" else f"calwf3 cuts {share} % of the ramps")
    if row["pred_level_bias"] is not None:
        off = f"{row['pred_level_bias']:+z.2f}"
        parts.append("level right" if off == "+0.00" else f"level off by {off} electron/s")
    elif row["ratio_cumulative"] is not None:
        parts.append(f"cumulative rate changes by {row['ratio_cumulative']:.1f}")
    return ", ".join(parts)
