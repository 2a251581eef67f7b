"""Rows of a curve without pixels: what a measurement of a published curve would store."""

from __future__ import annotations

from typing import Any

import numpy as np

from wfc3tvb.models import Row
from wfc3tvb.schema import TABLES


def curve_rows(
    rootname: str, t: Any, cumulative: Any, *, error: float = 0.003, **columns: Any
) -> tuple[Row, list[Row]]:
    """Return the row of `exposures` and the rows of `reads` of a curve.

    Parameters
    ----------
    t, cumulative : ndarray, shape (n,)
        Times of the reads [s] and cumulative rates [electron/s].
    error : float
        Error of a rate in 100 s [electron/s]; it falls with the length of the interval.
    columns : ndarray, shape (n,)
        Other columns of `reads`.
    """
    t, cumulative = np.asarray(t, float), np.asarray(cumulative, float)
    dt = np.diff(t, prepend=0)
    columns |= {
        "read": np.arange(1, t.size + 1), "t_start": t - dt, "t_end": t, "mjd": 56298.785 + (t - dt / 2) / 86400,
        "rate": np.diff(t * cumulative, prepend=0) / dt, "rate_err": error * 100 / dt, "cumulative_rate": cumulative,
        "lr_diff": columns.get("lr_diff", np.zeros(t.size)), "lr_ratio": np.ones(t.size),
    }  # fmt: skip
    columns["used"] = (dt >= 5) & (columns["rate_err"] <= 0.1) & (np.arange(t.size) > 0)
    reads = [
        TABLES["reads"].empty_row()
        | {"rootname": rootname}
        | {name: values[i].item() for name, values in columns.items()}
        for i in range(t.size)
    ]
    exposure = TABLES["exposures"].empty_row() | {
        "rootname": rootname, "dataset": "ibohbf040", "asn_id": "ibohbf040", "visit": rootname[:6], "filter": "F105W",
        "samp_seq": "STEP200", "nsamp": t.size + 1, "ra": 189.2, "dec": 62.2, "expstart": 56298.785,
        "quality_flags": [], "crrejtab_sigma": 4.0,
    }  # fmt: skip
    return exposure, reads
