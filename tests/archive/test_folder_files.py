"""Files of a folder as people keep them: in upper case, packed, copied, linked; exposures that were not taken."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests.helpers.recorded import unpack
from tests.helpers.small_archive import DATASETS, association, make_archive
from wfc3tvb.archive.local_folder import FolderArchive
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.config import MeasureSettings, Selection
from wfc3tvb.errors import NotFitsError
from wfc3tvb.fits.association import read_members
from wfc3tvb.fits.companions import companion
from wfc3tvb.measurement import measure
from wfc3tvb.repair.choose import choose
from wfc3tvb.repair.model import ReprocessSettings
from wfc3tvb.survey.survey import survey

SETTINGS = MeasureSettings(rows=12, min_reads=2)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A flat folder of the archive's files."""
    made = make_archive(tmp_path_factory.mktemp("made"), size=64, nsamp=5)
    flat = tmp_path_factory.mktemp("plain")
    for path in (made / "hst").rglob("*.fits"):
        shutil.copy(path, flat)
    return flat


def kept(plain: Path, folder: Path, name: str) -> Path:
    """Copy the files under names that are upper, packed, or both."""
    folder.mkdir()
    for path in plain.iterdir():
        copy = folder / (path.name.upper() if "upper" in name else path.name)
        if "packed" in name:
            copy = copy.with_name(copy.name + (".GZ" if "upper" in name else ".gz"))
            copy.write_bytes(gzip.compress(path.read_bytes()))
        else:
            shutil.copy(path, copy)
    return folder


@pytest.mark.parametrize("name", ["upper", "packed", "upper and packed"])
def test_the_same_rows_and_reads_under_any_name(plain: Path, tmp_path: Path, name: str) -> None:
    ours, true = FolderArchive(kept(plain, tmp_path / "files", name)), FolderArchive(plain)
    assert list(ours.datasets(Selection())) == list(true.datasets(Selection()))
    for root in ("ibohbfb9q", "ibxy01z8q"):
        (cube, orbit), (expected, elements) = ours.read(root, SETTINGS), true.read(root, SETTINGS)
        np.testing.assert_array_equal(cube.rate, expected.rate)
        assert orbit == elements is not None
        assert cube.n_bytes == ours.path(root, "ima").stat().st_size
    for root, suffix in (("ibohbfb9q", "ima"), ("ibohbfb9q", "spt"), ("ibohbf040", "asn")):
        copy = ours.download(root, suffix, tmp_path)
        assert copy.name == f"{root}_{suffix}.fits"
        assert copy.read_bytes() == true.path(root, suffix).read_bytes()
    with open_catalog(tmp_path / "catalog", mode="a") as catalog:
        report = survey(catalog, Selection(), source=ours, settings=SETTINGS)
        assert (report.n_measured, report.n_failed) == (6, 0)


@pytest.mark.parametrize("name", ["upper", "packed", "upper and packed"])
def test_one_file_and_what_is_beside_it(tmp_path: Path, name: str) -> None:
    flat = tmp_path / "plain"
    flat.mkdir()
    unpack("ima/igold031q_ima.fits", flat)
    unpack("ephemeris/jbz504eoq_spt.fits", flat).rename(flat / "igold031q_spt.fits")
    true = measure(flat / "igold031q_ima.fits")
    folder = kept(flat, tmp_path / "files", name)
    ours = measure(next(path for path in folder.iterdir() if "ima" in path.name.lower()))
    assert ours.exposure["geometry_source"] == "spt"
    assert ours.reads == true.reads


def test_companions(tmp_path: Path) -> None:
    for name in ("ibohbfb9q_ima.fits", "IBOHBFB9Q_SPT.FITS", "ibohbfb9j_jit.fits.gz"):
        (tmp_path / name).touch()
    ima = tmp_path / "ibohbfb9q_ima.fits"
    assert companion(ima, "spt") == tmp_path / "IBOHBFB9Q_SPT.FITS"
    assert companion(ima, "jit", "ibohbfb9j") == tmp_path / "ibohbfb9j_jit.fits.gz"
    assert companion(ima, "ima") is companion(ima, "jif") is companion(tmp_path / "my file.fits", "spt") is None


def test_the_plain_file_is_used_and_the_others_named(
    plain: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, path = kept(plain, tmp_path / "files", "plain"), tmp_path / "files" / "ibohbfb9q_ima.fits"
    (folder / "ibohbfb9q_ima.fits.gz").write_bytes(gzip.compress(path.read_bytes()))
    shutil.copy(path, folder / "IBOHBFB9Q_IMA.FITS")
    assert FolderArchive(folder).path("ibohbfb9q", "ima") == path
    (line,) = caplog.messages
    assert line.startswith("2 left out, of the same name as another: ")
    assert f"{folder}/IBOHBFB9Q_IMA.FITS ({path} is used)" in line
    assert f"{folder}/ibohbfb9q_ima.fits.gz ({path} is used)" in line


COPIES = ("ibohbfb9q_ima (1).fits", "ibohbfb9q_ima_old.fits", "Copy of ibohbfb9q_ima.fits", "ibohbfb9q_ima.fits.bak",
          "ibohbfb9q_ima.fits~", "ibohbfb9q_ima.fits.bz2", "my_ima.fits")  # fmt: skip


def test_copies_with_names_of_their_own_are_counted_and_named(
    plain: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = kept(plain, tmp_path / "files", "plain")
    for name in COPIES:
        shutil.copy(folder / "ibohbfb9q_ima.fits", folder / name)
    for name in ("._ibohbfb9q_ima.fits", "jbz504eoq_ima.fits", "notes.txt", "mosaic.fits"):
        (folder / name).touch()
    names = [row["members"] for row in FolderArchive(folder).datasets(Selection())]
    assert names == [sorted(members) for members in DATASETS.values()]
    (line,) = caplog.messages
    assert line.startswith("7 left out, not named as the archive names files (such as ibohbfb9q_ima.fits): ")
    assert line.endswith(", and 2 more")
    assert sum(name in line for name in COPIES) >= 5
    assert "jbz504eoq" not in line


def test_linked_folders_are_followed_once(plain: Path, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "data").symlink_to(plain)
    (folder / "again").symlink_to(folder)
    assert len(list(FolderArchive(folder).datasets(Selection()))) == 3


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read any folder")
def test_a_folder_that_may_not_be_read_is_named(plain: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = kept(plain, tmp_path / "files", "plain")
    (folder / "secret").mkdir(mode=0)
    assert len(list(FolderArchive(folder).datasets(Selection()))) == 3
    assert "secret cannot be read" in caplog.text


def test_a_packed_file_that_is_damaged_is_one_failure(plain: Path, tmp_path: Path) -> None:
    folder = kept(plain, tmp_path / "files", "packed")
    path = folder / "ibohbfb9q_ima.fits.gz"
    path.write_bytes(path.read_bytes()[:3000])
    spt = folder / "ibohbfb7q_spt.fits.gz"
    spt.write_bytes(b"\x1f\x8b" + bytes(100))
    with open_catalog(tmp_path / "catalog", mode="a") as catalog:
        report = survey(catalog, Selection(), source=FolderArchive(folder), settings=SETTINGS)
        assert (report.n_measured, report.n_failed) == (4, 2)
        messages = dict(catalog.sql("SELECT key, message FROM failures").fetchall())
    assert "ibohbfb9q_ima.fits.gz: the gzip file is cut short" in messages["ibohbfb9q"]
    assert "ibohbfb7q_spt.fits.gz: " in messages["ibohbfb7q"]
    with pytest.raises(NotFitsError):
        FolderArchive(folder).download("ibohbfb7q", "spt", tmp_path)


# --- associations ---------------------------------------------------------------------------------------------------


def with_untaken(folder: Path) -> None:
    """Add two exposures to an association that were never taken."""
    path = folder / "ibohbf040_asn.fits"
    hdus = association("ibohbf040", (*DATASETS["ibohbf040"], "ibohbfzyq", "ibohbfzzq"))
    hdus[1].data["MEMPRSNT"][3:5] = False
    hdus.writeto(path, overwrite=True)
    assert [member.present for member in read_members(path)] == [True, True, True, False, False]


def test_exposures_never_taken_fail_neither_survey_nor_repair(plain: Path, tmp_path: Path) -> None:
    folder = kept(plain, tmp_path / "files", "plain")
    with_untaken(folder)
    with open_catalog(tmp_path / "catalog", mode="a") as catalog:
        report = survey(catalog, Selection(), source=FolderArchive(folder), settings=SETTINGS)
        assert (report.n_measured, report.n_failed) == (6, 0)
        ((members,),) = catalog.sql("SELECT members FROM datasets WHERE dataset = 'ibohbf040'").fetchall()
        assert members == sorted(DATASETS["ibohbf040"])
        chosen = choose(catalog, ids=["ibohbfb9q"], where=None, settings=ReprocessSettings(method="omit"))
    assert [[m.rootname for m in repair.members] for repair in chosen.due] == [sorted(DATASETS["ibohbf040"])]


def test_an_exposure_that_was_taken_and_is_not_there_is_a_failure(plain: Path, tmp_path: Path) -> None:
    folder = kept(plain, tmp_path / "files", "plain")
    (folder / "ibohbfb9q_ima.fits").unlink()
    with open_catalog(tmp_path / "catalog", mode="a") as catalog:
        report = survey(catalog, Selection(), source=FolderArchive(folder), settings=SETTINGS)
        assert (report.n_measured, report.n_failed) == (5, 1)
        assert catalog.sql("SELECT key FROM failures").fetchall() == [("ibohbfb9q",)]


# --- damaged headers ------------------------------------------------------------------------------------------------


def test_units_of_every_read_are_checked(plain: Path, tmp_path: Path) -> None:
    folder = kept(plain, tmp_path / "files", "plain")
    with fits.open(folder / "ibohbfb9q_ima.fits", mode="update") as hdus:
        hdus["SCI", 3].header["BUNIT"] = "FURLONG"
    with fits.open(folder / "ibohbfb7q_ima.fits", mode="update") as hdus:
        hdus["SCI", 4].header["BUNIT"] = "COUNTS"
    with open_catalog(tmp_path / "catalog", mode="a") as catalog:
        report = survey(catalog, Selection(), source=FolderArchive(folder), settings=SETTINGS)
        assert (report.n_measured, report.n_failed) == (4, 2)
        messages = dict(catalog.sql("SELECT key, message FROM failures").fetchall())
    assert "SCI,3 is in 'FURLONG', not in electrons or counts" in messages["ibohbfb9q"]
    assert "SCI,4 is in 'COUNTS', but SCI,1 in 'ELECTRONS/S'" in messages["ibohbfb7q"]
