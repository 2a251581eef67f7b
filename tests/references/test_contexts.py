"""Names of contexts that CRDS answers: they become parts of addresses and of names of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from wfc3tvb.config import Services
from wfc3tvb.errors import BadArgumentError, ServiceError
from wfc3tvb.references import crds_process
from wfc3tvb.references.crds import checked_context

SERVICES = Services(crds="http://crds.invalid")


@pytest.mark.parametrize("name", ["hst_1234.pmap", "hst_0001_edit.pmap"])
def test_names_of_contexts(name: str) -> None:
    assert checked_context(name, SERVICES) == name


@pytest.mark.parametrize("answer", [None, 5, {"hst": "x" * 10**6}, "", "hst\nfoo.pmap", "hst/../../x.pmap", "hst" * 99])
def test_what_is_no_name_is_refused_in_one_short_line(answer: object) -> None:
    with pytest.raises(ServiceError, match="which is no name") as raised:
        checked_context(answer, SERVICES)
    assert len(str(raised.value)) < 200
    assert "\n" not in str(raised.value)


def test_contexts_of_other_observatories_are_named() -> None:
    with pytest.raises(BadArgumentError, match=r"its context is jwst_1234\.pmap"):
        checked_context("jwst_1234.pmap", SERVICES)


@pytest.mark.parametrize(
    "error", [AttributeError, KeyError, IndexError, RecursionError, ZeroDivisionError, AssertionError]
)
def test_a_rule_that_fails_in_any_way_is_dropped(
    error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would otherwise stay in the cache, and fail in every run."""
    from crds.core import config, rmap

    def fail(path: str) -> None:
        raise error(path)

    (tmp_path / "hst_0001.pmap").write_text("header = {}\n")
    monkeypatch.setattr(config, "locate_mapping", lambda name: str(tmp_path / name))
    monkeypatch.setattr(rmap.Mapping, "from_file", fail)
    assert crds_process.drop_damaged_mappings() == ["hst_0001.pmap"]
    assert not list(tmp_path.iterdir())
