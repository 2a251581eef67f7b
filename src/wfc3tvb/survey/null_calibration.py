"""Null calibration: how much the background of exposures varies that no time-variable background can reach.

Null 1: F105W and F110W exposures of which every read was taken in Earth's shadow, the Sun 5 deg or more below the
limb: neither helium nor sunlight. Null 2: wide filters that do not pass the helium line. From a catalog of the archive
this gives the systematic error of a rate (`MeasureSettings.systematic`, 0.02 electron/s to start with), with which the
scatter of the rates about their mean is what it should be, and the 99th percentiles of the jump statistic and of
`excess_variable`, below which a curve cannot be told from a quiet one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.catalog.views import literal
from wfc3tvb.instrument import FILTERS, helium_filters

Floats = NDArray[np.float64]

_GOOD = "sky_mean IS NOT NULL AND NOT list_has_any(quality_flags, ['crowded', 'trail', 'grism', 'scan'])"
#: With fewer exposures or reads than these there is no result.
_EXPOSURES, _READS = 2, 10


@dataclass(frozen=True)
class Null:
    """Result of one null.

    Attributes
    ----------
    name : str
        Which exposures.
    n_exposures, n_reads : int
        How many.
    systematic, tvb_score_99, excess_variable_99 : float or None
        Systematic of a rate [electron/s]; 99th percentiles of the jump statistic and of the excess [electron/s]. None
        where there are too few exposures.
    """

    name: str
    n_exposures: int
    n_reads: int
    systematic: float | None = None
    tvb_score_99: float | None = None
    excess_variable_99: float | None = None


def selections() -> dict[str, str]:
    """Return the nulls: name, and the SQL condition of its exposures."""
    line = helium_filters()
    others = tuple(each.name for each in FILTERS.values() if each.zodi is not None and not each.helium)
    return {
        f"{', '.join(line)} in shadow": f"filter IN ({', '.join(map(literal, line))}) AND sun_alt_max < -5",
        ", ".join(others): f"filter IN ({', '.join(map(literal, others))})",
    }


def nulls(catalog: Catalog) -> Iterator[Null]:
    """Yield the result of each null of `selections` on a catalog."""
    for name, where in selections().items():
        which = f"WHERE {where} AND {_GOOD}"
        exposures = catalog.sql(f"SELECT tvb_score, excess_variable FROM exposures {which}").fetchall()
        columns = "rootname, rate, rate_err"
        reads = catalog.sql(f"SELECT {columns} FROM reads JOIN exposures USING (rootname) {which} AND used").fetchall()
        if len(exposures) < _EXPOSURES or len(reads) < _READS:
            yield Null(name, len(exposures), len(reads))
            continue
        names, rate, error = zip(*reads, strict=True)
        exposure_index = np.unique(names, return_inverse=True)[1]
        found = systematic(np.array(rate, float), np.array(error, float), exposure_index)
        score, excess = np.percentile(np.array(exposures, float), 99, axis=0)
        yield Null(name, len(exposures), len(reads), found, float(score), float(excess))


def systematic(rate: Floats, error: Floats, exposure: NDArray[np.int64]) -> float:
    """Return the systematic [electron/s] that makes the scatter of the rates within exposures what it should be.

    Neighbouring intervals share the noise of a read with opposite signs, which leaves variances as they are.

    Parameters
    ----------
    rate, error : ndarray, shape (n,)
        Interval rates and their errors without the systematic [electron/s].
    exposure : ndarray, shape (n,), int
        Index of the exposure of each rate.
    """
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        weight = 1 / (error**2 + middle**2)
        mean = np.bincount(exposure, weight * rate) / np.maximum(np.bincount(exposure, weight), 1e-300)
        chi2 = float((weight * (rate - mean[exposure]) ** 2).sum())
        n_free = rate.size - np.unique(exposure).size
        low, high = (middle, high) if chi2 > n_free else (low, middle)
    return (low + high) / 2
