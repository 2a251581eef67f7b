"""Every benchmark runs at toy size, and prints the lines that its page quotes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
#: What each prints, where * stands for a number above zero.
PRINTED = {
    "bench_calibrate": [
        "64 x 64 pixels, 16 reads",
        "wfc3tvb * s (*); later exposures of a process * s (*); limit of the bytes",
        "likelihood fit of ibohbfbkq, one core: * s; input read once * s",
    ],
    "bench_catalog": ["300 exposures, 4500 reads", "open and first query * s", "query worst_visits * s"],
    "bench_curve": [
        "wfc3tools.pstat, medians * * 1.00 1.00",
        "the whole curve * * * *",
        "ours / pstat / limit: * / * / * ms",
        "processes: * minutes",
    ],
    "bench_growth": ["80 query worst_visits * * 0.0", "80 export * * *", "80 report * * *"],
    "bench_reprocess": [
        "drizzled by native, --method omit: * s",
        "limit of the bytes: * s for * MB read and written once",
        "1 of 1 associations with --jobs 1: * s",
    ],
    "bench_scale": ["60 * * * * * * * 6 *"],
    "bench_survey": ["s3 80 1 300 ms 4 MB/s 3.0 *", "256 x 256, stars 2 * * *"],
}


def test_all_are_here() -> None:
    assert sorted(PRINTED) == sorted(path.stem for path in BENCHMARKS.glob("bench_*.py"))


@pytest.mark.parametrize("name", PRINTED)
def test_runs_at_toy_size(name: str) -> None:
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), "--toy"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    text = " ".join(done.stdout.split())
    for line in PRINTED[name]:
        found = re.search(re.escape(line).replace(r"\*", r"([\d.]+)").replace(r"\ ", r" "), text)
        assert found, (line, done.stdout)
        assert all(float(number) > 0 for number in found.groups()), found[0]
