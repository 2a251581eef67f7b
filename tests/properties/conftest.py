"""How many examples are drawn: few in `make test`, many in `make fuzz`; from which seed, which failures tell."""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, Phase, is_hypothesis_test, seed, settings

COMMON = {
    "deadline": None,  # a first call compiles or imports
    "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
}
#: A failing case is shown as it was drawn: making it smaller takes minutes where an example is slow.
QUICK = (Phase.explicit, Phase.generate)
settings.register_profile(
    "short", max_examples=25, derandomize="CI" in os.environ, database=None, phases=QUICK, **COMMON
)
settings.register_profile("long", max_examples=2000, **COMMON)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "short")
settings.load_profile(PROFILE)
#: Seed of a run that is given none, so that a failure can name it. With CI set, cases are the same in every run.
SEED = None if "CI" in os.environ else secrets.randbelow(2**32)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Draw the cases of every property from the seed, unless one is given."""
    if SEED is None or config.getoption("--hypothesis-seed") is not None:
        return
    for item in items:
        function = getattr(item, "obj", None)
        if "tests/properties" in item.path.as_posix() and is_hypothesis_test(function):
            seed(SEED)(function)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to the report of a failure how to draw its cases again."""
    report = yield
    used = item.config.getoption("--hypothesis-seed") or SEED
    if report.failed and used is not None:
        again = f"HYPOTHESIS_PROFILE={PROFILE} pytest --hypothesis-seed={used} '{item.nodeid}'"
        report.sections.append(("The same cases again", again))
    return report
