"""Compare with every peer that is installed, for a number of minutes, on cases drawn from a seed that is printed.

``python -m tools.differential [--minutes 10] [--seed N] [--page docs/differential.md] [--only PEER]``. The comparison
that has had the least time is next. Exit status 1 if anything differs: each difference is a line with the seed of its
case, and ``--seed`` with the printed number draws the same cases again.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.differential import calibrated, combined, curves, ramps  # noqa: E402 (the tests' helpers lie in ROOT)

BEGIN, END = "<!-- last run: written by tools/differential -->", "<!-- end of last run -->"


@dataclass
class Comparison:
    """One peer, and what was found so far.

    Attributes
    ----------
    peer, what : str
        The other program, and what has to be the same.
    case : callable
        Draws and compares one case in an empty folder; returns the differences.
    missing : callable
        Returns why the peer cannot run here, or None.
    """

    peer: str
    what: str
    case: Callable[[np.random.Generator, Path], list[str]]
    missing: Callable[[], str | None]
    n: int = 0
    seconds: float = 0.0
    differing: list[str] = field(default_factory=list)


def comparisons() -> list[Comparison]:
    """Return all comparisons."""
    return [
        Comparison("calwf3.e", calibrated.WHAT, calibrated.case, calibrated.missing),
        Comparison("wfc3tools.pstat", curves.WHAT_PSTAT, curves.pstat_case, curves.missing),
        Comparison("plain numpy", curves.WHAT_PLAIN, curves.plain_case, lambda: None),
        Comparison("stcal", ramps.WHAT, ramps.case, ramps.missing),
        Comparison("AstroDrizzle", combined.WHAT, combined.case, lambda: None),
    ]


def main() -> None:
    """Run, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(prog="python -m tools.differential")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9))
    parser.add_argument("--page", type=Path)
    parser.add_argument("--only", help="a peer")
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    there, absent = [], []
    for one in comparisons():
        if given.only in (None, one.peer):
            reason = one.missing()
            there.append(one) if reason is None else absent.append(f"{one.peer}: not compared, {reason}")
    run(there, seed=given.seed, seconds=60 * given.minutes)
    text = "\n".join([*table(there), *[f"\n{line}" for line in absent]])
    print(text)
    if given.page:
        write(given.page, f"Seed {given.seed}, {given.minutes:g} minutes.\n\n{text}")
    sys.exit(any(one.differing for one in there))


def run(chosen: list[Comparison], *, seed: int, seconds: float) -> None:
    """Compare until the time is over, each peer at least once."""
    end = time.monotonic() + seconds
    while chosen and (time.monotonic() < end or any(one.n == 0 for one in chosen)):
        one = min(chosen, key=lambda one: (one.n > 0, one.seconds))
        began = time.monotonic()
        rng = np.random.default_rng([seed, comparison_number(one.peer), one.n])
        with tempfile.TemporaryDirectory() as folder:
            found = one.case(rng, Path(folder))
        one.differing += [f"{one.peer}, case {one.n}: {text}" for text in found[:5]]
        for text in found[:5]:
            print(f"{one.peer}, case {one.n}: {text}", flush=True)
        one.n += 1
        one.seconds += time.monotonic() - began


def comparison_number(peer: str) -> int:
    """Return a number for a peer, so that its cases do not depend on which others run."""
    return int.from_bytes(peer.encode()[:6], "big")


def table(chosen: list[Comparison]) -> list[str]:
    """Return what was compared as a Markdown table, and the differences."""
    lines = ["| beside | compared | cases | with differences |", "|---|---|---|---|"]
    for one in chosen:
        differing = len({text.split(":")[0] for text in one.differing})
        lines.append(f"| {one.peer} | {one.what} | {one.n} | {differing} |")
    return [*lines, *[f"\n- {text}" for one in chosen for text in one.differing]]


def write(page: Path, text: str) -> None:
    """Put the result of a run into a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
