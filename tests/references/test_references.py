"""References from CRDS over loopback: selected, fetched, checked, and the messages if that fails."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.proxies import listening_proxy, own_certificate
from tests.helpers.small_archive import as_new, make_archive
from wfc3tvb.config import Services
from wfc3tvb.errors import BadArgumentError, MissingReferenceError, ReferenceFileError, ServiceError
from wfc3tvb.identifiers import bucket_key
from wfc3tvb.loopback import Archive, serve
from wfc3tvb.references.crds import best_references, check_observatory, header_references, operational_context
from wfc3tvb.system.network import CA_VARIABLES

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


def test_a_read_only_cache_with_all_references_is_enough(
    archive: Archive, services: Services, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = best_references([raw], context=archive.context, services=services)[raw]
    before = {path: path.stat().st_mtime_ns for path in services.crds_path.rglob("*")}
    monkeypatch.setenv("CRDS_READONLY_CACHE", "1")
    assert best_references([raw], context=archive.context, services=services)[raw] == found
    assert {path: path.stat().st_mtime_ns for path in services.crds_path.rglob("*")} == before
    (found.folder / found.names["DARKFILE"]).unlink()
    with pytest.raises(
        MissingReferenceError, match="^DARKFILE .*which CRDS_READONLY_CACHE says is read-only; unset it"
    ):
        best_references([raw], context=archive.context, services=services)


@pytest.mark.parametrize("name", ["jwst_1322.pmap", "jwst-latest", "roman_0042.pmap"])
def test_a_profile_for_another_telescope_is_named(
    services: Services, raw: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("CRDS_CONTEXT", name)
    with pytest.raises(BadArgumentError, match=f"^CRDS_CONTEXT={name} is a context of (JWST|ROMAN); unset it"):
        operational_context(services)


def test_a_server_of_another_telescope_is_named(services: Services, raw: Path) -> None:
    jwst = replace(services, crds="https://jwst-crds.stsci.edu")
    with pytest.raises(BadArgumentError, match="^CRDS_SERVER_URL=https://jwst-crds.stsci.edu is the server of JWST"):
        operational_context(jwst)
    with pytest.raises(BadArgumentError, match="^context jwst_1322.pmap: give a CRDS context of the form hst_NNNN"):
        best_references([raw], context="jwst_1322.pmap", services=services)
    with pytest.raises(BadArgumentError, match="is not Hubble's server of CRDS: its context is jwst_1322.pmap"):
        check_observatory("jwst_1322.pmap", services)


def test_crds_goes_by_the_proxy_of_lists_and_files(
    archive: Archive, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    elsewhere = replace(services, crds="http://crds.invalid")
    with listening_proxy(archive.crds) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)  # which urllib ignores
        assert operational_context(elsewhere) == archive.context
    assert proxy.asked
    assert all(target.startswith("http://crds.invalid/") for target in proxy.asked)
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")  # networks, which urllib does not know
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    by_number = replace(services, crds=archive.crds.replace("localhost", "127.0.0.1"))
    assert operational_context(by_number) == archive.context


def test_crds_goes_by_a_socks_proxy(archive: Archive, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("socks")
    with listening_proxy(archive.crds, socks=True) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "")
        elsewhere = replace(services, crds=archive.crds.replace("localhost", "crds.invalid"))
        assert operational_context(elsewhere) == archive.context
    assert set(proxy.asked) == {"crds.invalid"}


@pytest.mark.parametrize("name", CA_VARIABLES)
def test_crds_trusts_the_certificates_of_lists_and_files(
    archive: Archive, services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for variable in (*CA_VARIABLES, "SSL_CERT_DIR"):
        monkeypatch.delenv(variable, raising=False)
    certificate = own_certificate(tmp_path)
    with listening_proxy(archive.crds, certificate=certificate) as server:
        secure = replace(services, crds=server.url)
        with pytest.raises(ServiceError, match="did not answer"):
            operational_context(secure)
        monkeypatch.setenv(name, str(certificate))
        assert operational_context(secure) == archive.context
