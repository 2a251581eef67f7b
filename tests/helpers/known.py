"""A small catalog with known answers: the visit of IBOHBF040, one exposure affected, one clean, one not scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.models import Measurement
from wfc3tvb.schema import TABLES

COMMON = {
    "visit": "ibohbf", "dataset": "ibohbf040", "asn_id": "ibohbf040", "filter": "F105W", "samp_seq": "STEP200",
    "nsamp": 3, "exptime": 300.0, "proposal_id": 12442, "target_name": "GOODS-N <b>", "ra": 189.2, "dec": 62.2,
    "postarg1": 0.3, "postarg2": -0.03, "crrejtab_sigma": 4.0, "run_id": "run", "cal_ver": "wfc3tvb 0.1",
}  # fmt: skip
HIT = {
    "sky_mean": 1.5, "sky_min": 0.5, "sky_max": 2.5, "ratio_cumulative": 3.2, "factor2": True, "tvb_score": 5.0,
    "jump_read": 9, "pred_frac_broken": 0.96, "pred_level_bias": 0.12, "pred_noise_inflation": 3.6,
    "obs_frac_broken": 0.95, "sun_alt_min": -20.0, "sun_alt_max": 30.0, "frac_in_shadow": 0.5, "tvb_class": "severe",
    "tvb_kind": "helium", "recommend": "omit", "flagged": True, "quality_flags": [], "expstart": 56298.7852,
}  # fmt: skip
CLEAN = {
    "sky_mean": 0.47, "sky_min": 0.46, "sky_max": 0.48, "ratio_cumulative": 1.1, "factor2": False, "tvb_score": 0.1,
    "jump_read": 3, "tvb_class": "none", "recommend": "none", "flagged": False, "quality_flags": [],
    "expstart": 56298.766,
}  # fmt: skip
UNSCORED = {"recommend": "none", "flagged": False, "quality_flags": ["few_reads"], "expstart": 56298.8}


def make(folder: Path) -> Catalog:
    """Return the catalog, open for writing."""
    catalog = open_catalog(folder, mode="a")
    catalog.record([exposure("ibohbfb9q", HIT), exposure("ibohbfb7q", CLEAN), exposure("ibohbfbdq", UNSCORED)])
    members = {"dataset": "ibohbf040", "asn_id": "ibohbf040", "members": ["ibohbfb7q", "ibohbfb9q", "ibohbfbdq"]}
    catalog.replace("datasets", [TABLES["datasets"].empty_row() | members])
    times = {"started_at": 57000.0, "ended_at": 57000.1}
    survey = {"run_id": COMMON["run_id"], "command": "survey", "n_done": 3, "n_failed": 0} | times
    catalog.replace("runs", [TABLES["runs"].empty_row() | survey])
    return catalog


def exposure(root: str, columns: dict[str, Any]) -> Measurement:
    """Return an exposure with two reads."""
    row = TABLES["exposures"].empty_row() | {"rootname": root} | COMMON | columns
    read = {"rootname": root, "rate_err": 0.02, "cumulative_rate": 1.0, "used": True, "in_shadow": False}
    times = {"t_start": 100.0, "t_end": 200.0}, {"t_start": 200.0, "t_end": 300.0}
    measured = ({"read": n, "rate": float(n), "sun_alt": 9.0} | t for n, t in enumerate(times, 1))
    reads = [TABLES["reads"].empty_row() | read | one for one in measured]
    return Measurement(row, reads)
