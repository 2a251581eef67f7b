"""Try damaged and hostile inputs at every door that reads bytes of others.

``python -m tools.fuzz [DOOR ...] [--minutes 10] [--inputs N] [--seed N] [--keep]``. Each door is tried for the minutes,
or up to the number of inputs. Exit status 1 if an input does anything but be accepted, or be refused with an error of
the package, within 1 s and 1 GB; such an input is drawn again by ``--seed N --show NUMBER``.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.fuzz.campaign import Campaign, run  # noqa: E402 (the tests' helpers lie in ROOT)
from tools.fuzz.doors import DOORS  # noqa: E402


def main() -> None:
    """Run, and print a table of what was tried."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=__doc__)
    parser.add_argument("doors", nargs="*", metavar="DOOR", help=f"one of {', '.join(DOORS)}; by default all")
    parser.add_argument("--minutes", type=float, default=10.0, help="longest time for each door")
    parser.add_argument("--inputs", type=int, default=10**9, help="most inputs for each door")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9))
    parser.add_argument("--keep", action="store_true", help="keep an input of every kind in tests/data/fuzz")
    parser.add_argument("--show", type=int, metavar="NUMBER", help="write the input of a number to standard output")
    given = parser.parse_args()
    if given.show is not None:
        with tempfile.TemporaryDirectory() as folder:
            sys.stdout.buffer.write(DOORS[given.doors[0]](Path(folder)).input(given.seed, given.show))
        return
    print(f"seed {given.seed}", flush=True)
    done = []
    for name in given.doors or DOORS:
        one = run(name, seed=given.seed, seconds=60 * given.minutes, most=given.inputs, keep=given.keep)
        done.append(one)
        print(row(one), flush=True)
    print("\n".join(table(done)))
    sys.exit(any(one.found for one in done))


def table(done: list[Campaign]) -> list[str]:
    """Return what was tried as a Markdown table."""
    head = "| door | reads | inputs | accepted | kinds of answers | inputs/s | memory [MB] | findings |"
    return [head, "|---|---|---|---|---|---|---|---|", *(row(one) for one in done)]


def row(one: Campaign) -> str:
    """Return the row of a door."""
    rate = one.n / max(one.seconds, 1e-3)
    share = 100 * one.accepted / max(one.n, 1)
    return (
        f"| {one.name} | {one.what} | {one.n:,} | {share:.0f} % | {len(one.kinds)} | {rate:.0f} | {one.memory:.0f} "
        f"| {len(one.found)} |"
    )


if __name__ == "__main__":
    main()
