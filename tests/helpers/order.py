"""Order in which test processes take the files: costly ones first, so that none is left alone with one in the end."""

from __future__ import annotations

from collections import Counter

import pytest

#: The costly files, from the longest on; the first two do not need the same things made.
FIRST = (
    "test_how_to", "test_benchmarks", "test_reprocess", "test_notebook", "test_schema_evolution", "test_survey",
    "test_survey_killed", "test_studies", "test_optimal", "test_faults", "test_docs", "test_calibrate", "test_cli",
    "test_scattered_light", "test_demo", "test_methods", "test_build",
)  # fmt: skip


def costly_first(items: list[pytest.Item]) -> None:
    """Sort tests by file: the costly ones, then those with the most tests; within a file their order stays."""
    tests = Counter(item.path for item in items)

    def place(item: pytest.Item) -> tuple[int, int, str]:
        rank = FIRST.index(item.path.stem) if item.path.stem in FIRST else len(FIRST)
        return rank, -tests[item.path], str(item.path)

    items.sort(key=place)
