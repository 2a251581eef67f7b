"""The notebook runs from top to bottom and tells the truth."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "ibohbf040.ipynb"


@pytest.mark.slow
def test_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, demo: Path) -> None:
    # The archive that the demo simulated is used again; everything else is made anew.
    (tmp_path / "archive").symlink_to(demo / "archive")
    monkeypatch.setenv("WFC3TVB_NOTEBOOK", str(tmp_path))
    monkeypatch.setenv("CRDS_PATH", str(tmp_path / "crds"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    printed = "".join(o.get("text", "") for cell in notebook.cells for o in cell.get("outputs", []))
    medians = {name: float(value) for name, value in re.findall(r"(perform|omit) +median (\d\.\d+)", printed)}
    assert medians["omit"] == pytest.approx(1.503, abs=0.02)
    assert medians["perform"] > 1.6
