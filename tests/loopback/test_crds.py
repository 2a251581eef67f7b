"""The loopback archive's CRDS, as the unmodified client and `crds bestrefs` in a child process see it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from astropy.io import fits

from tests.helpers.small_archive import REFERENCES, make_archive
from wfc3tvb.identifiers import bucket_key
from wfc3tvb.loopback import Archive

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_archive(tmp_path_factory.mktemp("archive"), size=24, nsamp=3)


def crds(archive: Archive, *arguments: str | Path, cache: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | archive.environment() | {"CRDS_PATH": str(cache)}
    command = [sys.executable, "-m", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def bestrefs(archive: Archive, files: list[Path], cache: Path) -> subprocess.CompletedProcess[str]:
    options = ("--sync-references=1", "--update-bestrefs", "--new-context", archive.context)
    return crds(archive, "crds.bestrefs", "--files", *files, *options, cache=cache)


def raw_copies(folder: Path, out: Path, *roots: str) -> list[Path]:
    return [Path(shutil.copy(folder / bucket_key(root, "raw"), out)) for root in roots]


def test_bestrefs_fills_the_header_and_fetches_what_it_names(archive: Archive, folder: Path, tmp_path: Path) -> None:
    (raw,) = raw_copies(folder, tmp_path, "ibohbfb9q")
    done = bestrefs(archive, [raw], tmp_path / "cache")
    assert done.returncode == 0, done.stderr
    assert "0 errors" in done.stderr
    assert "0 warnings" in done.stderr
    header = fits.getheader(raw)
    expected = {
        "BPIXTAB": "35620125i_bpx.fits", "CCDTAB": "t2c16200i_ccd.fits", "OSCNTAB": "q911321mi_osc.fits",
        "CRREJTAB": "u6a1748ri_crr.fits", "DARKFILE": "35620111i_drk.fits", "NLINFILE": "u1k1727mi_lin.fits",
        "PFLTFILE": "4ac19222i_pfl.fits", "IMPHTTAB": "4af1533ai_imp.fits", "IDCTAB": "w3m18525i_idc.fits",
        "MDRIZTAB": "3562021pi_mdz.fits",
    }  # fmt: skip
    assert {k: header[k] for k in expected} == {k: "iref$" + v for k, v in expected.items()}
    assert header["BIASFILE"] == "N/A"
    assert header["CRDS_CTX"] == archive.context
    fetched = tmp_path / "cache" / "references" / "hst" / "wfc3"
    assert sorted(p.name for p in fetched.iterdir()) == sorted(expected.values())


def test_a_second_run_asks_for_no_file(archive: Archive, folder: Path, tmp_path: Path) -> None:
    raws = raw_copies(folder, tmp_path, "ibohbfb9q", "ibohbfbgq")
    bestrefs(archive, raws, tmp_path / "cache")
    before = len(archive.log.entries)
    done = bestrefs(archive, raws, tmp_path / "cache")
    assert done.returncode == 0, done.stderr
    assert [e.path for e in archive.log.entries[before:] if e.method == "GET"] == []


def test_sync_brings_a_whole_context(archive: Archive, tmp_path: Path) -> None:
    options = ("--contexts", archive.context, "--fetch-references")
    done = crds(archive, "crds.sync", *options, cache=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {p.name for p in (tmp_path / "references" / "hst" / "wfc3").iterdir()} == set(REFERENCES)


@pytest.mark.parametrize("fault", ["wrong_checksum", "wrong_length"])
def test_a_wrong_checksum_or_length_is_an_error(archive: Archive, folder: Path, tmp_path: Path, fault: str) -> None:
    setattr(archive.faults, fault, {"35620111i_drk.fits"})
    done = bestrefs(archive, raw_copies(folder, tmp_path, "ibohbfb9q"), tmp_path / "cache")
    assert done.returncode == 1
    assert "35620111i_drk.fits" in done.stderr


def test_crds_that_is_not_there(archive: Archive, folder: Path, tmp_path: Path) -> None:
    archive.faults.crds_503 = 1000
    done = bestrefs(archive, raw_copies(folder, tmp_path, "ibohbfb9q"), tmp_path / "cache")
    assert done.returncode != 0
    assert "CRDS server connection" in done.stderr
