"""Compare this version of the package with another on one simulated visit: rows by column, products by extension.

``python tools/compare_versions.py VERSION [--size 64]``: VERSION is a tag or a commit, taken from the repository into a
scratch folder. Both read the same files, which this version simulates. Exit status 0 whatever differs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

ROOT = Path(__file__).resolve().parents[1]
#: What each version runs, in its own process: RAW files are calibrated, their reads measured and scored.
PROGRAM = """
import json, sys
from pathlib import Path
import wfc3tvb
visit, out = Path(sys.argv[1]), Path(sys.argv[2])
found = {"exposures": {}, "reads": {}}
for raw in sorted(visit.glob("hst/public/*/*/*_raw.fits"))[:int(sys.argv[3])]:
    (made,) = wfc3tvb.calibrate(raw, engine="native", outdir=out, iref=visit / "references")
    one = wfc3tvb.measure(made.ima)
    found["exposures"][made.rootname] = dict(one.exposure)
    found["reads"] |= {f"{made.rootname} {row['read']}": dict(row) for row in one.reads}
(out / "rows.json").write_text(json.dumps(found, default=str))
"""
#: Columns and keywords that differ between any two runs.
OURS = {"run_id", "measured_at", "path", "ima_path"}
KEYWORDS = ["DATE", "CAL_VER", "HISTORY", "COMMENT"]


def main() -> None:
    """Run both and print the differences."""
    parser = argparse.ArgumentParser(prog="compare_versions.py")
    parser.add_argument("version")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--exposures", type=int, default=6)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        taken = source_of(given.version, folder / "source")
        simulate(folder / "visit", given.size)
        old = results(taken, folder, "old", given.exposures)
        new = results(ROOT / "src", folder, "new", given.exposures)
        lines = [line for table in old for line in columns(table, old[table], new[table])]
        lines += [line for path in sorted((folder / "new").glob("*_???.fits")) for line in products(path, folder)]
    counts = ", ".join(f"{len(new[table])} {table}" for table in new)
    print("\n".join(lines) or "no differences")
    print(f"{given.version} beside this version: {counts} compared; {len(lines)} columns or extensions differ")


def source_of(version: str, folder: Path) -> Path:
    """Unpack the source of a version and return the folder that holds the package."""
    done = subprocess.run(["git", "archive", version, "src", "queries"], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"no version {version!r} in this repository; give a tag or a commit (git tag, git log)")
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder / "src"


def simulate(folder: Path, size: int) -> None:
    """Simulate the visit, by this version."""
    program = "import sys, pathlib, wfc3tvb\n"
    program += "wfc3tvb.simulate_visit(pathlib.Path(sys.argv[1]), 'ibohbf040', size=int(sys.argv[2]), products=False)"
    run(ROOT / "src", program, str(folder), str(size))


def results(source: Path, folder: Path, name: str, n: int) -> dict[str, dict[str, Any]]:
    """Return the rows of a version by table and key; its products are in a folder of that name."""
    (folder / name).mkdir()
    run(source, PROGRAM, str(folder / "visit"), str(folder / name), str(n))
    return json.loads((folder / name / "rows.json").read_text())  # type: ignore[no-any-return]


def run(source: Path, program: str, *arguments: str) -> None:
    """Run a program with the package from a folder."""
    command = [sys.executable, "-c", program, *arguments]
    environment = os.environ | {"PYTHONPATH": str(source)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the version in {source} failed: {done.stderr.strip().splitlines()[-1]}")


def columns(table: str, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return a line for each column of a table that differs."""
    if set(old) != set(new):
        return [f"{table}: other rows ({len(old)} and {len(new)})"]
    names = [{name for row in rows.values() for name in row} - OURS for rows in (old, new)]
    lines = [f"{table}.{name}: only in the other version" for name in sorted(names[0] - names[1])]
    lines += [f"{table}.{name}: new" for name in sorted(names[1] - names[0])]
    for name in sorted(names[0] & names[1]):
        pairs = [(old[key].get(name), new[key].get(name)) for key in old]
        unequal = [(a, b) for a, b in pairs if a != b]
        if unequal:
            lines.append(f"{table}.{name}: {len(unequal)} of {len(pairs)} rows differ, {largest(unequal)}")
    return lines


def largest(pairs: list[tuple[Any, Any]]) -> str:
    """Return the largest difference of numbers, or the first pair of other values."""
    numbers = [(a, b) for a, b in pairs if type(a) in (int, float) and type(b) in (int, float)]
    if len(numbers) < len(pairs):
        first = next(pair for pair in pairs if pair not in numbers)
        return f"e.g. {first[0]!r} and {first[1]!r}"[:120]
    a, b = max(numbers, key=lambda pair: abs(pair[0] - pair[1]))
    return f"by {abs(a - b):.3g} at most ({a:.6g} and {b:.6g})"


def products(path: Path, folder: Path) -> list[str]:
    """Return a line for each extension of a product that differs in pixels or keywords."""
    other = folder / "old" / path.name
    if not other.exists():
        return [f"{path.name}: new"]
    lines = []
    with fits.open(other) as a, fits.open(path) as b:
        if len(a) != len(b):
            return [f"{path.name}: {len(a)} extensions and {len(b)}"]
        for x, y in zip(a, b, strict=True):
            if not fits.HDUDiff(x, y, ignore_keywords=KEYWORDS, ignore_comments=["*"]).identical:
                lines.append(f"{path.name}[{y.name},{y.ver}]: {pixels(x.data, y.data)}")
    return lines


def pixels(a: Any, b: Any) -> str:
    """Return in how many pixels two planes differ."""
    if a is None or b is None or a.shape != b.shape:
        return "keywords differ" if a is None and b is None else "other planes"
    unequal = int(np.count_nonzero((a != b) & ~((a != a) & (b != b))))  # noqa: PLR0124
    return f"{unequal} of {a.size} pixels differ" if unequal else "keywords differ"


if __name__ == "__main__":
    main()
