"""The loopback archive, used by the unmodified astroquery (in a separate process) and by s3fs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from s3fs import S3FileSystem

from tests.helpers.small_archive import DATASETS, make_archive
from wfc3tvb.identifiers import bucket_key
from wfc3tvb.loopback import Archive, serve

pytestmark = pytest.mark.slow

ASTROQUERY = """
import json, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
import requests
from astroquery.mast import MastMissions, Observations
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_archive(tmp_path_factory.mktemp("archive"), size=24, nsamp=3)


def astroquery(archive: Archive, code: str, cwd: Path) -> Any:
    """Run code after astroquery's import in a child; return what it prints last, read as JSON."""
    environment = os.environ | archive.environment()
    command = [sys.executable, "-c", ASTROQUERY + code]
    done = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_observations(archive: Archive, tmp_path: Path) -> None:
    found = astroquery(archive, """
few = {"instrument_name": "WFC3/IR", "filters": ["F105W", "F110W"], "project": "HST"}
rows = Observations.query_criteria(**few)
one = Observations.query_criteria(obs_id="ibohbf04%", t_min=[55000, 56000])
near = Observations.query_criteria(coordinates="53.1 -27.8", radius="0.1 deg", instrument_name="WFC3/IR")
region = Observations.query_region("53.1 -27.8", radius="0.1 deg")
paged = Observations.query_criteria(pagesize=2, page=2, **few)
products = Observations.get_product_list(one)
ima = Observations.filter_products(products, productSubGroupDescription="IMA")
print(json.dumps([sorted(rows["obs_id"]), int(Observations.query_criteria_count(**few)), len(one),
                  sorted(near["obs_id"]), len(region), len(paged), sorted(products["productFilename"]),
                  sorted(ima["obs_id"])]))
""", tmp_path)  # fmt: skip
    members = DATASETS["ibohbf040"]
    files = sorted(f"{root}_{kind}.fits" for root in members for kind in ("ima", "raw", "spt"))
    assert found == [
        sorted(DATASETS), 3, 1, ["ibohbf040", "ibohbf050"], 2, 1, ["ibohbf040_asn.fits", *files], list(members),
    ]  # fmt: skip


def test_missions(archive: Archive, tmp_path: Path) -> None:
    found = astroquery(archive, """
m = MastMissions(mission="hst")
rows = m.query_criteria(sci_instrument_config="WFC3/IR", sci_spec_1234=["F105W", "F160W"],
                        sci_start_time="2011-01-01..2013-01-01", select_cols=["sci_asn_id", "sci_sun_alt"])
cone = m.query_region("53.1 -27.8", radius=3)
second = m.query_criteria(sci_pep_id=12099, limit=1, offset=1, sort_by="sci_data_set_name")
products = m.get_product_list(rows[rows["sci_data_set_name"] == "IBOHBF050"])
print(json.dumps([sorted(rows["sci_data_set_name"]), rows.colnames, len(cone), list(second["sci_data_set_name"]),
                  sorted(products["filename"]), list(m.get_column_list().colnames)]))
""", tmp_path)  # fmt: skip
    roots = DATASETS["ibohbf050"]
    files = sorted(f"{root}_{kind}.fits" for root in roots for kind in ("ima", "raw", "spt"))
    assert found == [
        ["IBOHBF040", "IBOHBF050", "IBXY01Z8Q"], ["sci_asn_id", "sci_sun_alt", "sci_data_set_name"], 2, ["IBOHBF050"],
        ["ibohbf050_asn.fits", *files], ["name", "data_type", "description"],
    ]  # fmt: skip


def test_downloads(archive: Archive, folder: Path, tmp_path: Path) -> None:
    found = astroquery(archive, """
status = Observations.download_file("mast:HST/product/ibohbfb9q_ima.fits", verbose=False)
missing = Observations.download_file("mast:HST/product/ibohbfzzq_ima.fits", verbose=False)
m = MastMissions(mission="hst")
other = m.download_file("IBOHBF040/ibohbfbgq_ima.fits", verbose=False)
# A part of the file is there: this astroquery goes on where it ends.
Path("again").mkdir()
Path("again/ibohbfbgq_ima.fits").write_bytes(Path("ibohbfbgq_ima.fits").read_bytes()[:1000])
m.download_file("IBOHBF040/ibohbfbgq_ima.fits", local_path="again/ibohbfbgq_ima.fits", verbose=False)
table = m.download_products(m.get_product_list("IBOHBF050"), verbose=False)
print(json.dumps([status[0], missing[0], other[0], sorted(set(table["Status"])), len(table)]))
""", tmp_path)  # fmt: skip
    assert found == ["COMPLETE", "ERROR", "COMPLETE", ["COMPLETE"], 7]
    for name in ("ibohbfb9q_ima.fits", "ibohbfbgq_ima.fits", "again/ibohbfbgq_ima.fits"):
        truth = folder / bucket_key(name[-18:-9], "ima")
        assert (tmp_path / name).read_bytes() == truth.read_bytes()


def test_faults_as_astroquery_meets_them(archive: Archive, tmp_path: Path) -> None:
    archive.faults.long_polls = 3
    assert astroquery(archive, "print(Observations.query_criteria_count(instrument_name='WFC3/IR'))", tmp_path) == 3
    archive.faults.mast_503 = 1
    code = """
try:
    Observations.query_criteria_count(instrument_name='WFC3/IR')
except requests.HTTPError as error:
    print(error.response.status_code)
"""
    assert astroquery(archive, code, tmp_path) == 503


@pytest.fixture
def bucket(archive: Archive) -> S3FileSystem:
    options = {"use_listings_cache": False, "skip_instance_cache": True}
    return S3FileSystem(anon=True, endpoint_url=archive.s3, **options)


def test_s3_lists_and_gives_ranges(archive: Archive, bucket: S3FileSystem, folder: Path) -> None:
    names = bucket.ls("stpubdata/hst/public/iboh")
    assert [name.rpartition("/")[2] for name in names] == ["ibohbf040", "ibohbf050", *DATASETS["ibohbf040"],
                                                          *DATASETS["ibohbf050"]]  # fmt: skip
    assert len(bucket.find("stpubdata/hst/public/")) == 20
    path = "stpubdata/" + bucket_key("ibohbfb9q", "ima")
    truth = (folder / bucket_key("ibohbfb9q", "ima")).read_bytes()
    assert bucket.info(path)["size"] == len(truth)
    assert bucket.cat_file(path, start=100, end=300) == truth[100:300]
    assert bucket.cat_file(path) == truth
    sizes = [e.n_bytes for e in archive.log.entries if e.method == "GET" and "ima" in e.path]
    assert sizes == [200, len(truth)]


def test_a_missing_key(bucket: S3FileSystem) -> None:
    with pytest.raises(FileNotFoundError):
        bucket.cat_file("stpubdata/hst/public/iboh/nothing")


def test_pages_of_a_listing(archive: Archive) -> None:
    seen: list[str] = []
    token = ""
    while True:
        query = {"list-type": "2", "max-keys": "7", "prefix": "hst/public/", "continuation-token": token}
        text = requests.get(f"{archive.s3}/stpubdata", params={k: v for k, v in query.items() if v}, timeout=10).text
        seen += [part.split("</Key>")[0] for part in text.split("<Key>")[1:]]
        if "<IsTruncated>false" in text:
            break
        token = text.split("<NextContinuationToken>")[1].split("<")[0]
    assert len(seen) == len(set(seen)) == 20


def test_the_log_is_a_file_of_json_lines(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    with serve(folder, log=log) as archive:
        requests.get(f"{archive.mast}/whoami", timeout=10)
        requests.post(f"{archive.mast}/faults", json={"mast_503": 1, "missing": ["x"]}, timeout=10)
        answer = requests.get(f"{archive.mast}/whoami", timeout=10)
        assert answer.status_code == 503
        assert archive.faults.missing == {"x"}
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["service"], line["path"], line["status"]) for line in lines] == [
        ("mast", "/whoami", 200), ("mast", "/whoami", 503),
    ]  # fmt: skip
