"""The null calibration: how much exposures vary that cannot be hit.

Null 1: F105W and F110W exposures of which every read was taken in Earth's shadow, the Sun 5 deg or more below the
limb: neither helium nor sunlight. Null 2: filters that do not pass the helium line. From a catalog of the archive this
gives the systematic error of a rate (`MeasureSettings.systematic`, 0.02 electron/s to start with), for which the
scatter of the rates about their mean is what it should be, and the 99th percentiles of the jump statistic and of
`excess_variable`, below which a curve cannot be told from a quiet one.

Usage: python study/null.py CATALOG
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.io.catalog import Catalog, open_catalog

Floats = NDArray[np.float64]

NULLS = {
    "F105W, F110W in shadow": "filter IN ('F105W', 'F110W') AND sun_alt_max < -5",
    "F098M, F125W, F140W, F160W": "filter IN ('F098M', 'F125W', 'F140W', 'F160W')",
}


def systematic(rate: Floats, error: Floats, exposure: NDArray[np.int64]) -> float:
    """Return the systematic [electron/s] that makes the scatter of the rates within exposures what it should be.

    Neighbouring intervals share the noise of a read with opposite signs, which leaves variances as they are.
    """
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        chi2, n_free = 0.0, 0
        for k in np.unique(exposure):
            r, e = rate[exposure == k], np.hypot(error[exposure == k], middle)
            mean = np.average(r, weights=e**-2)
            chi2 += float((((r - mean) / e) ** 2).sum())
            n_free += r.size - 1
        low, high = (middle, high) if chi2 > n_free else (low, middle)
    return (low + high) / 2


def null_rows(catalog: Catalog, where: str) -> str:
    """Return a row of the table for one null."""
    good = f"{where} AND sky_mean IS NOT NULL AND NOT list_contains(quality_flags, 'crowded')"
    exposures = catalog.sql(f"SELECT tvb_score, excess_variable FROM exposures WHERE {good}").fetchall()
    text = f"SELECT rootname, rate, rate_err FROM reads JOIN exposures USING (rootname) WHERE used AND {good}"
    reads = catalog.sql(text).fetchall()
    if len(exposures) < 2 or len(reads) < 10:
        return f"{len(exposures)} | - | - | -"
    names, rate, error = zip(*reads, strict=True)
    number = np.unique(names, return_inverse=True)[1]
    score, excess = np.percentile(np.array(exposures, float), 99, axis=0)
    found = systematic(np.array(rate, float), np.array(error, float), number)
    return f"{len(exposures)} | {found:.4f} | {score:.2f} | {excess:.3f}"


def main() -> None:
    """Print the table."""
    if len(sys.argv) != 2:
        sys.stdout.write(__doc__ or "")
        return
    catalog = open_catalog(sys.argv[1])
    lines = [
        "| null | exposures | systematic [electron/s] | D, 99 % | excess_variable, 99 % |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| {name} | {null_rows(catalog, where)} |" for name, where in NULLS.items()]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
