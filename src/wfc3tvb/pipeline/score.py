"""From the rows of a measured curve to the score: sky, damage, cause, recommendation. No pixels are needed."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.config import MeasureSettings
from wfc3tvb.exposure import Row
from wfc3tvb.science.sky import Sky, jump_statistic, jump_statistic_error, measure_sky, signal

#: Changes when what is derived from stored reads changes.
SCORE_VERSION = "1.0"

_SKY_COLUMNS = {
    "sky_mean": "mean",
    "sky_min": "minimum",
    "sky_max": "maximum",
    "sky_last": "last",
    "ratio_cumulative": "ratio_cumulative",
    "ratio_interval": "ratio_interval",
    "factor2": "factor2",
    "excess_variable": "excess_variable",
    "affected_position": "position",
}


def score(exposure: Row, reads: Sequence[Row], settings: MeasureSettings) -> Row:
    """Return an exposure's row with everything that follows from its reads filled in anew.

    Parameters
    ----------
    exposure : row of `exposures`
        Measured; its scores are replaced.
    reads : rows of `reads`
        In time order.
    settings : MeasureSettings
        How to measure.
    """
    curve = {name: column(reads, name) for name in ("t_start", "t_end", "rate", "rate_err")}
    used = np.array([bool(row["used"]) for row in reads])
    flags = [flag for flag in exposure["quality_flags"] if flag != "few_reads"]
    row = exposure | _place(reads) | {"n_reads_used": int(used.sum()), "score_version": SCORE_VERSION}
    row |= {"recommend": "none", "flagged": False}
    if used.sum() < settings.min_reads:
        flags.append("few_reads")
    elif not {"bad_times", "extended_source"} & set(flags):
        row |= _sky(row["rootname"], curve, used, settings)
    row["quality_flags"] = flags
    return row


def column(reads: Sequence[Row], name: str) -> NDArray[np.float64]:
    """Return a column of rows as floats, NaN for null."""
    return np.array([np.nan if row[name] is None else row[name] for row in reads], float)


def generator(rootname: str) -> np.random.Generator:
    """Return the random generator of an exposure, the same every time."""
    return np.random.default_rng(zlib.crc32(rootname.encode()))


def _sky(rootname: str, curve: dict[str, Any], used: NDArray[np.bool_], settings: MeasureSettings) -> Row:
    error = np.hypot(curve["rate_err"], settings.systematic)
    interval = curve["t_start"], curve["t_end"], curve["rate"]
    sky: Sky = measure_sky(*interval, error, used)
    total = signal(curve["t_end"] - curve["t_start"], curve["rate"])
    jump, read = jump_statistic(curve["t_end"], total)
    recommend = "omit" if sky.factor2 else "none"
    return {name: getattr(sky, attribute) for name, attribute in _SKY_COLUMNS.items()} | {
        "affected_reads": list(sky.affected),
        "tvb_score": jump,
        "tvb_score_err": jump_statistic_error(*interval, curve["rate_err"], settings.systematic, generator(rootname)),
        "jump_read": read,
        "recommend": recommend,
        "flagged": recommend != "none",
    }


def _place(reads: Sequence[Row]) -> Row:
    """Return the geometry of an exposure: extremes over its reads."""
    known = [row for row in reads if row["sun_alt"] is not None]
    if not known:
        return {"sun_alt_min": None, "sun_alt_max": None, "limb_angle_min": None, "frac_in_shadow": None}
    altitude = [row["sun_alt"] for row in known]
    dt = np.array([row["t_end"] - row["t_start"] for row in known])
    shadow = np.array([row["in_shadow"] for row in known])
    return {
        "sun_alt_min": min(altitude),
        "sun_alt_max": max(altitude),
        "limb_angle_min": min(row["limb_angle"] for row in known),
        "frac_in_shadow": float(dt[shadow].sum() / dt.sum()) if dt.sum() > 0 else None,
    }
