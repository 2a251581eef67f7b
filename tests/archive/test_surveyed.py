"""Files come from the folders that exposures were surveyed from, and the catalog remembers these folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.helpers.small_archive import DATASETS, make_archive
from wfc3tvb.archive.local_folder import FolderArchive
from wfc3tvb.archive.surveyed import open_surveyed
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.catalog.origins import folders_of
from wfc3tvb.cli import main
from wfc3tvb.errors import BadArgumentError, MissingProductError

PAIR = [(["ibohbfb7q", "ibohbfb9q"], ["ibohbf040"])]


def files(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / f"{name}.fits").write_bytes(b"SIMPLE")
    return folder


def test_a_folder_with_raw_files_serves_its_dataset_alone(tmp_path: Path) -> None:
    folder = files(tmp_path / "mine", "ibohbfb7q_raw", "ibohbfb9q_raw", "ibohbf040_asn")
    source = open_surveyed({"ibohbfb7q": folder, "ibohbfb9q": folder}, PAIR)
    assert source.notes == (f"files of 2 exposures: from {folder}, where they were surveyed",)
    copies = tmp_path / "copies"
    copies.mkdir()
    assert source.download("ibohbfb9q", "raw", copies).read_bytes() == b"SIMPLE"
    assert source.download("ibohbf040", "asn", copies).name == "ibohbf040_asn.fits"
    with pytest.raises(MissingProductError, match="no file ibohbf040_drz"):  # and no request to an archive
        source.download("ibohbf040", "drz", copies)


def test_what_has_no_raw_file_comes_from_the_archive(tmp_path: Path) -> None:
    folder = files(tmp_path / "images", "ibohbfb7q_raw", "ibohbfb9q_ima")
    source = open_surveyed({"ibohbfb7q": folder, "ibohbfb9q": folder}, PAIR)
    assert set(source.folders) == {"ibohbfb7q", "ibohbf040"}
    assert source.notes[-1] == f"{folder} lacks RAW files; they come from the archive"


def test_an_exposure_that_could_not_be_measured_comes_from_the_folder_of_the_others(tmp_path: Path) -> None:
    folder = files(tmp_path / "mine", "ibohbfb7q_raw", "ibohbfb9q_raw")
    assert set(open_surveyed({"ibohbfb7q": folder}, PAIR).folders) == {"ibohbfb7q", "ibohbfb9q", "ibohbf040"}


def test_simulated_exposures_never_come_from_the_archive(tmp_path: Path) -> None:
    folder = files(tmp_path / "made", "ibohbfb7q_ima", "ibohbfb9q_ima")
    (folder / "truth").mkdir()
    source = open_surveyed({"ibohbfb7q": folder, "ibohbfb9q": folder}, PAIR)
    assert {each.name for each in source.folders.values()} == {"simulated"}
    assert source.references is None
    (folder / "references").mkdir()
    assert source.references == FolderArchive(folder, "simulated").references == folder / "references"


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadArgumentError, match=r"gone, from which ibohbfb7q was surveyed, is gone; .*--source"):
        open_surveyed({"ibohbfb7q": tmp_path / "gone"}, PAIR)


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.slow
def test_the_catalog_remembers_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_archive(tmp_path / "mine", size=24, nsamp=4)
    said = run("survey", "--source", "mine", "--filters", "all").stdout
    assert "--catalog" not in said
    with open_catalog("tvb-catalog") as catalog:
        folders = folders_of(catalog, ["ibohbf040"])
    assert folders == dict.fromkeys(DATASETS["ibohbf040"], tmp_path / "mine")
    again = json.loads(run("survey", "--id", "ibohbf050", "--recheck", "--json").stdout)
    assert again["n_measured"] == len(DATASETS["ibohbf050"])
