"""References from CRDS over loopback: selected, fetched, checked, and the messages if that fails."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.small_archive import as_new, make_archive
from wfc3tvb.config import Services
from wfc3tvb.errors import BadArgumentError, MissingReferenceError, ReferenceFileError, ServiceError
from wfc3tvb.identifiers import bucket_key
from wfc3tvb.loopback import Archive, serve
from wfc3tvb.references.crds import best_references, header_references, operational_context

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_archive(tmp_path_factory.mktemp("archive"), size=24, nsamp=3)


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Archive]:
    with serve(folder) as archive:
        yield archive


@pytest.fixture
def archive(running: Archive, monkeypatch: pytest.MonkeyPatch) -> Archive:
    for name in ("CRDS_CONTEXT", "CRDS_OBSERVATORY"):
        monkeypatch.delenv(name, raising=False)
    return as_new(running)


@pytest.fixture
def services(archive: Archive, tmp_path: Path) -> Services:
    return Services(crds=archive.crds, crds_path=tmp_path / "cache", retries=1)


@pytest.fixture
def raw(folder: Path) -> Path:
    return folder / bucket_key("ibohbfb9q", "raw")


def test_the_operational_context_can_be_pinned(archive: Archive, services: Services) -> None:
    assert operational_context(services) == archive.context


def test_references_are_chosen_fetched_and_verified(archive: Archive, services: Services, raw: Path) -> None:
    before = raw.read_bytes()
    found = best_references([raw], context=archive.context, services=services)[raw]
    assert found.names["DARKFILE"] == "35620111i_drk.fits"
    assert found.verified
    assert (found.folder / found.names["PFLTFILE"]).is_file()
    assert json.loads(found.as_json())["CCDTAB"]["name"] == "t2c16200i_ccd.fits"
    assert raw.read_bytes() == before


def test_a_damaged_cache_is_repaired(archive: Archive, services: Services, raw: Path) -> None:
    found = best_references([raw], context=archive.context, services=services)[raw]
    path = found.folder / found.names["DARKFILE"]
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert best_references([raw], context=archive.context, services=services)[raw] == found


def test_a_damaged_rule_is_fetched_again(archive: Archive, services: Services, raw: Path) -> None:
    found = best_references([raw], context=archive.context, services=services)[raw]
    (rule,) = services.crds_path.rglob("hst_wfc3_darkfile_*.rmap")
    whole = rule.read_bytes()
    rule.write_bytes(whole[:300])
    assert best_references([raw], context=archive.context, services=services)[raw] == found
    assert rule.read_bytes() == whole


def test_a_file_that_never_fits_its_checksum_is_refused(archive: Archive, services: Services, raw: Path) -> None:
    archive.faults.wrong_checksum = frozenset({"35620111i_drk.fits"})
    with pytest.raises(ReferenceFileError, match=r"DARKFILE 35620111i_drk\.fits"):
        best_references([raw], context=archive.context, services=services)


def test_a_missing_reference_is_named(archive: Archive, services: Services, raw: Path) -> None:
    archive.faults.missing = frozenset({"35620111i_drk.fits"})
    with pytest.raises(MissingReferenceError, match=r"DARKFILE 35620111i_drk\.fits"):
        best_references([raw], context=archive.context, services=services)


@pytest.mark.parametrize("context", ["hst_0001.pmap", "newest"])
def test_a_context_that_is_none(archive: Archive, services: Services, raw: Path, context: str) -> None:
    with pytest.raises(BadArgumentError, match="context"):
        best_references([raw], context=context, services=services)


def test_no_crds(tmp_path: Path) -> None:
    away = Services(crds="http://localhost:9/hst-crds", crds_path=tmp_path, retries=1)
    with pytest.raises(ServiceError, match="CRDS"):
        operational_context(away)


def test_references_of_the_header_must_be_there(raw: Path, folder: Path, tmp_path: Path) -> None:
    assert header_references(raw, folder / "references").verified is False
    with_names = tmp_path / "ibohbfb9q_raw.fits"
    from astropy.io import fits

    with fits.open(raw) as hdus:
        hdus[0].header["DARKFILE"] = "iref$nowhere_drk.fits"
        hdus.writeto(with_names)
    with pytest.raises(MissingReferenceError, match="nowhere_drk"):
        header_references(with_names, folder / "references")


@pytest.mark.parametrize("damage", [b"\xff\xfe\x00junk", b"", b"<html>in maintenance</html>", b"header = {"])
@pytest.mark.parametrize("rule", ["hst_*.pmap", "hst_wfc3_[0-9]*.imap", "hst_wfc3_darkfile_*.rmap"])
def test_a_rule_that_is_no_text_does_not_poison_the_cache(
    archive: Archive, services: Services, raw: Path, rule: str, damage: bytes
) -> None:
    found = best_references([raw], context=archive.context, services=services)[raw]
    (path,) = services.crds_path.rglob(rule)
    whole = path.read_bytes()
    path.write_bytes(damage)
    assert best_references([raw], context=archive.context, services=services)[raw] == found
    assert path.read_bytes() == whole


def test_leftovers_of_killed_runs_are_removed(archive: Archive, services: Services, raw: Path) -> None:
    folder = services.crds_path / "references" / "hst" / "wfc3"
    folder.mkdir(parents=True)
    old, new = folder / ".tmp_35620111i_drk.fits_12", folder / ".tmp_35620111i_drk.fits_13"
    for path in (old, new):
        path.write_bytes(b"part")
    os.utime(old, (0, 0))
    best_references([raw], context=archive.context, services=services)
    assert (old.exists(), new.exists()) == (False, True)
