"""Simulated associations with a known sky and known stars, surveyed and ready for repair."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from wfc3tvb.archive.local_folder import FolderArchive
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.config import Selection
from wfc3tvb.repair.reprocess import ReprocessReport, ReprocessSettings, reprocess
from wfc3tvb.simulate import scene
from wfc3tvb.simulate.frame import Frame
from wfc3tvb.simulate.plan import ExposurePlan, Preset, Target, VisitPlan
from wfc3tvb.simulate.sky_models import SkyModel
from wfc3tvb.simulate.timing import sample_times
from wfc3tvb.simulate.visit import SimulatedVisit, simulate
from wfc3tvb.survey.survey import survey

NAME = "ibzz01010"
_OFFSETS = ((0.0, 0.0), (0.542, 0.182), (0.339, 0.485), (-0.203, 0.303))
_TARGET = Target("FIELD-H", 205.0, 15.0, 99001, 75.0)


def roots(n: int) -> list[str]:
    """Return the rootnames of the first exposures."""
    return [f"ibzz01a{2 * i + 1}q" for i in range(n)]


def association(models: Sequence[SkyModel], samp_seq: str, filter: str = "F105W") -> Preset:
    """Return an association of dithered exposures, one for each model of the sky."""
    exposures = (
        ExposurePlan(root, 55702.65683 + i * 0.023, _TARGET, model, filter, samp_seq, postarg=_OFFSETS[i % 4])
        for i, (root, model) in enumerate(zip(roots(len(models)), models, strict=True))
    )
    return Preset("test", "", (VisitPlan(NAME, tuple(exposures)),))


def exposure_time(samp_seq: str, size: int) -> float:
    """Return the time of the last read of 16 [s]."""
    return float(sample_times(samp_seq, 16, size)[-1])


def make(folder: Path, preset: Preset, *, size: int, stars: int) -> SimulatedVisit:
    """Simulate an association with a number of stars per square arcminute, and survey it into ``folder/catalog``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene, "_STARS", stars)
        visit = simulate(folder / "visit", preset, size=size)
    with open_catalog(folder / "catalog", mode="a") as catalog:
        survey(catalog, Selection(), source=FolderArchive(visit.folder))
    return visit


def repair(
    folder: Path, outdir: Path, *, method: str = "omit", hit: Sequence[str] = (), **settings: Any
) -> ReprocessReport:
    """Repair the association of a folder, from its own files and references; `hit` are the exposures to repair."""
    wanted = ReprocessSettings(
        method=method, engine="native", references="header", source=str(folder / "visit"), outdir=outdir
    )
    with pytest.MonkeyPatch.context() as patch, open_catalog(folder / "catalog", mode="a") as catalog:
        patch.setenv("iref", f"{folder / 'visit' / 'references'}/")
        rows = catalog.sql("SELECT * FROM exposures").to_arrow_table().to_pylist()
        # What is flagged is the score's matter.
        catalog.replace("exposures", [row | {"flagged": row["rootname"] in hit} for row in rows])
        return reprocess(catalog, ids=[NAME], settings=replace(wanted, **settings))


def by_name(report: ReprocessReport) -> dict[str, dict[str, Any]]:
    """Return the rows of a repair by the name of the product: ibzz01a1q_flt, ibzz01010_drz."""
    assert report.failures == (), [failure["message"] for failure in report.failures]
    return {row["product_id"].partition(":")[0]: row for row in report.products}


def blank(visit: SimulatedVisit, preset: Preset, root: str, *, stars: int, limit: float) -> np.ndarray:
    """Return the pixels of an exposure's FLT in which the sources give less than a limit [electron/s]."""
    plan = next(each for each in preset.exposures if each.rootname == root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene, "_STARS", stars)
        sources = scene.make_sources(zlib.crc32(plan.target.name.encode()), (plan.target.ra, plan.target.dec))
    light = scene.scene_rate(sources, plan.pointing, Frame(visit.size), plan.filter)[5:-5, 5:-5]
    return np.asarray(light < limit)


def edit(path: Path, change: Callable[[fits.HDUList], None]) -> None:
    """Change a FITS file in place."""
    with fits.open(path, mode="update", memmap=False) as hdus:
        change(hdus)
