"""Ten lines about the installation, and live requests to the services whose answers are checked."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.helpers.small_archive import make_archive
from wfc3tvb.checks import doctor
from wfc3tvb.checks.doctor import Finding, examine
from wfc3tvb.config import Services
from wfc3tvb.errors import BadArgumentError
from wfc3tvb.loopback import Archive


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_archive(tmp_path_factory.mktemp("archive"))


def services(archive: Archive) -> Services:
    return Services(mast=archive.mast, s3=archive.s3, crds=archive.crds, retries=0, timeout=10.0)


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    assert len(findings) == 10
    return {finding.name: finding for finding in findings}


def test_what_is_there_and_reachable(archive: Archive) -> None:
    found = by_name(examine(services=services(archive)))
    assert found["packages"].ok
    assert "astropy 8" in found["packages"].detail
    assert [found[name].detail.split()[-1] for name in ("MAST", "S3", "CRDS")] == ["reachable"] * 3
    assert archive.log.entries == []


def test_live_asks_and_looks_at_the_answers(archive: Archive) -> None:
    found = by_name(examine(live=True, services=services(archive)))
    assert found["MAST"].detail.endswith("lists 3 exposures of ibohbf040")
    assert found["S3"].detail.endswith("serves ranges of ibohbfb9q_ima.fits")
    assert found["CRDS"].detail.endswith("its context is hst_9001.pmap")


def test_a_service_that_fails_is_named(archive: Archive) -> None:
    archive.faults.s3_503 = 1
    archive.faults.max_rows = 0
    found = by_name(examine(live=True, services=services(archive)))
    assert not found["MAST"].ok
    assert not found["S3"].ok
    assert "MAST: returned 0 of the 1 dataset it counts" in found["MAST"].detail
    assert "S3: unavailable on every attempt" in found["S3"].detail


def test_no_network_is_said_and_no_failure() -> None:
    nowhere = "http://127.0.0.1:9"
    found = by_name(examine(services=Services(mast=nowhere, s3=nowhere, crds=nowhere)))
    assert [(found[name].ok, found[name].optional) for name in ("MAST", "S3", "CRDS")] == [(False, True)] * 3


def test_what_takes_no_connection_is_not_asked_and_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    nowhere = "http://127.0.0.1:9"
    found = by_name(examine(live=True, services=Services(mast=nowhere, s3=nowhere, crds=nowhere)))
    assert [(found[name].ok, found[name].optional) for name in ("MAST", "S3", "CRDS")] == [(False, False)] * 3
    assert "is not reachable" in found["MAST"].detail


def test_settings_for_another_telescope_are_named(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRDS_CONTEXT", "jwst_1322.pmap")
    for live in (True, False):
        found = by_name(examine(live=live, services=services(archive)))
        assert not found["CRDS"].ok
        assert found["CRDS"].optional is not live
    assert "CRDS_CONTEXT=jwst_1322.pmap is a context of JWST; unset it" in found["CRDS"].detail


def test_a_server_of_another_telescope_is_named(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRDS_CONTEXT", raising=False)
    answered = b'{"result": {"operational_context": "jwst_1322.pmap"}}'
    monkeypatch.setattr(doctor, "client_of", lambda services: SimpleNamespace(
        send=lambda *_, **__: (SimpleNamespace(status=200), answered)))  # fmt: skip
    with pytest.raises(BadArgumentError, match="is not Hubble's server of CRDS: its context is jwst_1322.pmap"):
        doctor._query_crds(services(archive))
