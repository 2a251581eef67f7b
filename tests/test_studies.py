"""Every study runs with few exposures, and writes its page and its figure where it is told to."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

STUDY = Path(__file__).resolve().parents[1] / "study"
DATA = Path(__file__).resolve().parent / "data"
#: Arguments of a run of seconds, and the least that the page must say: its title, and numbers from 0 to a limit.
STUDIES = {
    "causes": (["--fit", "0.01"], r"Cause study: (\d+) exposures", {r"Brier score over the six causes: ([\d.]+)": 1.0}),
    "engine": (["4"], r"Engine study: (\d+) exposures", {r"Mean absolute error of the fraction broken: ([\d.]+)": 0.1}),
    "methods": (
        ["1"],
        r"Study of the methods: (\d+) exposures",
        {r"Noise of optimal over the limit: ([\d.]+)": 1.05, r"on average, ([\d.]+) at most": 1.06},
    ),
    "forecast": (
        [
            str(DATA / "archive/wfc3ir_list_part.csv.gz"),
            str(DATA / "ephemeris/hst_elements_of_list.txt"),
            "12",
        ],
        r"Forecast study: (\d+) exposures",
        {r"Median difference ([\d.]+) deg": 0.2, r"at the best lag, ([\d.]+) deg": 0.05, r"Brier score ([\d.]+)": 0.6},
    ),
    "injection": (["20"], r"Injection study: (\d+) curves", {r"Mean absolute error ([\d.]+) over all": 0.05}),
}
#: Modules that the others import.
PARTS = {"curves", "whole", "forecast_table", "listing", "two_line_elements"}


def test_all_are_here() -> None:
    assert set(STUDIES) | PARTS == {path.stem for path in STUDY.glob("*.py")}


@pytest.mark.parametrize("name", STUDIES)
def test_runs_with_few_exposures(name: str, tmp_path: Path) -> None:
    arguments, title, limits = STUDIES[name]
    command = [sys.executable, str(STUDY / f"{name}.py"), *arguments, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    page = (tmp_path / f"study-{name}.md").read_text()
    assert (tmp_path / f"study-{name}.png").read_bytes().startswith(b"\x89PNG")
    heading = re.search(title, page)
    assert heading is not None
    assert int(heading[1]) > 1
    for text, limit in limits.items():
        number = re.search(text, " ".join(page.split()))
        assert number is not None, text
        assert 0 <= float(number[1].rstrip(".")) < limit


def test_the_fit_writes_the_module_of_weights(tmp_path: Path) -> None:
    """The same names and shape as the weights in the package."""
    from wfc3tvb.score import cause_weights

    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import causes; import numpy as np\n"
    )
    program += "causes.write_weights(np.array(causes.cause_weights.WEIGHTS), 5258, Path(sys.argv[2]))"
    subprocess.run([sys.executable, "-c", program, str(STUDY), str(tmp_path)], check=True)
    made: dict[str, object] = {}
    exec((tmp_path / "cause_weights.py").read_text(), made)
    assert made["FEATURES"] == cause_weights.FEATURES
    assert made["WEIGHTS"] == cause_weights.WEIGHTS
