"""Change the code in small ways, one at a time, and see whether a test notices: the mutation score of rooms.

``python -m tools.mutation [ROOM or MODULE ...] [--sample 60] [--seed N]``. A mutant is a swapped operator, a changed
number, a condition turned round. First, the tests of the room run once without a change, and the lines that each of
them executes are noted. For each mutant, the tests that execute its line run until one fails. Where they take longer
than the limit, three times what they take without a change and 5 s, the mutant counts as noticed: it does not end.

mutmut 3 leaves decorated functions out, and with them every kernel; cosmic-ray changes files in place and starts
Python anew for each mutant. Here a process that has the tests loaded is copied (fork), and gives its functions the
changed code; for changes outside of functions, a process with only the libraries loaded imports the changed module.
Changes of kernels, and of the numbers outside of functions that they use, run in plain Python (NUMBA_DISABLE_JIT)
without the tests that take too long there.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections import Counter
from functools import partial
from random import Random

import pytest
from tools.mutation.changes import ROOT, SOURCE, Mutant, mutants
from tools.mutation.equivalent import EQUIVALENT
from tools.mutation.runs import Loaded, anew, tried
from tools.mutation.tests import TestMap, in_a_child, is_plain, options

#: Room, and its folders or files of tests.
ROOMS = {
    "score": ("tests/score",),
    "repair/methods": (
        "tests/repair/test_methods.py",
        "tests/repair/test_known_light.py",
        "tests/repair/test_method_images.py",
        "tests/repair/test_optimal.py",
        "tests/properties/test_ramps.py",
    ),
    "curve": (
        "tests/curve",
        "tests/properties/test_sky.py",
        "tests/measure/test_pointing.py",
        "tests/fits/test_observation_log.py",
    ),
    "calibration": ("tests/calibration", "tests/properties/test_ramps.py"),
}
#: Rooms with compiled code: the modules whose numbers it keeps, and the tests that are short enough in plain Python.
_KERNELS = {
    "curve": ("curve/kernels.py", ("tests/curve/test_kernels.py",)),
    "calibration": ("calibration/", ROOMS["calibration"]),
}


class Score:
    """Counts what becomes of mutants, and prints those that no test notices."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._out = os.fdopen(os.dup(1), "w")

    def report(self, mutant: Mutant, found: str) -> None:
        """Count a mutant by the test that noticed it."""
        place = mutant.path.relative_to(SOURCE).as_posix()
        if found:
            self.counts["noticed"] += 1
        elif (place, mutant.text, mutant.change) in EQUIVALENT:
            self.counts["equivalent"] += 1
        else:
            print(f"src/wfc3tvb/{place}:{mutant.line}: {mutant.change}: {mutant.text}", file=self._out, flush=True)


def room_of(place: str) -> str:
    """Return the room of a module."""
    return next(room for room in ROOMS if place == room or place.startswith(f"{room}/"))


def try_room(place: str, *, sample: int, seed: int) -> None:
    """Try a sample of the mutants of a room or module; print those that no test notices, and the score."""
    every = mutants(place)
    chosen = sorted(
        Random(f"{seed} {place}").sample(every, min(sample, len(every))), key=lambda one: (str(one.path), one.number)
    )
    plain = [one for one in chosen if _is_compiled(room_of(place), one)]
    counts: Counter[str] = Counter()
    for some, disable in ((plain, "1"), ([one for one in chosen if one not in plain], "0")):
        if some:
            found = in_a_child(partial(_try_part, place, some, disable))
            if found is None:
                sys.exit("the tests fail without a change")
            counts += found
    meant = len(chosen) - counts["equivalent"]
    share = f"{100 * counts['noticed'] / meant:.0f} %" if meant else "-"
    cells = place, f"{len(every):,}", len(chosen), counts["noticed"], counts["equivalent"], share, seed
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def _is_compiled(room: str, mutant: Mutant) -> bool:
    """Return whether a change is in compiled code, or in a number that it keeps."""
    kept, _ = _KERNELS.get(room, ("-", ()))
    return mutant.in_kernel or (not mutant.in_function and mutant.path.relative_to(SOURCE).as_posix().startswith(kept))


def _try_part(place: str, chosen: list[Mutant], disable: str) -> Counter[str] | None:
    """Try mutants with kernels in plain Python, or compiled; return what became of them."""
    os.environ["NUMBA_DISABLE_JIT"] = disable
    import astropy.io.fits  # noqa: F401 (loaded once, before the copies)
    import numpy as np  # noqa: F401
    import scipy.special  # noqa: F401

    score = Score()
    found = in_a_child(partial(_try_loaded, place, [one for one in chosen if one.in_function], score))
    if found is None:
        return None
    score.counts, made = found
    given = options(kernels=room_of(place) in _KERNELS)
    for mutant in chosen:
        if not mutant.in_function:
            names = made.of(mutant)
            score.report(mutant, tried(mutant, made, names, partial(anew, mutant, names, given)))
    return score.counts


def _try_loaded(place: str, chosen: list[Mutant], score: Score) -> tuple[Counter[str], TestMap] | None:
    loaded = Loaded(place, chosen, score.report)
    room = room_of(place)
    tests = [str(ROOT / test) for test in (_KERNELS[room][1] if is_plain() else ROOMS[room])]
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # not the messages of pytest
    status = pytest.main([*options(kernels=room in _KERNELS), *tests], plugins=[loaded])
    return (score.counts, loaded.map) if status in (0, 5) else None


def main() -> None:
    """Try the rooms, each in a process of its own: kernels are compiled in some and not in others."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutation", description=__doc__)
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=f"one of {', '.join(ROOMS)}, or a module of one")
    parser.add_argument("--sample", type=int, default=60, help="mutants of each room")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9))
    given = parser.parse_args()
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.path[:0] = [str(ROOT), str(ROOT / "src")]
    os.chdir(ROOT)
    print(f"seed {given.seed}", flush=True)
    for place in given.rooms or ROOMS:
        try_room(place, sample=given.sample, seed=given.seed)


if __name__ == "__main__":
    main()
