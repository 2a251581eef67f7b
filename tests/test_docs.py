"""The documents: what they name exists, what they show runs, and what is generated is current."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tools import generate_docs

import wfc3tvb

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src" / "wfc3tvb"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FLOORS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["wfc3tvb"]["floors"]
#: `wfc3tvb.errors` and `wfc3tvb.survey`, which can be called, are public; the other rooms and modules are not.
ROOMS = "|".join(room for rooms in FLOORS for room in rooms if room not in wfc3tvb.__all__ and room != "errors")
INTERNAL = re.compile(rf"\bwfc3tvb\.({ROOMS})\b|\bwfc3tvb\.survey\.")
#: Its subject are the modules.
ARCHITECTURE = ROOT / "docs" / "architecture.md"
FOLDERS = "src|tests|docs|queries|notebooks|benchmarks|study|tools|catalogs"


def notebook_text(path: Path) -> str:
    return "\n\n".join("".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"])


def code_of(path: Path) -> Iterator[str]:
    """Yield the Python code of a page or notebook."""
    if path.suffix == ".md":
        yield from re.findall(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
        return
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            yield "".join(line for line in cell["source"] if not line.startswith("%"))


@pytest.mark.parametrize("path", [p for p in (*PAGES, *NOTEBOOKS) if p != ARCHITECTURE], ids=lambda path: path.name)
def test_no_document_names_an_internal_module(path: Path) -> None:
    text = path.read_text(encoding="utf-8") if path.suffix == ".md" else notebook_text(path)
    assert [match.group() for match in INTERNAL.finditer(text)] == []


@pytest.mark.parametrize("path", [*PAGES, *NOTEBOOKS], ids=lambda path: path.name)
def test_examples_use_public_names_only(path: Path) -> None:
    wrong = []
    for code in code_of(path):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "wfc3tvb":
                wrong += [a.name for a in node.names if node.module != "wfc3tvb" or a.name not in wfc3tvb.__all__]
            elif isinstance(node, ast.Import):
                wrong += [a.name for a in node.names if a.name.startswith("wfc3tvb.")]
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "wfc3tvb":
                wrong += [] if node.attr in wfc3tvb.__all__ else [node.attr]
    assert wrong == []


def test_generated_parts_are_current() -> None:
    stale = [path.name for path, text in generate_docs.generated().items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run: python tools/generate_docs.py"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_files_that_are_named_exist(path: Path) -> None:
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    named = set(re.findall(rf"`((?:{FOLDERS})/[\w./-]*)`", text))
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


def test_modules_that_the_architecture_names_exist() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_/]+\.py)`", text)) - {"tests/test_architecture.py"}
    assert len(named) > 100
    assert sorted(name for name in named if not (SRC / name).exists()) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    local = {link for link in links if not re.match(r"https?:|mailto:", link)}
    assert sorted(link for link in local - made_for_the_site() if not (path.parent / link).exists()) == []


def made_for_the_site() -> set[str]:
    """Return the pages that tools/site_pages.py makes of files outside of docs."""
    return {"contributing.md", "changelog.md", *(f"notebooks/{path.stem}.md" for path in NOTEBOOKS)}


def test_the_site_has_every_page() -> None:
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    names = [page.relative_to(ROOT / "docs").as_posix() for page in PAGES[3:]]
    assert [name for name in names if f" {name}\n" not in config] == []


@pytest.mark.slow
def test_the_examples_run_as_printed(demo: Path, tmp_path: Path) -> None:
    # docs/python.md says how to make the two folders from the demo.
    files = tmp_path / "my-files"
    files.mkdir()
    for path in (demo / "archive" / "hst").rglob("*.fits"):
        (files / path.name).write_bytes(path.read_bytes())
    (tmp_path / "references").symlink_to(demo / "archive" / "references")
    said = []
    for number, code in enumerate(code_of(ROOT / "docs" / "python.md")):
        script = tmp_path / f"example_{number}.py"
        script.write_text(code)
        done = subprocess.run([sys.executable, script.name], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{code}\n{done.stderr[-2000:]}"
        said.append(done.stdout)
    assert said[0].startswith("severe optimal 1.5\n")
    assert said[1] == "6 5\n"
    assert said[2].count("ibohbf") == 6
    assert said[3] == "[('ibohbfb9q', 'severe', 'galaxy at the edge')]\n"
    assert (tmp_path / "visit.png").is_file()
    assert re.search(r"^flt ibohbfb9q optimal True$", said[5], re.MULTILINE)
    assert said[6] == f"{Path('calibrated') / 'ibohbfb9q_flt.fits'} OMIT\n"
    assert said[7] == f"{Path('drizzled') / 'ibohbf040_drz.fits'}\n"
    last, fitted = map(float, re.findall(r"noise: last read (\S+), fit (\S+) ", said[8])[0])
    # Photons and reads: sqrt(2 x 14.6^2 + (1.0333 + 0.048) x 1500) / 1500; the Cramer-Rao limit of the same ramp.
    assert last == pytest.approx(0.0302, rel=0.02)
    assert fitted == pytest.approx(0.0268, rel=0.03)
    assert re.search(r"level: fit 1\.03\d, true 1\.033 ", said[8])
    assert said[8].endswith("before read 9: True\n")
    noises = dict(re.findall(r"^(flatten|optimal): level 1\.04, noise (\S+) electron/s", said[9], re.MULTILINE))
    # The limits of the published curve of bkq: 0.0232, and 1.11 times that for flatten.
    assert float(noises["flatten"]) == pytest.approx(0.0262, rel=0.06)
    assert float(noises["optimal"]) == pytest.approx(0.0236, rel=0.06)


def test_the_ramp_fit_of_the_calibration_page(capsys: pytest.CaptureFixture[str]) -> None:
    code = next(code for code in code_of(ROOT / "docs" / "calibrate.md") if "fit_ramps" in code)
    values: dict[str, object] = {}
    exec(code, values)
    fit = values["fit"]
    assert isinstance(fit, wfc3tvb.RampFit)
    assert fit.rate[50, 50] == pytest.approx(2.000002, abs=1e-6)
    assert fit.samples[50, 50] == 5
    assert fit.read_dq[:, 50, 50].tolist() == [0, 0, 0, 8192, 8192, 8192]
