"""Imports that are put off, and the list of packages that is not made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.small_archive import make_archive

DEFERRED = """
import sys
from wfc3tvb.system.imports import deferred
with deferred(["xml.etree.ElementTree"]):
    from xml.etree import ElementTree
loaded = "Element" in object.__getattribute__(ElementTree, "__dict__")
print(loaded, ElementTree.fromstring("<a>text</a>").text, len(sys.meta_path))
"""

PHOTUTILS = """
import importlib.metadata
asked, listed = importlib.metadata.packages_distributions, []
importlib.metadata.packages_distributions = lambda: listed.append(1) or asked()
import wfc3tvb.repair.star_photometry
from photutils.utils import _optional_deps
print(len(listed), _optional_deps._pkg_dist_name, importlib.metadata.packages_distributions() == asked())
"""

DRIZZLING = """
import sys
from wfc3tvb.repair.astrodrizzle_process import load
load()
print([name for name in ("sklearn", "pandas", "matplotlib", "photutils") if name in sys.modules])
import drizzlepac
print(drizzlepac.tweakreg.__name__, callable(drizzlepac.tweakreg.TweakReg))
"""

ARROW = """
import sys
from wfc3tvb.system.imports import arrow_without_pandas
arrow_without_pandas()
import pyarrow as pa
import pyarrow.compute as pc
rows = pa.table({"a": [1.5, None]})
print(rows["a"].to_numpy(), rows.take(pc.sort_indices(rows, [("a", "ascending")]))["a"].to_pylist())
print("pandas" in sys.modules, [each for each in sys.meta_path if "wfc3tvb" in type(each).__module__])
print(list(rows.to_pandas()["a"]), pa.array(__import__("pandas").Series([1.5, float("nan")])).to_pylist())
"""

SURVEY = """
import sys
from wfc3tvb.__main__ import _prepare
from wfc3tvb.cli import main
_prepare()
folder, catalog = sys.argv[1:]
main(["survey", "--source", folder, "--filters", "all", "--catalog", catalog], standalone_mode=False)
print("pandas" in sys.modules)
"""


def output_of(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_deferred_module_is_loaded_when_it_is_used() -> None:
    before = len(sys.meta_path)
    loaded, text, finders = output_of(DEFERRED).split()
    assert (loaded, text) == ("False", "text")
    assert int(finders) <= before


def test_photutils_is_imported_without_a_list_of_all_packages() -> None:
    assert output_of(PHOTUTILS) == "0 photutils True"


def test_drizzling_loads_nothing_of_drizzlepac_that_it_does_not_use() -> None:
    loaded, tweakreg = output_of(DRIZZLING).splitlines()
    assert loaded == "[]"
    assert tweakreg == "drizzlepac.tweakreg True"


def test_arrow_needs_no_pandas_until_a_result_is_to_be_one_of_its_tables() -> None:
    arrays, loaded, frame = output_of(ARROW).splitlines()
    assert arrays == "[1.5 nan] [1.5, None]"
    assert loaded == "False []"
    assert frame == "[1.5, nan] [1.5, None]"


@pytest.mark.slow
def test_a_survey_loads_no_pandas(tmp_path: Path) -> None:
    make_archive(tmp_path / "archive")
    assert output_of(SURVEY, str(tmp_path / "archive"), str(tmp_path / "catalog")).splitlines()[-1] == "False"
