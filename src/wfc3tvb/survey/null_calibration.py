"""Null calibration: the variation of exposures that a time-variable background cannot affect.

Null 1: F105W and F110W exposures with every read in Earth's shadow, the Sun 5 deg or more below the limb, so that there
is neither helium nor sunlight. Null 2: wide filters that pass neither the helium nor the oxygen line of the airglow.
From a catalog of the archive this gives the systematic error of a rate (`MeasureSettings.systematic`, initially 0.02
electron/s), with which the scatter of the rates about their mean agrees with their errors, and the 99th percentiles
of the jump statistic and of `excess_variable`, below which a curve cannot be distinguished from a quiet one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.catalog.views import literal
from wfc3tvb.instrument import control_filters, helium_filters

Float64Array = NDArray[np.float64]

_GOOD = "sky_mean IS NOT NULL AND NOT list_has_any(quality_flags, ['crowded', 'trail', 'grism', 'scan'])"
#: Smallest number of exposures and of reads for a result.
_EXPOSURES, _READS = 2, 10


@dataclass(frozen=True)
class Null:
    """Result of a null.

    Attributes
    ----------
    name : str
        Description of the exposures.
    n_exposures, n_reads : int
        Number of exposures and of reads.
    systematic, tvb_score_99, excess_variable_99 : float or None
        Systematic error of a rate [electron/s]; 99th percentiles of the jump statistic and of the excess [electron/s];
        None where there are too few exposures.
    """

    name: str
    n_exposures: int
    n_reads: int
    systematic: float | None = None
    tvb_score_99: float | None = None
    excess_variable_99: float | None = None


def selections() -> dict[str, str]:
    """Return the name of each null, with the SQL condition for its exposures."""
    line = helium_filters()
    others = control_filters()
    return {
        f"{', '.join(line)} in shadow": f"filter IN ({', '.join(map(literal, line))}) AND sun_alt_max < -5",
        ", ".join(others): f"filter IN ({', '.join(map(literal, others))})",
    }


def nulls(catalog: Catalog) -> Iterator[Null]:
    """Yield the result of each null of `selections` on a catalog."""
    for name, where in selections().items():
        condition = f"WHERE {where} AND {_GOOD}"
        exposures = catalog.sql(f"SELECT tvb_score, excess_variable FROM exposures {condition}").fetchall()
        columns = "rootname, rate, rate_err"
        text = f"SELECT {columns} FROM reads JOIN exposures USING (rootname) {condition} AND used"
        reads = catalog.sql(text).fetchall()
        if len(exposures) < _EXPOSURES or len(reads) < _READS:
            yield Null(name, len(exposures), len(reads))
            continue
        names, rate, error = zip(*reads, strict=True)
        exposure_index = np.unique(names, return_inverse=True)[1]
        found = systematic(np.array(rate, float), np.array(error, float), exposure_index)
        score, excess = np.percentile(np.array(exposures, float), 99, axis=0)
        yield Null(name, len(exposures), len(reads), found, float(score), float(excess))


def systematic(rate: Float64Array, error: Float64Array, exposure: NDArray[np.int64]) -> float:
    """Return the systematic error [electron/s] with which the scatter of rates within exposures agrees with theory.

    Neighbouring intervals share the noise of a read with opposite signs, which does not change the variances.

    Parameters
    ----------
    rate, error : ndarray, shape (n,)
        Interval rates and their errors without the systematic one [electron/s].
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
