"""Fits of the visits of a catalog: zodiacal light, helium and scattered light from the stored reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from threadpoolctl import threadpool_limits

from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.config import MeasureSettings
from wfc3tvb.models import Row
from wfc3tvb.progress import Progress, silent
from wfc3tvb.score.score import DARK_ALTITUDE
from wfc3tvb.score.visit_fit import VisitFit, fit_visit

#: A nebula is not part of the light that the exposures of a visit share, and its level is not known.
_SCORED = "sky_mean IS NOT NULL AND NOT coalesce(list_contains(quality_flags, 'extended_source'), false)"

_READS = f"""
SELECT visit, filter, rootname, read, rate, rate_err, lr_diff, sun_alt, sky_err, measured_at
FROM reads JOIN exposures USING (rootname)
WHERE visit IN (SELECT unnest($visits)) AND used AND {_SCORED}
ORDER BY visit, filter, expstart, rootname, read
"""

#: Visits with an exposure whose time of measurement differs from that in the fit, including those of an interrupted
#: survey. An earlier time counts too, because clocks may be set back.
_DUE = f"""
SELECT DISTINCT visit, filter FROM exposures e
LEFT JOIN (SELECT rootname, max(measured_at) AS fitted FROM visit_fits GROUP BY rootname) USING (rootname)
WHERE {_SCORED} AND filter IS NOT NULL AND ($everything OR e.measured_at IS DISTINCT FROM fitted)
ORDER BY ALL
"""
#: Number of visits per commit.
_BATCH = 150


def fit_visits(
    catalog: Catalog,
    *,
    everything: bool = False,
    systematic: float = MeasureSettings.systematic,
    progress: Progress = silent,
) -> int:
    """Fit the visits that have a new exposure, and store the results in the table ``visit_fits``.

    Parameters
    ----------
    catalog : Catalog
        Open for writing.
    everything : bool, optional
        Fit all visits again.
    systematic : float, optional
        Systematic error of a rate [electron/s], as in the settings with which the exposures are scored.
    progress : Progress, optional
        Called with stage ``visits``.

    Returns
    -------
    int
        Number of fits, one per visit and filter.
    """
    due = catalog.sql(_DUE, {"everything": everything}).fetchall()
    for start in range(0, len(due), _BATCH):
        batch = due[start : start + _BATCH]
        stored = _stored(catalog, [visit for visit, _ in batch])
        with _one_thread():
            catalog.replace("visit_fits", [row for key in batch for row in _fitted(stored.get(key, []), systematic)])
        progress("visits", start + len(batch), len(due))
    return len(due)


def fit_stored_visit(
    catalog: Catalog, visit: str, name: str, *, systematic: float = MeasureSettings.systematic
) -> list[Row]:
    """Fit the used reads of a visit in one filter.

    Parameters
    ----------
    catalog : Catalog
        Open for reading.
    visit : str
        First six characters of the rootnames.
    name : str
        Filter.
    systematic : float, optional
        As in `fit_visits`.

    Returns
    -------
    list of rows
        Rows of ``visit_fits``; empty where the catalog has no used read of the visit in this filter.
    """
    with _one_thread():
        return _fitted(_stored(catalog, [visit.lower()]).get((visit.lower(), name), []), systematic)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Use a single thread for linear algebra: for the small matrices of a visit, more take ten times longer."""
    with threadpool_limits(1, "blas"):
        yield


def _stored(catalog: Catalog, visits: list[str]) -> dict[tuple[str, str], list[Row]]:
    """Return the used reads of several visits, in time order, by visit and filter."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in catalog.fetch(_READS, {"visits": sorted(set(visits))}).to_pylist():
        found.setdefault((row["visit"], row["filter"]), []).append(row)
    return found


def _fitted(rows: list[Row], systematic: float) -> list[Row]:
    """Return the fit of the used reads of a visit and filter."""
    if not rows:
        return []
    rate, error, side, altitude = (
        np.array([np.nan if row[key] is None else row[key] for row in rows], float)
        for key in ("rate", "rate_err", "lr_diff", "sun_alt")
    )
    exposure_index = np.unique([row["rootname"] for row in rows], return_inverse=True)[1]
    with np.errstate(invalid="ignore"):
        dark = altitude < DARK_ALTITUDE
        fit = fit_visit(rate, error, side, dark=dark, exposure=exposure_index, systematic=systematic)
    common = {"visit": rows[0]["visit"], "filter": rows[0]["filter"], "anchored": fit.anchored}
    # What all reads share cannot be told from the zodiacal light, and does not enter the other components.
    level_err = max(row["sky_err"] or 0.0 for row in rows)
    common |= {"zodi": fit.zodi, "zodi_err": float(np.hypot(fit.zodi_err, level_err)), "chi2": fit.chi2}
    return [
        {name: row[name] for name in ("rootname", "read", "measured_at")} | common | _amplitudes(fit, i)
        for i, row in enumerate(rows)
    ]


def _amplitudes(fit: VisitFit, i: int) -> Row:
    """Return helium and scattered light of a read, with their errors and covariances."""
    n = fit.helium.size
    helium, scattered = 1 + i, 1 + n + i
    return {name: float(getattr(fit, name)[i]) for name in ("helium", "helium_err", "scattered", "scattered_err")} | {
        "cov_zodi_helium": float(fit.covariance[0, helium]),
        "cov_zodi_scattered": float(fit.covariance[0, scattered]),
        "cov_helium_scattered": float(fit.covariance[helium, scattered]),
    }
