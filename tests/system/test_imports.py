"""Imports that are put off, and the list of packages that is not made."""

from __future__ import annotations

import subprocess
import sys

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


def output_of(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


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
