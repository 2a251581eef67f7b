"""Survey under bad conditions: the archive fails, workers are killed, a compaction and two readers run beside it.

``python -m tools.crowded [--exposures 2000] [--kill-every 20] [--jobs 2] [--seed N]``. Afterwards the rows have to be
those of an undisturbed survey, the memory of the survey must not have grown, and nothing may have hung. Exit status 1
if something is wrong.

The archive has the files of a few visits and serves copies of them under other names. Undisturbed, these few are
surveyed, from which the rows of all others follow; up to ``--whole`` exposures all of them are, and both ways of
judging have to agree.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.crowded.archive import Copies, Served, make_archive, served  # noqa: E402
from tools.crowded.beside import Crowd, Pauses, by_size, grown  # noqa: E402
from tools.faults import judge  # noqa: E402

#: Longest time of the survey in all its runs [s]: what takes longer hangs.
_WHOLE = 86_400.0
#: Share of the requests that the archive refuses, and growth of memory that counts as none [MB].
_SHARE, _GROWTH = 0.05, 100.0


def survey(catalog: Path, jobs: int, environment: Mapping[str, str], crowd: Crowd | None = None) -> int:
    """Survey everything, again after each run that ends before its time, and return the number of runs."""
    command = [sys.executable, "-m", "wfc3tvb", "survey", "--source", "s3", "--all", "--filters", "all", "--jobs",
               str(jobs), "--catalog", str(catalog)]  # fmt: skip
    end = time.monotonic() + _WHOLE
    for n in count(1):
        process = subprocess.Popen(
            command, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        if crowd is not None:
            crowd.survey = process
        try:
            _, err = process.communicate(timeout=max(end - time.monotonic(), 0))
        finally:
            process.terminate()  # if it hangs, or this program is interrupted
        if process.returncode == 0:
            return n
        if process.returncode != 1 or "Traceback" in err:
            raise RuntimeError(f"survey: exit status {process.returncode}: {err[-500:]}")
    raise AssertionError("unreachable")


def main() -> int:
    """Run both surveys, and print what was seen."""
    parser = argparse.ArgumentParser(prog="python -m tools.crowded")
    parser.add_argument("--exposures", type=int, default=2000)
    parser.add_argument("--templates", type=int, default=400, help="exposures that are files, the others are copies")
    parser.add_argument("--whole", type=int, default=4000, help="up to which number all are surveyed undisturbed")
    parser.add_argument("--kill-every", type=float, default=20.0, help="seconds, as of the next two")
    parser.add_argument("--compact-every", type=float, default=30.0)
    parser.add_argument("--look-every", type=float, default=2.0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="folder for archive and catalogs, which stay there")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what it has started ends with it
    print(f"seed {given.seed}", flush=True)
    if given.keep is not None:
        return run(given.keep, given)
    with tempfile.TemporaryDirectory(prefix="wfc3tvb-crowded-") as name:
        return run(Path(name), given)


def run(place: Path, given: argparse.Namespace) -> int:
    """Run both surveys in a folder, and return the exit status."""
    copies = Copies(given.exposures, min(given.templates, given.exposures))
    make_archive(place / "archive", copies.n_templates)
    undisturbed = copies.n if copies.n <= given.whole else copies.n_templates
    began = time.monotonic()
    with served(place / "archive", undisturbed, copies.n_templates) as archive:
        survey(place / "undisturbed" / "catalog", given.jobs, archive.environment)
    print(f"{undisturbed} exposures undisturbed: {time.monotonic() - began:.0f} s", flush=True)
    pauses = Pauses(given.kill_every, given.compact_every, given.look_every)
    crowd = Crowd(place / "crowded" / "catalog", pauses, random.Random(given.seed))
    with served(place / "archive", copies.n, copies.n_templates, share=_SHARE, seed=given.seed) as archive:
        n_runs = _crowded(crowd, given.jobs, archive)
    print(f"{copies.n} exposures crowded: {time.monotonic() - crowd.began:.0f} s, {n_runs} runs", flush=True)
    wrong = crowd.wrong + judge.failing_checks(place / "crowded")
    wrong += _wrong_rows(place, copies, whole=undisturbed == copies.n)
    if (growth := grown(crowd.memory)) > _GROWTH:
        wrong.append(f"the memory of the survey has grown by {growth:.0f} MB")
    tell(crowd, archive)
    print("\n".join(wrong) or "the same rows, nothing wrong")
    return 1 if wrong else 0


def _crowded(crowd: Crowd, jobs: int, archive: Served) -> int:
    """Survey with everything beside it, and return the number of runs."""
    crowd.catalog.parent.mkdir()
    create = f"import wfc3tvb; wfc3tvb.open_catalog({str(crowd.catalog)!r}, mode='a')"
    subprocess.run([sys.executable, "-c", create], check=True)  # for the readers
    with crowd.around():
        return survey(crowd.catalog, jobs, archive.environment, crowd)


def _wrong_rows(place: Path, copies: Copies, *, whole: bool) -> list[str]:
    """Compare the rows of both surveys, in both ways if all exposures were surveyed undisturbed."""
    from tools.crowded.expected import differences

    undisturbed, crowded = place / "undisturbed", place / "crowded"
    wrong = differences(undisturbed / "catalog", crowded / "catalog", copies)
    if whole:
        before, after = judge.rows(undisturbed), judge.rows(crowded)
        wrong += [f"other rows of {table}" for table, value in before.items() if after[table] != value]
    return wrong


def tell(crowd: Crowd, archive: Served) -> None:
    """Print what was seen beside the survey."""
    requests = archive.requests
    print(f"{crowd.n_killed} workers killed, {requests['refused']} of {requests['all']} requests refused, "
          f"{crowd.n_compacted} compactions")  # fmt: skip
    for seconds, size in crowd.memory[:: max(len(crowd.memory) // 10, 1)]:
        print(f"  after {seconds:5.0f} s the survey takes {size:6.0f} MB")
    print(f"growth of its largest memory from the second to the last third: {grown(crowd.memory):+.0f} MB")
    print("most memory: " + ", ".join(f"{kind} {size:.0f} MB" for kind, size in crowd.peaks.items()))
    for what, n, times in by_size(crowd.took):
        middle = sorted(times)[len(times) // 2]
        print(f"  {what:8} up to {n:6} exposures: {middle:6.2f} s, {max(times):6.2f} s at most, {len(times)} times")


if __name__ == "__main__":
    sys.exit(main())
