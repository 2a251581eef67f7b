"""The light of a visit taken apart: zodiacal light, helium and scattered light from the reads that a catalog holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wfc3tvb.errors import UnknownDatasetError
from wfc3tvb.exposure import Row
from wfc3tvb.io.catalog import Catalog
from wfc3tvb.science.visit import VisitFit, fit_visit

#: A read is dark where the Sun stands at least this far below the limb [deg]: helium is gone at sunset within a degree,
#: and begins some minutes after sunrise.
DARK_ALTITUDE = -2.0

_READS = """
SELECT rootname, read, rate, rate_err, lr_diff, sun_alt FROM reads JOIN exposures USING (rootname)
WHERE visit = $visit AND filter = $filter AND used AND sky_mean IS NOT NULL ORDER BY expstart, rootname, read
"""


@dataclass(frozen=True)
class FittedVisit:
    """A visit's light in one filter.

    Attributes
    ----------
    visit, filter : str
        Which.
    fit : VisitFit
        Amplitudes and covariance.
    reads : list of rows
        ``rootname, read, rate, helium, helium_err, scattered, scattered_err`` of every used read, in time order.
    """

    visit: str
    filter: str
    fit: VisitFit
    reads: list[Row]


def fit_stored_visit(catalog: Catalog, visit: str, name: str) -> FittedVisit:
    """Fit the used reads of a visit in one filter.

    Parameters
    ----------
    catalog : Catalog
        Open for reading.
    visit : str
        First six characters of the rootnames.
    name : str
        Filter.

    Raises
    ------
    UnknownDatasetError
        If the catalog holds no used read of it.
    """
    rows = catalog.fetch(_READS, {"visit": visit.lower(), "filter": name}).to_pylist()
    if not rows:
        raise UnknownDatasetError(f"visit {visit} in {name}", f"the catalog in {catalog.folder}")
    rate, error, side, altitude = (
        np.array([np.nan if row[key] is None else row[key] for row in rows], float)
        for key in ("rate", "rate_err", "lr_diff", "sun_alt")
    )
    number = np.unique([row["rootname"] for row in rows], return_inverse=True)[1]
    with np.errstate(invalid="ignore"):
        fit = fit_visit(rate, error, side, dark=altitude < DARK_ALTITUDE, exposure=number)
    amplitudes = ("helium", "helium_err", "scattered", "scattered_err")
    reads = [
        {key: row[key] for key in ("rootname", "read", "rate")}
        | {key: float(getattr(fit, key)[i]) for key in amplitudes}
        for i, row in enumerate(rows)
    ]
    return FittedVisit(visit.lower(), name, fit, reads)
