"""The survey under bad conditions: the archive of copies, the rows that they have to give, and what is noted."""

from __future__ import annotations

import os
import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from tools.crowded.archive import Copies, Shelf, SomeFail, make_archive
from tools.crowded.beside import Took, by_size, grown
from tools.crowded.expected import differences
from tools.faults import judge

from tests.helpers.fakes import rootname
from wfc3tvb.archive.remote import PublicArchive
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.config import Selection, Services
from wfc3tvb.loopback import serve
from wfc3tvb.survey.survey import survey

pytestmark = pytest.mark.slow
#: Two visits of four exposures, and one copy of each and a second of the first.
COPIES = Copies(20, 8)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    folder = tmp_path_factory.mktemp("crowded") / "archive"
    make_archive(folder, COPIES.n_templates)
    return Shelf(folder, COPIES)


@pytest.fixture(scope="module")
def surveyed(shelf: Shelf) -> Path:
    """Return a folder with a catalog of the originals, and one of all exposures."""
    for name, copies in (("originals", Copies(8, 8)), ("all", COPIES)):
        with serve(Shelf(shelf.folder, copies).index()) as archive, pytest.MonkeyPatch.context() as patch:
            for key, value in archive.environment().items():
                patch.setenv(key, value)
            source = PublicArchive(Services(mast=archive.mast, s3=archive.s3))
            with open_catalog(shelf.folder.parent / name / "catalog", mode="a") as catalog:
                assert survey(catalog, Selection(filters=("all",)), source=source).n_measured == copies.n
    return shelf.folder.parent


def test_a_copy_has_its_own_names_and_the_pixels_of_its_original(shelf: Shelf) -> None:
    original, copy = rootname(5), rootname(13)
    with fits.open(BytesIO(shelf.content(f"{copy}_ima.fits"))) as hdus:
        header = hdus[0].header
        names = [header[key] for key in ("ROOTNAME", "FILENAME", "ASN_ID", "PROPOSID")]
        pixels = hdus["SCI", 1].data.copy()
    assert names == [copy, f"{copy}_ima.fits", f"{copy[:6]}010".upper(), 10_003]
    with fits.open(shelf.original(f"{copy}_ima.fits")) as hdus:
        assert (hdus[0].header["ROOTNAME"], hdus[0].header["PROPOSID"]) == (original, 10_001)
        np.testing.assert_array_equal(hdus["SCI", 1].data, pixels)
    assert original.encode() not in shelf.content(f"{copy}_spt.fits")


def test_copies_are_listed_as_their_originals_are(shelf: Shelf) -> None:
    index = shelf.index()
    found = {row["dataset"]: row for row in index.datasets}
    # Every other visit is an association.
    assert len(found) == 3 * 4 + 2
    row = found[f"{rootname(12)[:6]}010"]
    assert (row["members"], row["proposal_id"]) == ([rootname(i) for i in range(12, 16)], 10_003)
    path = index.files[f"{rootname(19)}_ima.fits"]
    assert path.stat().st_size == len(path.read_bytes()) == len(path.open("rb").read())
    assert not os.path.lexists(str(path))


def test_rows_of_copies_follow_from_their_originals(surveyed: Path, whole: dict[str, str]) -> None:
    with open_catalog(surveyed / "all" / "catalog") as catalog:
        text = "SELECT count(*), count(sky_mean), count(*) FILTER (flagged), count(DISTINCT proposal_id) FROM exposures"
        assert catalog.sql(text).fetchall() == [(20, 20, 8, 5)]
        assert catalog.sql("SELECT count(*) FROM visit_fits").fetchall() == [(60,)]
    assert differences(surveyed / "originals" / "catalog", surveyed / "all" / "catalog", COPIES) == []
    assert judge.rows(surveyed / "originals") != whole


@pytest.fixture(scope="module")
def whole(surveyed: Path) -> dict[str, str]:
    return judge.rows(surveyed / "all")


@pytest.fixture
def changed(surveyed: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Return the catalog of the originals, and one that may be changed and begins as that of all exposures."""
    shutil.copytree(surveyed / "all" / "catalog", tmp_path / "catalog")
    return surveyed / "originals" / "catalog", tmp_path / "catalog"


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("exposures", "sky_mean", 0.123),
        ("exposures", "proposal_id", 10_001),
        ("exposures", "pred_noise_inflation", 1.0),
        ("exposures", "quality_flags", []),
        ("reads", "rate", None),
        ("visit_fits", "chi2", -1.0),
        ("datasets", "members", [rootname(13)]),
    ],
)
def test_a_value_that_differs_is_seen_in_both_ways(
    whole: dict[str, str], changed: tuple[Path, Path], table: str, column: str, value: object
) -> None:
    key = "dataset" if table == "datasets" else "rootname"
    name = f"{rootname(12)[:6]}010" if table == "datasets" else rootname(13)
    with open_catalog(changed[1], mode="r+") as catalog:
        rows = catalog.fetch(f"SELECT * FROM {table} WHERE {key} = $name", {"name": name}).to_pylist()
        catalog.replace(table, [{**rows[-1], column: value}, *rows[:-1]])
    (line,) = differences(*changed, COPIES)
    assert line.startswith(f"{table} of {rootname(13)[:6]}: ")
    found = judge.rows(changed[1].parent)
    assert [name for name in whole if found[name] != whole[name]] == [table]


def test_rows_that_are_missing_or_too_many_are_seen(changed: tuple[Path, Path]) -> None:
    with open_catalog(changed[1], mode="r+") as catalog:
        rows = catalog.fetch("SELECT * FROM reads WHERE rootname = $name", {"name": rootname(16)}).to_pylist()
        catalog.append("reads", rows[:1])
        catalog.replace("reads", [], keys=[rootname(9)])
        catalog.replace("visit_fits", [], keys=[rootname(i) for i in range(8, 12)])
    a, b = rootname(8)[:6], rootname(16)[:6]
    assert sorted(differences(*changed, COPIES)) == [
        f"reads of {a}: 12 rows, where 16 should be",
        f"reads of {b}: 17 rows, where 16 should be",
        f"visit_fits of {a}: no rows",
    ]


def test_a_share_of_the_requests_fails_always_the_same() -> None:
    one, other = SomeFail(0.05, 3), SomeFail(0.05, 3)
    drawn = [one.take("s3_503") for _ in range(10_000)]
    assert drawn == [other.take("mast_503") for _ in range(10_000)]
    assert sum(drawn) == pytest.approx(500, abs=100)
    assert not any(one.take("pages") for _ in range(1000))


def test_growth_and_times_are_told_by_the_size_of_the_catalog() -> None:
    assert grown([(t, 300.0 + (50 if t > 70 else 0)) for t in map(float, range(90))]) == 50.0
    assert grown([(t, 300.0 + t % 7) for t in map(float, range(90))]) == 0.0
    took = [Took(0, "open", 1.0), Took(50, "open", 3.0), Took(100, "open", 2.0), Took(100, "compact", 9.0)]
    assert list(by_size(took, 2)) == [("open", 50, [1.0, 3.0]), ("open", 100, [2.0]), ("compact", 100, [9.0])]
