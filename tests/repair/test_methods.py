"""Methods of repair: their effect on a ramp, their expected noise, and where a new one appears."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wfc3tvb.repair import methods
from wfc3tvb.repair.expected import expected_noise, kept_curve, true_level
from wfc3tvb.repair.methods import implementation
from wfc3tvb.repair.methods.flatten import flatten
from wfc3tvb.repair.methods.mask_reads import left_out_of, stitch
from wfc3tvb.repair.methods.omit import recover_saturated
from wfc3tvb.repair.model import Member
from wfc3tvb.repair.recalibrate import reads_used
from wfc3tvb.schema.methods import METHODS, PERFORM, methods_markdown

ROOT = Path(__file__).resolve().parents[2]
TIMES = np.array([0.0, 3.0, 100.0, 200.0, 300.0, 400.0])
RATES = np.array([0.5, 0.5, 0.5, 1.5, 2.0])
#: Electrons of the sky at each read, the zeroth first.
SKY = np.concatenate([[0.0], np.cumsum(RATES * np.diff(TIMES))])
CUMULATIVE = SKY[1:] / TIMES[1:]
STAR = 7.0
GAIN = 2.5


def ramp() -> np.ndarray:
    """Return a cube of 6 reads: the sky, and a star on it [DN]."""
    counts = np.stack([SKY, SKY + STAR * TIMES], axis=1)[:, None, :] / GAIN
    return counts.astype(np.float32)


def test_a_flattened_sky_is_a_line_through_its_last_read() -> None:
    flat = flatten(ramp(), TIMES[1:], CUMULATIVE, GAIN) * GAIN
    assert flat[:, 0, 0] == pytest.approx(CUMULATIVE[-1] * TIMES, abs=1e-3)
    assert flat[:, 0, 1] == pytest.approx((CUMULATIVE[-1] + STAR) * TIMES, abs=1e-3)


@pytest.mark.parametrize("left_out", [(1,), (1, 2), (4, 5), (3,), (2, 4)])
def test_a_stitched_ramp_holds_only_the_intervals_that_stay(left_out: tuple[int, ...]) -> None:
    stitched = stitch(5, TIMES, left_out)
    counts = left_out_of(ramp(), stitched)[:, 0, 0] * GAIN
    kept = [k for k in range(1, 6) if k not in left_out]
    electrons = np.cumsum([RATES[k - 1] * (TIMES[k] - TIMES[k - 1]) for k in kept])
    times = np.cumsum([TIMES[k] - TIMES[k - 1] for k in kept])
    assert counts == pytest.approx([0.0, *electrons], abs=1e-3)
    assert stitched.times == pytest.approx([0.0, *times])


@pytest.mark.parametrize(
    ("left_out", "reads", "gaps", "times"),
    [
        ((), [0, 1, 2, 3, 4, 5], (), [0, 10, 30, 60, 100, 150]),
        ((2, 4), [0, 1, 3, 5], ((1, 2), (3, 4)), [0, 10, 40, 90]),
        ((2, 3), [0, 1, 4, 5], ((1, 3),), [0, 10, 50, 100]),
        ((1,), [1, 2, 3, 4, 5], (), [0, 20, 50, 90, 140]),
        ((1, 2, 5), [2, 3, 4], (), [0, 30, 70]),
    ],
)
def test_reads_gaps_and_times_of_a_stitched_ramp(
    left_out: tuple[int, ...], reads: list[int], gaps: tuple[tuple[int, int], ...], times: list[float]
) -> None:
    """Intervals of 10, 20, 30, 40 and 50 s; the first read of a ramp is the one before the first that is kept."""
    found = stitch(5, np.array([0.0, 10, 30, 60, 100, 150]), left_out=left_out)
    assert (found.reads.tolist(), found.removed, found.times.tolist()) == (reads, gaps, times)


def test_leaving_almost_everything_out_is_refused() -> None:
    with pytest.raises(ValueError, match="fewer than two reads"):
        stitch(5, TIMES, (1, 2, 3, 4))


def test_late_saturation_is_recovered_and_early_is_not() -> None:
    true = (SKY[1:] + 50.0 * TIMES[1:]) / TIMES[1:]
    reads = np.repeat(true[:, None, None], 3, axis=2).astype(np.float32)
    saturated = np.zeros((5, 1, 3), bool)
    saturated[3:, 0, 1] = True
    saturated[:, 0, 2] = True
    reads[3:, 0, 1] = 1.0
    rate, recovered = recover_saturated(reads[-1], reads, saturated, TIMES[1:], CUMULATIVE)
    assert recovered.tolist() == [[False, True, False]]
    assert rate[0, :2] == pytest.approx([true[-1], true[-1]], rel=1e-5)


def test_every_method_has_its_module_and_its_module_the_steps_that_its_entry_names() -> None:
    folder = Path(methods.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} - {"__init__", "base", "known_light", "refit"} == {
        *METHODS,
        PERFORM.name,
    }
    for name, entry in (METHODS | {PERFORM.name: PERFORM}).items():
        method = implementation(name)
        steps = {"raw": method.change_raw, "reads": method.make_image}
        assert method.description is entry
        assert [place for place, step in steps.items() if step is not None] == [entry.works_on] * (
            entry.works_on != "switch"
        )


def test_the_docs_hold_the_table_of_methods() -> None:
    assert methods_markdown() in (ROOT / "docs" / "reprocess.md").read_text(encoding="utf-8")


def test_noise_and_level_expected_are_those_of_the_reads_that_stay() -> None:
    """Sky 0.5 electron/s in the 200 s that stay, 1.5 and 2.0 in the 200 s left out: 450 electrons in all."""
    member = Member(
        "ibohbfb9q", "mask_reads", "", sky_mean=float(CUMULATIVE[-1]), times=tuple(TIMES[1:]),
        cumulative=tuple(CUMULATIVE), affected=(4, 5), nsamp=6,
    )  # fmt: skip
    assert true_level(member) == pytest.approx(0.5)
    assert reads_used(member) == "1-3"
    assert kept_curve(member)[0] == pytest.approx([3.0, 100.0, 200.0])
    omitted = replace(member, method="omit")
    assert true_level(omitted) == pytest.approx(450 / 400)
    assert reads_used(omitted) == "1-5"
    assert expected_noise(omitted) == pytest.approx(np.sqrt(20.5**2 + 450 + 0.048 * 400) / 400)
    assert expected_noise(replace(omitted, sky_mean=None)) is None


ENTRY = """        Method(
            "halve", crcorr="omit", works_on="raw", noise="last_minus_first", needs_curve=False,
            rejects_cosmic_rays=False, gradient="no", recovers="none", help="half of everything",
            report="halve takes half of everything",
        ),
    )
}  # fmt: skip
"""
MODULE = """
from wfc3tvb.repair.methods.base import RepairMethod
from wfc3tvb.schema.methods import METHODS

METHOD = RepairMethod(METHODS["halve"], change_raw=print)
"""
PROGRAM = """
import json, sys
from click.testing import CliRunner
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.catalog.release import schema_markdown
from wfc3tvb.cli import main
from wfc3tvb.repair.methods import implementation
from wfc3tvb.repair.reprocess import ReprocessSettings, plan_reprocess
from wfc3tvb.schema import RECOMMENDATIONS, TABLES
from wfc3tvb.schema.methods import methods_markdown

row = TABLES["exposures"].empty_row() | {
    "rootname": "ibohbfb9q", "dataset": "ibohbf040", "asn_id": "ibohbf040", "visit": "ibohbf", "filter": "F105W",
    "nsamp": 16, "flagged": True, "recommend": "halve", "quality_flags": [], "affected_reads": [], "noise_halve": 0.01,
}
with open_catalog(sys.argv[1], mode="a") as catalog:
    catalog.append("exposures", [row])
    plans = [plan_reprocess(catalog, settings=ReprocessSettings(method=name)) for name in ("auto", "halve")]
print(json.dumps({
    "help": CliRunner().invoke(main, ["reprocess", "--help"]).output, "set": RECOMMENDATIONS,
    "plans": [dict(plan.methods) for plan in plans], "docs": methods_markdown(), "catalog": schema_markdown(),
    "step": implementation("halve").change_raw is print,
}))
"""


def test_a_new_method_is_one_file_and_one_entry(tmp_path: Path) -> None:
    package = tmp_path / "src" / "wfc3tvb"
    shutil.copytree(ROOT / "src" / "wfc3tvb", package, ignore=shutil.ignore_patterns("__pycache__"))
    entries = package / "schema" / "methods.py"
    text = entries.read_text()
    assert text.count("    )\n}  # fmt: skip\n") == 1
    entries.write_text(text.replace("    )\n}  # fmt: skip\n", ENTRY))
    (package / "repair" / "methods" / "halve.py").write_text(MODULE)
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "catalog")], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(package.parent)}, cwd=tmp_path,
    )  # fmt: skip
    said = json.loads(found.stdout)
    assert "mask_reads|halve]" in said["help"]
    assert "halve: half of everything" in " ".join(said["help"].split())
    assert said["set"] == ["none", *METHODS, "halve", "inspect"]
    assert said["plans"] == [{"halve": 1}] * 2
    assert "| halve | half of everything | the RAW file | stay in the FLT | none |" in said["docs"]
    assert "| noise_halve | float | electron/s | expected sky noise of a pixel after halve |" in said["catalog"]
    assert said["step"]
