"""Star fluxes after each method against the light that went in: a visit with many stars."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from wfc3tvb.archive.local_folder import FolderArchive
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.config import Selection
from wfc3tvb.fits.images import read_flt
from wfc3tvb.repair.reprocess import ReprocessSettings, reprocess
from wfc3tvb.repair.star_photometry import flux_ratio
from wfc3tvb.simulate import scene
from wfc3tvb.simulate.frame import Frame
from wfc3tvb.simulate.plan import ExposurePlan, Preset, VisitPlan
from wfc3tvb.simulate.presets import preset
from wfc3tvb.simulate.visit import SimulatedVisit, simulate
from wfc3tvb.survey.survey import survey

pytestmark = pytest.mark.slow

HIT, QUIET = "ibohbfb9q", "ibohbfb7q"
SIZE, STARS = 256, 350


def plans() -> dict[str, ExposurePlan]:
    return {plan.rootname: plan for plan in preset("ibohbf040").exposures if plan.rootname in (QUIET, HIT, "ibohbfbkq")}


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> SimulatedVisit:
    rich = Preset("rich", "", (VisitPlan("ibohbf040", tuple(plans().values())),))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene, "_STARS", STARS)
        patch.setattr(scene, "_GALAXIES", 0)
        return simulate(tmp_path_factory.mktemp("rich"), rich, size=SIZE)


@pytest.fixture(scope="module")
def surveyed(visit: SimulatedVisit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("catalog")
    with open_catalog(folder, mode="a") as catalog:
        survey(catalog, Selection(), source=FolderArchive(visit.folder))
        rows = catalog.sql("SELECT * FROM exposures").to_arrow_table().to_pylist()
        catalog.replace("exposures", [row | {"flagged": row["rootname"] != QUIET} for row in rows])
    return folder


def light(visit: SimulatedVisit) -> tuple[np.ndarray, np.ndarray]:
    """Return the light of the sources on the hit exposure, without sky or noise [electron/s], and the stars' places."""
    plan, frame = plans()[HIT], Frame(SIZE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene, "_STARS", STARS)
        patch.setattr(scene, "_GALAXIES", 0)
        sources = scene.make_sources(zlib.crc32(plan.target.name.encode()), (plan.target.ra, plan.target.dec))
    image = scene.scene_rate(sources, plan.pointing, frame, plan.filter)[5:-5, 5:-5]
    x, y = scene.place(sources, plan.pointing, frame)
    places = np.column_stack([x, y]) - 5
    inside = np.all((places > 12) & (places < SIZE - 12), axis=1)
    away = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    np.fill_diagonal(away, np.inf)
    return image, places[inside & (away.min(axis=1) > 4)]


@pytest.mark.parametrize("method", ["omit", "flatten", "mask_reads", "optimal"])
def test_fluxes_are_those_that_went_in(
    visit: SimulatedVisit, surveyed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setenv("iref", f"{visit.references}/")
    settings = ReprocessSettings(
        method=method, engine="native", references="header", source=str(visit.folder), outdir=tmp_path
    )
    with open_catalog(surveyed, mode="a") as catalog:
        report = reprocess(catalog, ids=["ibohbf040"], settings=settings)
    assert report.failures == ()
    row = next(row for row in report.products if row["rootname"] == HIT)
    assert row["accepted"], row["accept_reason"]
    new, (truth, places) = read_flt(Path(row["path"])), light(visit)
    usable = np.ones(truth.shape, bool), new.good & ~new.rejected
    found = flux_ratio(truth, new.image, usable, (places, places), row["noise_expected"], same_pixels=True)
    assert found is not None
    assert found.min_snr == (50 if method == "mask_reads" else 100)  # it leaves most of the exposure out
    assert found.n_stars >= 30
    assert found.ratio == pytest.approx(1.0, abs=0.005)
    assert found.shift < 0.1
    exptime = fits.getval(row["path"], "EXPTIME")
    assert exptime == pytest.approx(1599.23, abs=0.1) if method != "mask_reads" else exptime < 1000
