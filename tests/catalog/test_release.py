"""A release can be checked, read and cited, and contains no paths of the disk it was made on."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from astropy import units as u

from tests.helpers import known
from wfc3tvb.catalog.export import read_table
from wfc3tvb.catalog.release import is_synthetic, write_release
from wfc3tvb.schema import TABLES
from wfc3tvb.schema.migrations import parse_version

ENDINGS = {"parquet": "parquet", "votable": "vot", "fits": "fits", "csv": "csv", "ecsv": "ecsv"}
CATALOGS = Path(__file__).resolve().parents[2] / "catalogs"


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    product = {"product_id": "p", "dataset": "ibohbf040", "kind": "drz", "path": "/home/me/x/ibohbf040/drz/x_drz.fits"}
    run = {"run_id": "run", "command": "survey", "arguments": json.dumps({"folder": "/home/me/files", "ids": ["a/b"]})}
    with known.make(folder / "catalog") as catalog:
        catalog.replace("reprocessed", [TABLES["reprocessed"].empty_row() | product])
        catalog.replace("runs", [TABLES["runs"].empty_row() | run])
        for form in ENDINGS:
            assert all(path.is_file() for path in write_release(catalog, folder / form, form))
    return folder


@pytest.mark.parametrize("form", ENDINGS)
def test_every_table_is_there_checked_and_described(releases: Path, form: str) -> None:
    folder = releases / form
    files = {path.name for path in folder.iterdir()}
    others = {"README.md", "CITATION.cff", "LICENSE", "SHA256SUMS"}
    assert files == {f"{name}.{ENDINGS[form]}" for name in TABLES} | others
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    readme = (folder / "README.md").read_text()
    assert f"| reads.{ENDINGS[form]} | 6 |" in readme
    assert "Synthetic" in readme
    assert all(f"| {c.name} | {c.type} | {c.unit} | {c.description} |" in readme for c in TABLES["exposures"].columns)
    assert read_table(folder / f"exposures.{ENDINGS[form]}")["sky_mean"].unit == u.electron / u.s
    assert len(read_table(folder / f"reads.{ENDINGS[form]}")) == 6


def test_places_on_the_disk_are_left_out(releases: Path) -> None:
    folder = releases / "parquet"
    assert pq.read_table(folder / "reprocessed.parquet")["path"].to_pylist() == ["ibohbf040/drz/x_drz.fits"]
    arguments = json.loads(pq.read_table(folder / "runs.parquet")["arguments"].to_pylist()[0])
    assert arguments == {"folder": "files", "ids": ["a/b"]}


def test_the_catalogs_of_the_repository_are_whole() -> None:
    folders = list(CATALOGS.iterdir())
    assert folders
    for folder in folders:
        for line in (folder / "SHA256SUMS").read_text().splitlines():
            digest, name = line.split("  ")
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
        for name, table in TABLES.items():
            (path,) = (*folder.glob(f"{name}.parquet"), *folder.glob(f"hlsp_*_{name}.parquet"))
            schema = pq.read_schema(path)
            version = parse_version(schema.metadata[b"wfc3tvb.schema_version"].decode())
            columns = [c for c in table.columns if parse_version(c.since) <= version]
            assert schema.names == [c.name for c in columns]
            assert all(schema.field(c.name).metadata[b"unit"].decode() == c.unit for c in columns)
            assert not re.search(rb"/(tmp|home|root|work)/", path.read_bytes())


@pytest.mark.parametrize(
    ("cal_ver", "source", "said"),
    [("wfc3tvb 0.1", "mast", True), ("wfc3tvb 0.1", "simulated", True), ("wfc3tvb 0.1", "local", False),
     ("3.7.2(Apr-15-2024)", "mast", False)],
)  # fmt: skip
def test_only_what_was_simulated_is_called_synthetic(cal_ver: str, source: str, said: bool, tmp_path: Path) -> None:
    with known.make(tmp_path / "catalog") as catalog:
        rows = catalog.fetch("FROM exposures").to_pylist()
        catalog.replace("exposures", [row | {"cal_ver": cal_ver, "source": source} for row in rows])
        assert is_synthetic(catalog) is said
