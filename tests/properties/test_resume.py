"""A survey that ends after any of its commits, in batches of any size, goes on to the catalog of an undisturbed one."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.fakes import FakeSource, measure_fake, rootname
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.catalog.compaction import compact
from wfc3tvb.catalog.delta.tables import Tables
from wfc3tvb.catalog.verify import verify
from wfc3tvb.config import Selection
from wfc3tvb.survey import survey as module

N = 12
SOURCE = FakeSource(N, broken=(rootname(3),))
STABLE = "EXCLUDE (measured_at, bytes_read, run_id)"


class EndedError(Exception):
    """The end of the process, for all that the catalog sees of it."""


def survey_into(folder: Path, *, batch: int, commits: int | None = None) -> None:
    """Survey, and end before the commit of that number."""
    left = iter(range(commits)) if commits is not None else None
    commit = Tables.replace

    def counted(tables: Tables, *arguments: object, **keywords: object) -> object:
        if left is not None and next(left, None) is None:
            raise EndedError
        return commit(tables, *arguments, **keywords)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch, open_catalog(folder, mode="a") as catalog:
        patch.setattr(module, "BATCH_SIZE", batch)
        patch.setattr(Tables, "replace", counted)
        module.survey(catalog, Selection(), source=SOURCE, measure=measure_fake)


def contents(folder: Path) -> list[object]:
    with open_catalog(folder) as catalog:
        assert [check for check in verify(catalog) if not check.passed] == []
        texts = (f"FROM (SELECT * {STABLE} FROM exposures) ORDER BY rootname", "FROM reads ORDER BY rootname, read",
                 "SELECT key, stage, error FROM failures ORDER BY ALL")  # fmt: skip
        return [catalog.sql(text).fetchall() for text in texts]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    folder = tmp_path_factory.mktemp("undisturbed") / "catalog"
    survey_into(folder, batch=200)
    return contents(folder)


@pytest.mark.slow
@settings(max_examples=3)
@given(st.lists(st.integers(0, 10), max_size=2), st.integers(3, N), st.booleans())
def test_after_any_prefix_of_commits(undisturbed: list[object], ends: list[int], batch: int, compacted: bool) -> None:
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "catalog"
        for commits in ends:
            try:
                survey_into(folder, batch=batch, commits=commits)
            except EndedError:
                if compacted:
                    with open_catalog(folder, mode="a") as catalog:
                        compact(catalog)
        survey_into(folder, batch=batch)
        assert contents(folder) == undisturbed
