"""The notebooks run from top to bottom and tell the truth."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs

import nbformat
import pytest
from astropy.table import Table
from nbclient import NotebookClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.helpers.served import listening

pytestmark = pytest.mark.slow

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WFC3TVB_NOTEBOOK", str(tmp_path))
    monkeypatch.setenv("CRDS_PATH", str(tmp_path / "crds"))
    return tmp_path


def run(name: str) -> str:
    """Run a notebook and return its texts, printed and shown."""
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "\n".join(o.get("text", "") + o.get("data", {}).get("text/plain", "") for o in outputs)


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_outputs_are_there_and_nothing_of_the_machine(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert all(output.get("name") != "stderr" and output.output_type != "error" for output in outputs)
    assert not re.search(r"/(tmp|root|home|work|opt)/", path.read_text(encoding="utf-8"))
    assert path.stat().st_size < 2_000_000


def test_the_story_of_the_visit(work: Path, demo: Path) -> None:
    # The archive that the demo simulated is used again; everything else is made anew.
    (work / "archive").symlink_to(demo / "archive")
    printed = run("ibohbf040")
    medians = {name: float(value) for name, value in re.findall(r"(perform|omit) +median (\d\.\d+)", printed)}
    assert medians["omit"] == pytest.approx(1.503, abs=0.02)
    assert medians["perform"] > 1.6


def test_archive_statistics(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WFC3TVB_VISITS", "25")
    shown = run("archive_statistics")
    assert re.search(r"0\s+0\.1\s+\d+\s+0\.\d+\s+0\.50", shown)  # the published marks beside the catalog's
    assert re.search(r"1\s+True\s+\d+\s+0\.000", shown)  # no read in shadow is twice the zodiacal light
    assert "flagged" in shown


def test_predictions_against_pixels_from_an_installation_alone(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a checkout is near: the notebook runs in an empty folder, and imports only what is installed."""
    monkeypatch.setenv("WFC3TVB_VISITS", "14")
    monkeypatch.chdir(work)
    text = (NOTEBOOKS / "study.ipynb").read_text(encoding="utf-8")
    assert "sys.path" not in text
    shown = run("study")
    difference, scatter = re.findall(r"fraction: mean difference ([+-]\d\.\d+), scatter (\d\.\d+)", shown)[0]
    assert abs(float(difference)) < 0.01
    assert float(scatter) < 0.03
    assert float(re.findall(r"noise: median ratio (\d\.\d+)", shown)[0]) == pytest.approx(1, abs=0.02)
    assert float(re.findall(r"largest difference (\d\.\d+)", shown)[0]) < 0.1


def test_joins(work: Path, demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (work / "archive").symlink_to(demo / "archive")
    with tap_service() as address:
        monkeypatch.setenv("WFC3TVB_TAP", address)
        shown = run("joins")
    assert re.search(r"IBOHBF040\s+Synthetic", shown)
    assert "[ibohbfb9q, ibohbfbdq, ibohbfbgq, ibohbfbkq," in shown
    assert re.search(r"0\s+ibohbfbkq_flt.fits\s+1\.03\d\s+0\.62\d\s+-0\.4", shown)
    assert re.search(r"a galaxy\s+ibohbf\s+F105W\s+6\s+5", shown)
    assert re.search(r"0\s+ibohbf040\s+9595\.\d+\s+6", shown)  # what came by TAP


@contextmanager
def tap_service() -> Iterator[str]:
    """A TAP service that knows one association of ObsCore, and asks for the names of its keys."""

    async def sync(request: Request) -> Response:
        query = parse_qs((await request.body()).decode())["QUERY"][0]
        assert re.search(r"FROM ivoa.obscore\s+WHERE obs_collection = 'HST' AND obs_id IN \('ibohbf040'\)", query)
        rows = Table({"obs_id": ["ibohbf040"], "t_exptime": [9595.386], "access_url": ["https://none.example"]})
        buffer = io.BytesIO()
        rows.write(buffer, format="votable")
        return Response(buffer.getvalue(), media_type="application/x-votable+xml")

    with listening(Starlette(routes=[Route("/sync", sync, methods=["POST"])])) as address:
        yield address


def test_the_methods_side_by_side(work: Path, demo: Path) -> None:
    """The limit of the published curve of bkq is 0.0232; omit is 1.25 and flatten 1.11 of it for calwf3's weights."""
    (work / "archive").symlink_to(demo / "archive")
    printed = run("methods")
    ratio = {name: float(value) for name, value in re.findall(r"^(\w+) +\d\.\d+ +\d\.\d+ +(\d+\.\d+)", printed, re.M)}
    assert ratio["archive"] > 4
    assert ratio["omit"] == pytest.approx(1.27, abs=0.06)
    assert ratio["flatten"] == pytest.approx(1.12, abs=0.04)
    assert ratio["optimal"] == pytest.approx(1.01, abs=0.03)
