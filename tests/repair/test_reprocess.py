"""Repair of the simulated visit IBOHBF040, from its catalog to proven products, by every method."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from wfc3tvb.archive.local_folder import FolderArchive
from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.config import Selection, Services
from wfc3tvb.errors import BadArgumentError, QueryError, RefusedError, UnknownDatasetError
from wfc3tvb.loopback import serve
from wfc3tvb.parallel.workers import Workers
from wfc3tvb.repair import combine, dataset, recalibrate
from wfc3tvb.repair.choose import choose
from wfc3tvb.repair.dataset import RepairDataset
from wfc3tvb.repair.driver import FindReferences
from wfc3tvb.repair.fetch import FetchDataset, check_supported
from wfc3tvb.repair.model import Member, Repair
from wfc3tvb.repair.reprocess import ReprocessSettings, plan_reprocess, reprocess
from wfc3tvb.schema import TABLES
from wfc3tvb.simulate.visit import SimulatedVisit, simulate
from wfc3tvb.survey.survey import survey
from wfc3tvb.system.locks import folder_lock

pytestmark = pytest.mark.slow

FLAGGED = ("ibohbfb9q", "ibohbfbgq", "ibohbfbkq")
#: Settings with which an association is repaired as in STScI's notebook.
RECIPE: dict[str, Any] = {"only_flagged": True, "weight": "exptime"}


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> SimulatedVisit:
    return simulate(tmp_path_factory.mktemp("visit"), "ibohbf040", size=128)


@pytest.fixture(scope="module")
def surveyed(visit: SimulatedVisit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("catalog")
    with open_catalog(folder, mode="a") as catalog:
        survey(catalog, Selection(), source=FolderArchive(visit.folder))
        rows = catalog.sql("SELECT * FROM exposures").to_arrow_table().to_pylist()
        # What is flagged is the score's matter: here, the three that STScI's notebook flags.
        verdict = {True: {"flagged": True, "recommend": "omit"}, False: {"flagged": False, "recommend": "none"}}
        catalog.replace("exposures", [row | verdict[row["rootname"] in FLAGGED] for row in rows])
    return folder


@pytest.fixture
def catalog(surveyed: Path, tmp_path: Path) -> Iterator[Catalog]:
    shutil.copytree(surveyed, tmp_path / "catalog")
    with open_catalog(tmp_path / "catalog", mode="a") as opened:
        yield opened


@pytest.fixture
def settings(visit: SimulatedVisit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReprocessSettings:
    """References from the headers, files from the folder."""
    monkeypatch.setenv("iref", f"{visit.references}/")
    return ReprocessSettings(
        engine="native", references="header", source=str(visit.folder), outdir=tmp_path / "products", **RECIPE
    )


def by_name(rows: Any) -> dict[str, dict[str, Any]]:
    return {row["product_id"].partition(":")[0]: row for row in rows}


def never(*arguments: Any) -> None:
    raise AssertionError("what was done is done again")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def numbers(outdir: Path, name: str) -> dict[str, Any]:
    return dict(json.loads((outdir / "ibohbf040" / "proof" / f"{name}.json").read_text()))


# --- omit, through the loopback archive ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def repaired(
    visit: SimulatedVisit, surveyed: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, dict[str, Any]], Any]:
    """Repair by `omit`, files from MAST and references from CRDS as their unmodified clients see them."""
    outdir, own = tmp_path_factory.mktemp("products"), tmp_path_factory.mktemp("own") / "catalog"
    shutil.copytree(surveyed, own)
    with serve(visit.folder) as archive, open_catalog(own, mode="a") as catalog, pytest.MonkeyPatch.context() as patch:
        for name, value in archive.environment().items():
            patch.setenv(name, value)
        settings = ReprocessSettings(engine="native", source="mast", outdir=outdir, **RECIPE)
        report = reprocess(catalog, ids=["IBOHBF040"], settings=settings, services=Services())
        stored = by_name(catalog.sql("SELECT * FROM reprocessed").to_arrow_table().to_pylist())
        again = reprocess(catalog, ids=["ibohbf040"], settings=settings, services=Services())
    assert report.failures == ()
    return outdir, stored, again


@pytest.mark.parametrize("rootname", FLAGGED)
def test_a_repaired_exposure_has_one_sky_peak_at_the_injected_mean(
    repaired: Any, visit: SimulatedVisit, rootname: str
) -> None:
    outdir, rows, _ = repaired
    row = rows[f"{rootname}_flt"]
    assert row["sky_after"] == pytest.approx(visit.truth(rootname)["mean_rate"], abs=0.02)
    assert row["n_peaks_after"] == 1
    assert abs(numbers(outdir, f"{rootname}_flt")["after"]["skewness"]) < 0.2
    assert row["noise_after"] == pytest.approx(row["noise_expected"], rel=0.1)
    assert row["method"] == "omit"


def test_the_archives_images_were_broken_as_the_real_ones(repaired: Any) -> None:
    _, rows, _ = repaired
    assert rows["ibohbfb9q_flt"]["n_peaks_before"] == 3
    assert rows["ibohbfb9q_flt"]["noise_before"] == pytest.approx(0.163, abs=0.02)
    assert rows["ibohbfbkq_flt"]["sky_before"] == pytest.approx(0.63, abs=0.02)
    assert rows["ibohbfb9q_flt"]["accepted"]
    assert rows["ibohbfbkq_flt"]["accepted"]


def test_the_drizzled_noise_fell(repaired: Any) -> None:
    row = repaired[1]["ibohbf040_drz"]
    assert row["noise_after"] < 0.75 * row["noise_before"]
    assert row["depth_gain_mag"] == pytest.approx(2.5 * np.log10(row["noise_before"] / row["noise_after"]))
    assert row["accepted"]
    assert row["rootname"] is None


def test_only_flagged_exposures_are_repaired(repaired: Any) -> None:
    outdir, rows, _ = repaired
    for path in sorted((outdir / "ibohbf040" / "flt").glob("*_flt.fits")):
        header = fits.getheader(path)
        assert header["CRCORR"] == ("OMIT" if path.name[:9] in FLAGGED else "COMPLETE")
    others = [row for name, row in rows.items() if name.endswith("_flt") and name[:9] not in FLAGGED]
    assert {row["method"] for row in others} == {"perform"}
    assert {row["accepted"] for row in others} == {None}


def test_originals_are_kept_as_they_came(repaired: Any, visit: SimulatedVisit) -> None:
    orig = repaired[0] / "ibohbf040" / "orig"
    for root in (*FLAGGED, "ibohbfb7q"):
        assert sha256(orig / f"{root}_flt.fits") == sha256(visit.path(root, "flt"))
    assert sha256(orig / "ibohbf040_drz.fits") == sha256(visit.path("ibohbf040", "drz"))


def test_rows_are_complete(repaired: Any) -> None:
    rows = repaired[1]
    assert len(rows) == 7
    for row in rows.values():
        assert set(row) == set(TABLES["reprocessed"].names)
        assert row["crds_context"] == "hst_9001.pmap"
        assert row["sha256"] == sha256(Path(row["path"]))
        assert row["before"] == "archive"
        assert row["wall_s"] > 0
        assert row["peak_rss_mb"] > 50
        references = json.loads(row["references"])
        assert {"BPIXTAB", "DARKFILE", "PFLTFILE", "IDCTAB", "MDRIZTAB"} <= set(references)
        assert all(len(each["sha1"]) == 40 for each in references.values())


def test_headers_say_what_was_done(repaired: Any) -> None:
    folder = repaired[0] / "ibohbf040"
    header = fits.getheader(folder / "flt" / "ibohbfb9q_flt.fits")
    assert header["TVBMETH"] == "omit"
    assert header["TVBREADS"] == "1-15"
    assert "pixels saturated only at the end, from their last good read" in str(header["HISTORY"])
    assert header["TVBCTX"] == "hst_9001.pmap"
    drizzled = fits.getheader(folder / "drz" / "ibohbf040_drz.fits")
    assert drizzled["TVBEXP"] == "b9q:omit,bgq:omit,bkq:omit"
    assert drizzled["TVBENG"].startswith("native")
    assert drizzled["TVBDRZ"].startswith("drizzlepac")
    assert "ibohbfb9q: omit, reads 1-15, 1599.2 s" in str(drizzled["HISTORY"])
    taken = fits.getheader(folder / "flt" / "ibohbfb7q_flt.fits")
    assert (taken["TVBMETH"], taken["TVBENG"].split()[0]) == ("perform", "archive")


def test_scratch_is_gone_and_figures_are_there(repaired: Any) -> None:
    folder = repaired[0] / "ibohbf040"
    assert not (folder / "work").exists()
    with np.load(folder / "proof" / "ibohbfb9q_flt.npz") as figures:
        assert figures["before_zoom"].shape == (128, 128)
        assert figures["after_counts"].sum() > 1000
        assert len(figures["after_edges"]) == len(figures["after_counts"]) + 1


def test_a_second_run_does_nothing(repaired: Any) -> None:
    again = repaired[2]
    assert (again.n_repaired, again.n_failed, again.n_known, again.products) == (0, 0, 1, ())


# --- the other methods ---------------------------------------------------------------------------------------------


def test_flatten_reaches_the_noise_of_photons_and_reads(
    catalog: Catalog, settings: ReprocessSettings, visit: SimulatedVisit
) -> None:
    report = reprocess(catalog, ids=["ibohbf040"], settings=replace(settings, method="flatten"))
    assert report.failures == ()
    rows = by_name(report.products)
    for root in FLAGGED:
        row = rows[f"{root}_flt"]
        assert row["sky_after"] == pytest.approx(visit.truth(root)["mean_rate"], abs=0.02)
        assert row["noise_after"] == pytest.approx(row["noise_expected"], rel=0.1)
        assert row["n_peaks_after"] == 1
        assert fits.getheader(row["path"])["CRCORR"] == "COMPLETE"
    assert rows["ibohbf040_drz"]["noise_after"] < rows["ibohbf040_drz"]["noise_before"]
    assert rows["ibohbf040_drz"]["method"] == "flatten"


def member_of(catalog: Catalog, rootname: str, settings: ReprocessSettings) -> Member:
    (repair,) = choose(catalog, ids=["ibohbf040"], where=None, settings=settings).due
    return next(member for member in repair.members if member.rootname == rootname)


def alone(member: Member, settings: ReprocessSettings, visit: SimulatedVisit) -> dict[str, Any]:
    """Repair an exposure as if it had no association, and return its row."""
    fetched = FetchDataset(FolderArchive(visit.folder), settings.outdir)(Repair(member.rootname, (member,)))
    (ready,) = FindReferences(settings, Services())([fetched])
    (row,) = RepairDataset(settings, "run")(ready)
    return row


def test_mask_reads_leaves_the_affected_reads_out(
    catalog: Catalog, settings: ReprocessSettings, visit: SimulatedVisit
) -> None:
    settings = replace(settings, method="mask_reads")
    member = replace(member_of(catalog, "ibohbfbkq", settings), affected=(11, 12, 13, 14, 15))
    row = alone(member, settings, visit)
    truth = visit.truth("ibohbfbkq")
    t, rate = np.array(truth["t"]), np.array(truth["cumulative_rate"])
    assert row["sky_after"] == pytest.approx(rate[9], abs=0.02)
    header = fits.getheader(row["path"])
    assert header["EXPTIME"] == pytest.approx(t[9], abs=0.01)
    assert header["TVBREADS"] == "1-10"
    assert row["accepted"] in (True, False)


def test_a_lone_exposure_ends_at_its_flt_and_is_told_of_cosmic_rays(
    catalog: Catalog, settings: ReprocessSettings, visit: SimulatedVisit
) -> None:
    settings = replace(settings, method="omit")
    row = alone(member_of(catalog, "ibohbfbkq", settings), settings, visit)
    assert row["kind"] == "flt"
    assert "cosmic rays remain" in row["reason"]
    assert row["accepted"]
    assert not (settings.outdir / "ibohbfbkq" / "drz").exists()
    assert fits.getheader(row["path"], "SCI")["CTYPE1"].endswith("-SIP")


def test_without_the_archives_products_the_ramp_fit_stands_in(
    catalog: Catalog, settings: ReprocessSettings, visit: SimulatedVisit, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(visit.path("ibohbfbkq", "raw"), bare)
    settings = replace(settings, method="omit")
    moved = SimulatedVisit(**vars(visit) | {"folder": bare})
    row = alone(member_of(catalog, "ibohbfbkq", settings), settings, moved)
    assert row["before"] == "perform"
    assert row["sky_before"] == pytest.approx(0.63, abs=0.02)


def test_other_settings_are_done_anew_and_replaced_files_lose_their_rows(
    catalog: Catalog, settings: ReprocessSettings
) -> None:
    as_lone_exposures(catalog)
    for own in ({"method": "omit"}, {"method": "omit", "recover_saturated": False}, {"method": "flatten"}):
        report = reprocess(catalog, ids=["ibohbfbkq"], settings=replace(settings, **own))
        assert report.n_repaired == 1
        assert reprocess(catalog, ids=["ibohbfbkq"], settings=replace(settings, **own)).n_known == 1
        rows = catalog.sql("SELECT method, sha256, path FROM reprocessed").fetchall()
        assert [(method, sha) for method, sha, _ in rows] == [(own["method"], sha256(Path(rows[0][2])))]


# --- plan ----------------------------------------------------------------------------------------------------------


def test_the_plan_says_what_will_be_done(catalog: Catalog, settings: ReprocessSettings) -> None:
    plan = plan_reprocess(catalog, ids=["ibohbfb9q"], settings=settings)
    assert plan.datasets == ("ibohbf040",)
    assert plan.methods == {"omit": 3, "perform": 3}
    raw = 6 * 138 * 138 * 16 * 2
    assert raw < plan.fetch_bytes < 2 * raw
    assert plan.reference_mb == 0
    assert plan.reference_folder == os.environ["iref"].rstrip("/")  # noqa: SIM112 (its name in calwf3)
    asked = plan_reprocess(catalog, ids=["ibohbfb9q"], settings=replace(settings, references="crds"))
    assert asked.reference_mb > 1
    assert plan.wall_s > 0


def test_members_noisier_than_their_limit_are_refitted(catalog: Catalog, settings: ReprocessSettings) -> None:
    """bdq and bpq, which the notebook's rule does not flag, are 14 and 16 % too noisy; b7q is not."""
    plan = plan_reprocess(catalog, ids=["ibohbf040"], settings=replace(settings, only_flagged=False))
    assert plan.methods == {"omit": 3, "optimal": 2, "perform": 1}
    (repair,) = choose(catalog, ids=["ibohbf040"], where=None, settings=replace(settings, only_flagged=False)).due
    refitted = {member.rootname: member.reason for member in repair.members if member.method == "optimal"}
    assert list(refitted) == ["ibohbfbdq", "ibohbfbpq"]
    assert re.match(
        r"not flagged, but its noise is [12]\d % above the limit of photons and reads", refitted["ibohbfbdq"]
    )


def test_omit_by_name_repairs_what_is_worth_the_cosmic_rays(catalog: Catalog, settings: ReprocessSettings) -> None:
    """With the score's own flags, bdq and bpq are worth a ramp fit, but not the loss of the rejection."""
    rows = catalog.sql("SELECT * FROM exposures").to_arrow_table().to_pylist()
    worth = {"flagged": True, "recommend": "optimal"}
    catalog.replace("exposures", [row | worth for row in rows if row["rootname"] != "ibohbfb7q"])
    for method, n in (("omit", 3), ("flatten", 5), ("auto", 5)):
        plan = plan_reprocess(catalog, ids=["ibohbf040"], settings=replace(settings, method=method))
        assert plan.methods == {"optimal" if method == "auto" else method: n, "perform": 6 - n}


def test_a_condition_chooses(catalog: Catalog, settings: ReprocessSettings) -> None:
    assert plan_reprocess(catalog, where="filter = 'F105W'", settings=settings).datasets == ("ibohbf040",)
    assert plan_reprocess(catalog, where="filter = 'F110W'", settings=settings).datasets == ()


def test_a_dataset_without_flagged_exposures_is_said(catalog: Catalog, settings: ReprocessSettings) -> None:
    rows = catalog.sql("SELECT * FROM exposures").to_arrow_table().to_pylist()
    catalog.replace("exposures", [row | {"flagged": False} for row in rows])
    report = reprocess(catalog, ids=["ibohbf040"], settings=settings)
    assert report.unflagged == ("ibohbf040",)
    assert report.products == ()


# --- what goes wrong -----------------------------------------------------------------------------------------------


def test_unknown_names_and_bad_conditions(catalog: Catalog, settings: ReprocessSettings) -> None:
    with pytest.raises(UnknownDatasetError, match="survey it first"):
        reprocess(catalog, ids=["ibzz99010"], settings=settings)
    with pytest.raises(QueryError):
        reprocess(catalog, where="no such thing", settings=settings)


def test_a_missing_raw_file_is_a_row(catalog: Catalog, settings: ReprocessSettings, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    report = reprocess(catalog, ids=["ibohbf040"], settings=replace(settings, source=str(empty)))
    (failure,) = report.failures
    assert (failure["key"], failure["stage"]) == ("ibohbf040", "fetch")
    assert "ibohbfb7q_raw.fits" in failure["message"]


def test_a_missing_reference_is_one_clear_line(
    catalog: Catalog, settings: ReprocessSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("iref", f"{tmp_path}/")
    (failure,) = reprocess(catalog, ids=["ibohbf040"], settings=settings).failures
    assert failure["stage"] == "references"
    assert failure["error"] == "MissingReferenceError"
    assert str(tmp_path) in failure["message"]


def test_a_failed_drizzle_is_a_row_with_the_end_of_its_log_and_is_resumed(
    catalog: Catalog, settings: ReprocessSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text('{"final_kernel": "cubist"}')
    (failure,) = reprocess(
        catalog, ids=["ibohbf040"], settings=replace(settings, method="omit", drizzle_pars=bad)
    ).failures
    assert failure["stage"] == "drizzle"
    assert "cubist" in failure["message"]
    assert catalog.sql("SELECT count(*) FROM reprocessed").fetchall() == [(0,)]

    monkeypatch.setattr(recalibrate.CalibrateMember, "_calibrate", never)
    report = reprocess(catalog, ids=["ibohbf040"], settings=replace(settings, method="omit"))
    assert report.failures == ()
    assert len(report.products) == 7


def test_an_interrupted_run_goes_on(
    catalog: Catalog, settings: ReprocessSettings, monkeypatch: pytest.MonkeyPatch, visit: SimulatedVisit
) -> None:
    settings = replace(settings, method="omit")
    member = member_of(catalog, "ibohbfbkq", settings)

    def interrupt(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(dataset, "prove_all", interrupt)
        with pytest.raises(KeyboardInterrupt):
            alone(member, settings, visit)
    assert (settings.outdir / "ibohbfbkq" / "flt" / "ibohbfbkq_flt.fits").exists()
    assert alone(member, settings, visit)["accepted"]


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (Member("ibohbfb9q", "omit", "", filter="G141"), "grism exposures are not repaired"),
        (Member("ibohbfb9q", "omit", "", flags=("scan",)), "spatial scan"),
        (Member("ibohbfb9q", "omit", "", flags=("moving_target",)), "moving target"),
    ],
)
def test_what_is_not_repaired_is_refused_with_the_reason(member: Member, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        check_supported(Repair("ibohbf040", (member,)))


def test_a_full_disk_is_said_before_anything_is_fetched(
    catalog: Catalog, settings: ReprocessSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 0))  # type: ignore[attr-defined]
    with pytest.raises(BadArgumentError, match="0 MB free"):
        reprocess(catalog, ids=["ibohbf040"], settings=settings)
    assert not settings.outdir.exists()


def test_a_second_run_into_the_same_folder_is_refused(catalog: Catalog, settings: ReprocessSettings) -> None:
    with folder_lock(settings.outdir, ".reprocess"):  # as another run has it
        with pytest.raises(BadArgumentError, match="another reprocess writes there; wait for it to finish"):
            reprocess(catalog, ids=["ibohbf040"], settings=settings)
        assert [path.name for path in settings.outdir.iterdir()] == [".reprocess"]


def test_keep_best_links_the_accepted_product(
    catalog: Catalog, settings: ReprocessSettings, visit: SimulatedVisit
) -> None:
    settings = replace(settings, method="omit", keep_best=True, keep=True)
    row = alone(member_of(catalog, "ibohbfbkq", settings), settings, visit)
    link = settings.outdir / "best" / "ibohbfbkq_flt.fits"
    assert link.resolve() == Path(row["path"]).resolve()
    assert (settings.outdir / "ibohbfbkq" / "work").exists()


# --- several at once, and killed -----------------------------------------------------------------------------------


def as_lone_exposures(catalog: Catalog) -> None:
    rows = catalog.sql("SELECT * FROM exposures").to_arrow_table().to_pylist()
    catalog.replace("exposures", [row | {"dataset": row["rootname"], "asn_id": None} for row in rows])
    catalog.replace("datasets", [], keys=["ibohbf040"])


def test_any_number_of_jobs_gives_the_same_rows(catalog: Catalog, settings: ReprocessSettings, tmp_path: Path) -> None:
    as_lone_exposures(catalog)
    own = {"product_id", "sky_after", "noise_after", "skewness", "n_peaks_after", "flux_ratio", "accepted", "reason"}
    found = []
    for jobs in (1, 2):
        report = reprocess(catalog, settings=replace(settings, outdir=tmp_path / str(jobs)), workers=Workers(jobs))
        assert report.failures == ()
        assert [row["rootname"] for row in report.products] == list(FLAGGED)
        found.append([{key: row[key] for key in own & row.keys()} for row in report.products])
        catalog.replace("reprocessed", [], keys=[row["product_id"] for row in report.products])
    assert found[0] == found[1]


KILLED = """
import os, signal, sys
from pathlib import Path
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.repair import dataset, fetch, recalibrate
from wfc3tvb.repair.reprocess import ReprocessSettings, reprocess

def die(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)

where, source, outdir, catalog = sys.argv[1:]
module, name = {"fetch": (fetch, "check_headers"), "calibrate": (recalibrate, "write_cards"),
                "drizzle": (dataset, "combine"), "compare": (dataset, "finish")}[where]
setattr(module, name, die)
settings = ReprocessSettings(engine="native", references="header", source=source, outdir=Path(outdir))
with open_catalog(catalog, mode="a") as opened:
    reprocess(opened, ids=["ibohbfbkq"], settings=settings)
"""


@pytest.mark.parametrize("where", ["fetch", "calibrate", "drizzle", "compare"])
def test_a_run_killed_in_any_stage_goes_on(
    catalog: Catalog, settings: ReprocessSettings, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_lone_exposures(catalog)
    arguments = [where, settings.source, str(settings.outdir), str(catalog.folder)]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    catalog.update_views()
    if where == "compare":
        monkeypatch.setattr(combine, "_drizzle", never)
    if where in ("drizzle", "compare"):
        monkeypatch.setattr(recalibrate.CalibrateMember, "_calibrate", never)
    (row,) = reprocess(catalog, ids=["ibohbfbkq"], settings=settings).products
    assert row["accepted"]
    assert catalog.sql("SELECT count(*) FROM reprocessed").fetchall() == [(1,)]
    assert [path.name for path in settings.outdir.rglob("*.part")] == []
