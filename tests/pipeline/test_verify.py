"""The catalog checks itself, and its files can be merged."""

from __future__ import annotations

from pathlib import Path

from tests.io.test_catalog import measurement
from wfc3tvb.io.catalog import Catalog
from wfc3tvb.pipeline.compact import compact
from wfc3tvb.pipeline.verify import verify


def test_a_whole_catalog_passes_and_its_faults_are_named(tmp_path: Path) -> None:
    catalog = Catalog.create(tmp_path / "catalog")
    catalog.record([measurement("ibaaaa01q")])
    assert [result for result in verify(catalog) if not result.passed] == []
    catalog.append("exposures", [measurement("ibaaaa01q").exposure])
    catalog.replace("reads", measurement("ibaaaa09q").reads)
    assert {(r.check, r.target) for r in verify(catalog) if not r.passed} == {
        ("keys unique", "exposures"),
        ("no orphans", "reads"),
    }


def test_merged_files_hold_the_same_rows(tmp_path: Path) -> None:
    catalog = Catalog.create(tmp_path / "catalog")
    for n in range(5):
        catalog.record([measurement(f"ibaaaa0{n}q")])
    before = catalog.sql("SELECT * FROM reads ORDER BY rootname, read").fetchall()
    found = {row.table: row for row in compact(catalog, grace_hours=0)}
    assert (found["reads"].n_before, found["reads"].n_after) == (5, 1)
    assert catalog.sql("SELECT * FROM reads ORDER BY rootname, read").fetchall() == before
