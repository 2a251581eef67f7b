"""Fail calls for input and output of commands, one a run: ``python -m tools.faults [--command NAME] [--all]``.

The first, the middle and the last call of each kind on each file fail, with ``--all`` every call. ``--sample N`` fails
N calls of every command, drawn from a seed that is printed. Exit status 1 if anything is wrong afterwards; each finding
is a line with the call, which ``--case`` repeats.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.faults.cases import Case, Stage  # noqa: E402
from tools.faults.library import ERRORS, VARIABLE, Control, build, missing  # noqa: E402
from tools.faults.scenes import scenes  # noqa: E402

#: Number of cases between two lines of progress.
_OFTEN = 50


def main() -> None:
    """Run, and print a line for every finding, and a table."""
    given = _parsed()
    if reason := missing():
        sys.exit(f"nothing fails: {reason}")
    if VARIABLE not in os.environ:
        _again_with_library()
    place = Path(tempfile.mkdtemp(prefix="wfc3tvb-faults-")).resolve()  # TemporaryDirectory would end with a fork
    try:
        n_wrong = run(place, given)
    finally:
        shutil.rmtree(place)
    sys.exit(1 if n_wrong else 0)


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.faults")
    parser.add_argument("--command", action="append", help="the name of a scene; repeatable")
    parser.add_argument("--all", action="store_true", help="fail every call, not three of each kind and file")
    parser.add_argument("--all-errors", action="store_true", help="with every error, not one for each call, in turn")
    parser.add_argument("--sample", type=int, help="fail only N calls of a command, drawn")
    parser.add_argument("--skip", type=int, default=0, help="leave out the first N, which an earlier run has failed")
    parser.add_argument("--part", default="1/1", help="K/N: every N-th case from the K-th, beside other parts")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--lasting", action="store_true", help="all later calls of the kind fail, too")
    parser.add_argument("--case", nargs=3, metavar=("CALL", "N", "ERROR"), help="only this case")
    return parser.parse_args()


def _again_with_library() -> None:
    """Start this program again with the library of faults loaded."""
    with tempfile.TemporaryDirectory(prefix="wfc3tvb-faults-") as folder:
        control = Path(folder) / "control"
        Control(control)
        settings = {"LD_PRELOAD": str(build(Path(folder))), VARIABLE: str(control)}
        environment = os.environ | settings
        command = [sys.executable, "-m", "tools.faults", *sys.argv[1:]]
        sys.exit(os.spawnve(os.P_WAIT, sys.executable, command, environment))


def run(place: Path, given: argparse.Namespace) -> int:
    """Run all scenes that are asked for, and return the number of cases with findings."""
    print(f"seed {given.seed}", flush=True)
    archives = place / "archives"
    archives.mkdir()
    control = Control(Path(os.environ[VARIABLE]))
    n_wrong = 0
    for name, scene in scenes(archives).items():
        if given.command and name not in given.command:
            continue
        stage = Stage(scene, place, control)
        stage.prepare()
        cases = _cases(stage, given)
        print(f"{name}: {sum(stage.counts.values())} calls, {len(cases)} cases", flush=True)
        n_wrong += _fail_each(stage, cases, given.skip)
    return n_wrong


def _fail_each(stage: Stage, cases: list[Case], skipped: int) -> int:
    """Run cases until all have run or SIGINT comes, print a table, and return the number of cases with findings."""
    failed, wrong, name, done = Counter(), Counter(), stage.scene.name, 0
    try:
        for done, case in enumerate(cases):
            findings = stage.run(case)
            failed[case.kind] += bool(stage.control.failed)
            wrong[case.kind] += bool(findings)
            where = stage.control.hit.removeprefix(str(stage.here) + "/")
            for each in findings:
                print(f"{name}: {case}: {where}: {each}", flush=True)
            if done % _OFTEN == _OFTEN - 1:
                print(f"{name}: {done + 1} of {len(cases)} cases, {wrong.total()} with findings", flush=True)
    except KeyboardInterrupt:
        print(f"{name}: stopped; --skip {skipped + done} goes on")
    print("| command | call | calls | failed | findings |\n|---|---|---|---|---|")
    print(
        "\n".join(f"| {name} | {k} | {n} | {failed[k]} | {wrong[k]} |" for k, n in stage.counts.items() if n),
        flush=True,
    )
    return wrong.total()


def _cases(stage: Stage, given: argparse.Namespace) -> list[Case]:
    """Return the cases of a scene."""
    if given.case:
        kind, n, error = given.case
        return [Case(kind, int(n), error, given.lasting)]
    cases = []
    for kind, numbers in stage.groups():
        few = {numbers[0], numbers[len(numbers) // 2], numbers[-1]}
        for n in numbers if given.all else sorted(few):
            errors = ERRORS[kind]
            errors = errors if given.all_errors else errors[(n + given.seed) % len(errors) :][:1]
            cases += [Case(kind, n, error, given.lasting) for error in errors]
    part, n_parts = map(int, given.part.split("/"))
    cases = cases[part - 1 :: n_parts][given.skip :]
    if given.sample is None:
        return cases
    return random.Random(given.seed).sample(cases, min(given.sample, len(cases)))


if __name__ == "__main__":
    main()
