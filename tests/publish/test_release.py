"""A release: names, keywords, metadata that the readers of each standard accept, and what cannot be replaced."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from pathlib import Path

import frictionless
import pyarrow.parquet as pq
import pytest
import yaml
from astropy.io import fits
from click.testing import CliRunner
from datacite import schema45
from rocrate.rocrate import ROCrate

from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.cli import main
from wfc3tvb.errors import BadArgumentError, BadFileError, OutputExistsError
from wfc3tvb.models import Row
from wfc3tvb.publish.identity import Release
from wfc3tvb.publish.products import keywords
from wfc3tvb.publish.release import write_published
from wfc3tvb.schema import TABLES

TITLE = 'Sky of "GOODS-N", naïve\'s; 1.083 μm'
RELEASE = Release(version="1.2", doi="10.5281/zenodo.1234567", title=TITLE, creators=("Leavitt, Henrietta", "the team"))
FLT = "hlsp_wfc3tvb_hst_wfc3-ir_ngc-7793-w-p.2-ibohbfb9q_f105w_v1.2_flt.fits"
DRZ = "hlsp_wfc3tvb_hst_wfc3-ir_ngc-7793-w-p.2-ibohbf040_f105w_v1.2_drz.fits"
TARGET = "NGC_7793,W P.2"
CATALOGS = Path(__file__).resolve().parents[2] / "catalogs"


def make_catalog(folder: Path) -> Catalog:
    """Make a catalog of two exposures, one with an accepted and one with a refused repair, and a drizzled image."""
    exposures = [
        exposure("ibohbfb9q", 56298.75, 56298.77, cal_ver="wfc3tvb 0.1.0"),
        exposure("ibohbfbgq", 56298.80, 56298.82, cal_ver="3.5.2"),
    ]
    made = [
        product("ibohbfb9q", "flt", folder, accepted=True),
        product("ibohbfbgq", "flt", folder, accepted=False),
        product(None, "drz", folder, accepted=True),
    ]
    catalog = open_catalog(folder / "catalog", mode="a")
    catalog.replace("exposures", exposures)
    catalog.replace("reprocessed", made)
    return catalog


def exposure(rootname: str, expstart: float, expend: float, *, cal_ver: str) -> Row:
    return TABLES["exposures"].empty_row() | {
        "rootname": rootname, "dataset": "ibohbf040", "asn_id": "ibohbf040", "visit": "ibohbf", "filter": "F105W",
        "target_name": TARGET, "expstart": expstart, "expend": expend, "cal_ver": cal_ver, "source": "mast",
    }  # fmt: skip


def product(rootname: str | None, kind: str, folder: Path, *, accepted: bool) -> Row:
    path = folder / f"{rootname or 'ibohbf040'}_{kind}.fits"
    fits.PrimaryHDU(header=fits.Header({"ROOTNAME": rootname or "ibohbf040"})).writeto(path)
    return TABLES["reprocessed"].empty_row() | {
        "product_id": f"{path.stem}-optimal-native", "rootname": rootname, "dataset": "ibohbf040", "kind": kind,
        "method": "optimal", "accepted": accepted, "path": str(path), "sha256": "0" * 64,
    }  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a release."""
    top = tmp_path_factory.mktemp("published")
    with make_catalog(top) as catalog:
        write_published(catalog, top / "release", RELEASE)
    return top / "release"


def test_names_are_those_of_high_level_science_products(folder: Path) -> None:
    names = {path.name for path in folder.glob("hlsp_*")}
    tables = {f"hlsp_wfc3tvb_hst_wfc3-ir_ngc-7793-w-p.2_f105w_v1.2_{table}.parquet" for table in TABLES}
    assert names == tables | {FLT, DRZ}


@pytest.mark.parametrize(("name", "end"), [(FLT, "2013-01-06T18:28:48.000"), (DRZ, "2013-01-06T19:40:48.000")])
def test_images_say_what_they_are(folder: Path, name: str, end: str) -> None:
    header = fits.getheader(folder / name)
    assert header["HLSPID"] == "wfc3tvb"
    assert header["HLSPNAME"] == 'Sky of "GOODS-N", naive\'s; 1.083 ?m'
    assert header["HLSPVER"] == "v1.2"
    assert header["DOI"] == "10.5281/zenodo.1234567"
    assert header["LICENSE"] == "CC BY 4.0"
    assert (header["DATE-BEG"], header["DATE-END"]) == ("2013-01-06T18:00:00.000", end)
    assert header["SIMULATD"] is True


def test_the_table_of_products_names_the_files_beside_it(folder: Path) -> None:
    (path,) = folder.glob("*_reprocessed.parquet")
    rows = pq.read_table(path, columns=["kind", "accepted", "path"]).to_pylist()
    assert {(row["kind"], row["accepted"], row["path"]) for row in rows} == {
        ("flt", True, FLT), ("flt", False, None), ("drz", True, DRZ),
    }  # fmt: skip


def test_every_column_has_its_unit_and_description(folder: Path) -> None:
    for name, table in TABLES.items():
        (path,) = folder.glob(f"*_{name}.parquet")
        notes = {field.name: field.metadata or {} for field in pq.read_schema(path)}
        assert {each: note.get(b"unit", b"?").decode() for each, note in notes.items()} == {
            column.name: column.unit for column in table.columns
        }


def test_checksums_and_manifest_cover_every_file(folder: Path) -> None:
    command = ["sha256sum", "-c", "--strict", "SHA256SUMS"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.count(": OK\n") == len(list(folder.iterdir())) - 1
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        listed = {row["file"]: row for row in csv.DictReader(file)}
    unlisted = {"manifest.csv", "SHA256SUMS", "datapackage.json", "ro-crate-metadata.json"}  # made from it
    assert set(listed) == {path.name for path in folder.iterdir()} - unlisted
    assert listed[FLT]["bytes"] == str((folder / FLT).stat().st_size)


def test_a_release_is_verified_by_the_command(tmp_path: Path) -> None:
    shutil.copytree(CATALOGS / "ibohbf040-synthetic", tmp_path / "release")
    command = ["verify", "--catalog", str(tmp_path / "release")]
    found = CliRunner().invoke(main, command)
    assert found.exit_code == 0, found.output
    assert "all 18 files are as they were released" in found.output

    readme = tmp_path / "release" / "README.md"
    readme.write_text(readme.read_text() + "changed\n")
    (reads,) = (tmp_path / "release").glob("*_reads.parquet")
    reads.write_bytes(reads.read_bytes()[:-100])
    found = CliRunner().invoke(main, command)
    assert found.exit_code == 1
    assert "2 of 18 files are missing or changed, e.g. README.md; fetch the release again" in " ".join(
        found.output.split()
    )
    assert "is not a whole Parquet file; fetch the release again" in " ".join(found.output.split())


def test_frictionless_validates_the_package(folder: Path) -> None:
    report = frictionless.validate(str(folder / "datapackage.json"))
    assert report.flatten(["title", "message"]) == []
    package = json.loads((folder / "datapackage.json").read_text())
    (exposures,) = (resource for resource in package["resources"] if resource["name"] == "exposures")
    fields = {field["name"]: field for field in exposures["schema"]["fields"]}
    assert (fields["sky_mean"]["type"], fields["sky_mean"]["unit"]) == ("number", "electron/s")
    assert list(fields) == pq.read_schema(folder / exposures["path"]).names


def test_frictionless_finds_a_changed_table(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    (path,) = (tmp_path / "copy").glob("*_exposures.parquet")
    path.write_bytes(path.read_bytes()[::-1])
    assert not frictionless.validate(str(tmp_path / "copy" / "datapackage.json")).valid


def test_rocrate_reads_the_crate(folder: Path) -> None:
    crate = ROCrate(str(folder))
    assert crate.name == TITLE
    parts = {part.id: part for part in crate.root_dataset["hasPart"]}
    assert parts[FLT]["contentSize"] == str((folder / FLT).stat().st_size)
    assert crate.root_dataset["identifier"] == "https://doi.org/10.5281/zenodo.1234567"


def test_datacite_accepts_the_record(folder: Path) -> None:
    record = json.loads((folder / "datacite.json").read_text())
    schema45.validator.validate(record)
    assert record["creators"][0] == {
        "name": "Leavitt, Henrietta", "nameType": "Personal", "familyName": "Leavitt", "givenName": "Henrietta",
    }  # fmt: skip
    assert record["doi"] == "10.5281/zenodo.1234567"


def test_zenodo_and_citation(folder: Path) -> None:
    record = json.loads((folder / ".zenodo.json").read_text())
    assert (record["title"], record["license"], record["upload_type"]) == (TITLE, "cc-by-4.0", "dataset")
    cited = yaml.safe_load((folder / "CITATION.cff").read_text())
    assert (cited["title"], cited["doi"], cited["version"]) == (TITLE, "10.5281/zenodo.1234567", "1.2")
    assert cited["authors"] == [{"family-names": "Leavitt", "given-names": "Henrietta"}, {"name": "the team"}]


def test_simulated_exposures_are_called_so_first(folder: Path) -> None:
    note = "Synthetic: the exposures of this release are simulated, not observed."
    assert f"**{note}**" in (folder / "README.md").read_text()
    record = json.loads((folder / "datacite.json").read_text())
    assert record["descriptions"][0]["description"].startswith(note)


def test_the_same_catalog_gives_the_same_release(tmp_path: Path) -> None:
    with make_catalog(tmp_path) as catalog:
        for name in ("one", "two"):
            write_published(catalog, tmp_path / name, Release(day="2026-01-01"), products=False)
    sums = [(tmp_path / name / "SHA256SUMS").read_text() for name in ("one", "two")]
    assert sums[0] == sums[1]
    assert ".fits" not in sums[0]


def test_a_release_is_replaced_only_on_request_and_nothing_else_is(tmp_path: Path) -> None:
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter1.tex").write_text("precious")
    with make_catalog(tmp_path) as catalog:
        write_published(catalog, tmp_path / "release", RELEASE, products=False)
        with pytest.raises(OutputExistsError):
            write_published(catalog, tmp_path / "release", RELEASE)
        paths = write_published(catalog, tmp_path / "release", RELEASE, overwrite=True)
        with pytest.raises(BadArgumentError, match="is not a release"):
            write_published(catalog, other, RELEASE, overwrite=True)
    assert tmp_path / "release" / FLT in paths
    assert (other / "chapter1.tex").read_text() == "precious"
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"thesis", "release", "catalog"}


def test_a_lost_product_leaves_the_older_release(tmp_path: Path) -> None:
    with make_catalog(tmp_path) as catalog:
        write_published(catalog, tmp_path / "release", RELEASE)
        (tmp_path / "ibohbfb9q_flt.fits").unlink()
        with pytest.raises(BadFileError, match="but not on the disk; repair it again, or publish the tables alone"):
            write_published(catalog, tmp_path / "release", RELEASE, overwrite=True)
    assert (tmp_path / "release" / FLT).is_file()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--id", "My Collection", "cannot be a collection"),
        ("--release-version", "one", "is no version"),
        ("--doi", "https://doi.org/10.5281/1", "is no DOI"),
    ],
)
def test_a_wrong_identity_is_named(tmp_path: Path, option: str, value: str, message: str) -> None:
    make_catalog(tmp_path).close()
    arguments = ["release", str(tmp_path / "out"), "--catalog", str(tmp_path / "catalog"), option, value]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert message in done.output
    assert not (tmp_path / "out").exists()


def test_the_command_of_an_empty_catalog(tmp_path: Path) -> None:
    open_catalog(tmp_path / "catalog", mode="a").close()
    arguments = ["release", str(tmp_path / "out"), "--catalog", str(tmp_path / "catalog"), "--json"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    names = {Path(path).name for path in json.loads(done.stdout)}
    assert "hlsp_wfc3tvb_hst_wfc3-ir_multi_multi_v1.0_exposures.parquet" in names
    assert names == {path.name for path in (tmp_path / "out").iterdir()}


@pytest.mark.parametrize("title", ["Short", Release().title, "It's " * 12, "A" * 80])
def test_a_comment_for_which_a_card_has_no_room_is_left_out(title: str) -> None:
    row = {"expstart": 55000.0, "expend": 55000.1, "target": "GOODS-N", "simulated": True}
    header = fits.Header()
    header.update(keywords(row, Release(title=title)))
    header.tostring()  # where astropy would warn that it cuts a comment
    assert header["HLSPNAME"] == title.strip()[:68]
    assert header.comments["HLSPNAME"] == ("title of the collection" if title == "Short" else "")
