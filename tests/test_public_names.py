"""The package's own face: the names it offers, and what an interrupted command says."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import wfc3tvb
from wfc3tvb.cli.app import App

PACKAGE = Path(wfc3tvb.__file__).parent


def python(code: str) -> str:
    """Run code in a fresh interpreter and return what it prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_dir_lists_the_public_names() -> None:
    assert set(wfc3tvb.__all__) <= set(dir(wfc3tvb))


def test_the_stub_lists_what_the_package_offers() -> None:
    # Type checkers read __all__ of the stub, the package its import lines.
    tree = ast.parse((PACKAGE / "__init__.pyi").read_text())
    (listed,) = (ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign))
    imported = {alias.asname for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert set(listed) == set(wfc3tvb.__all__) == {*imported, "__version__"}
    assert listed == sorted(listed)


def test_every_public_name_can_be_had_and_is_documented() -> None:
    for name in wfc3tvb.__all__:
        assert getattr(wfc3tvb, name).__doc__, name


def test_no_public_name_is_that_of_a_module() -> None:
    # `import wfc3tvb.name` would put the module in the place of the function. `errors` is the module itself, and
    # `survey` a package that can be called.
    modules = {path.stem for path in PACKAGE.iterdir()}
    assert modules & set(wfc3tvb.__all__) == {"errors", "survey"}


def test_survey_is_a_function_before_and_after_its_package_is_imported() -> None:
    shown = "print(callable(wfc3tvb.survey), *list(inspect.signature(wfc3tvb.survey).parameters)[:2])"
    expected = "True catalog selection"
    assert python(f"import inspect, wfc3tvb; {shown}") == expected
    assert python(f"import inspect, wfc3tvb.survey.plan; {shown}") == expected
    assert python(f"import inspect, wfc3tvb; wfc3tvb.run_survey; {shown}") == expected
    assert python("from wfc3tvb import survey; from wfc3tvb.survey.plan import Plan; print(callable(survey))") == "True"


def test_a_name_stays_the_same_on_every_use() -> None:
    uses = "import wfc3tvb.survey.survey, wfc3tvb.measurement; f = wfc3tvb.measure; print(callable(wfc3tvb.measure), "
    assert python(uses + "f is wfc3tvb.measure, wfc3tvb.errors.TvbError is wfc3tvb.TvbError)") == "True True True"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'mesure'"):
        wfc3tvb.mesure  # type: ignore[attr-defined]  # noqa: B018


def test_star_import_brings_the_public_names() -> None:
    assert python("from wfc3tvb import *; print(callable(measure), callable(open_catalog))") == "True True"


def test_importing_the_package_imports_nothing_of_it() -> None:
    code = "import sys, wfc3tvb; print(sorted(m for m in sys.modules if m.startswith('wfc3tvb')))"
    assert python(code) == "['wfc3tvb']"


@pytest.mark.parametrize(
    ("name", "said"),
    [("survey", "interrupted; run the same command to continue\n"), ("export", "interrupted\n")],
)
def test_an_interrupted_command_promises_only_what_it_does(name: str, said: str) -> None:
    app = App()

    @app.command(name)
    def stopped() -> None:
        raise KeyboardInterrupt

    assert isinstance(stopped, click.Command)
    result = CliRunner().invoke(app, [name])
    assert (result.exit_code, result.output) == (130, said)
