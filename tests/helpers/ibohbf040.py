"""Published curves of visit IBOHBF040: cumulative sky rates [electron/s] at the reads of STEP200, NSAMP 16.

Digitised from the stored figures of STScI's notebook calwf3_recal_tvb (b9q: printed in TVB_flattenramp, its late reads
digitised); good to 0.006 electron/s.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tests.helpers.recorded import table

NAMES = ("b7q", "b9q", "bdq", "bgq", "bkq", "bpq")


def curves() -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return times [s] and cumulative rates [electron/s] of the reads 1..15 of each exposure."""
    found = {}
    for name, rows in _rows().items():
        t, rate = (np.array([float(row[key]) for row in rows]) for key in ("t_end_s", "cum_rate_e_s"))
        found[name] = t, rate
    return found


def sun_altitudes() -> dict[str, NDArray[np.float64]]:
    """Return the altitude of the Sun above the limb [deg] at each read of each exposure."""
    return {name: np.array([float(row["sun_alt_deg"]) for row in rows]) for name, rows in _rows().items()}


def limb_angles() -> dict[str, NDArray[np.float64]]:
    """Return the limb angle [deg] at each read of each exposure."""
    return {name: np.array([float(row["limb_ang_deg"]) for row in rows]) for name, rows in _rows().items()}


def _rows() -> dict[str, list[dict[str, str]]]:
    rows = table("truth/ibohbf_reads.csv")
    return {name: [row for row in rows if row["exposure"].endswith(name)] for name in NAMES}
