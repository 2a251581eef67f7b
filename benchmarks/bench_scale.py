"""How a survey grows: simulated archives of 10^3, 10^4 and 10^5 exposures crawled, stored and queried.

Run with ``python benchmarks/bench_scale.py [--toy] [numbers of exposures]``. Lists come from the loopback archive by
the real client; curves are drawn, no pixels. Each size runs in a process of its own, whose memory is that of the driver
alone.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from toy import TOY, arguments

from wfc3tvb.archive.remote import MastArchive
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.catalog.compaction import compact
from wfc3tvb.config import MeasureSettings, Selection, Services
from wfc3tvb.loopback import Index, serve
from wfc3tvb.models import Measurement, ReadCube, Row
from wfc3tvb.schema import TABLES
from wfc3tvb.survey import survey as module
from wfc3tvb.survey.survey import survey

MEMBERS, READS = 6, 15
ASK = """SELECT filter, tvb_class, count(*), avg(r.rate - e.sky_mean) FROM reads r JOIN exposures e USING (rootname)
    GROUP BY ALL"""


@dataclass(frozen=True)
class Drawn(MastArchive):
    """MAST's list; the reads are drawn from the name."""

    name: ClassVar[str] = "simulated"
    prefetch: ClassVar[int] = 0

    def read(self, rootname: str, settings: MeasureSettings) -> tuple[ReadCube, None]:
        """Return reads without pixels."""
        t = np.arange(1.0, READS + 1) * 100
        rate, dq = np.zeros((READS, 1, 1), np.float32), np.zeros((READS, 1, 1), np.int16)
        return ReadCube(rootname, {}, t, t, rate, dq, np.arange(1), (1, 1), (1, 1), n_bytes=7_660_000), None


def drawn(cube: ReadCube, orbit: None, settings: MeasureSettings) -> Measurement:
    """Return rows of a drawn curve."""
    rng = np.random.default_rng(int(cube.rootname[1:6], 36))
    sky, hit = float(rng.gamma(4.0, 0.2)), bool(rng.random() < 0.2)
    root = cube.rootname
    exposure = TABLES["exposures"].empty_row() | {
        "rootname": root, "visit": root[:6], "filter": "F105W", "sky_mean": sky, "flagged": hit, "nsamp": READS + 1,
        "tvb_class": "severe" if hit else "none", "quality_flags": [], "affected_reads": [], "expstart": 56000.0,
    }  # fmt: skip
    reads = [
        TABLES["reads"].empty_row() | {
            "rootname": root, "read": i + 1, "t_end": float(t), "rate": sky + float(rng.normal(0, 0.02)),
            "rate_err": 0.02, "lr_diff": 0.0, "sun_alt": float(50 - 5 * i), "used": True,
        }
        for i, t in enumerate(cube.t)
    ]  # fmt: skip
    return Measurement(exposure, reads)


def datasets(n: int) -> Iterator[Row]:
    """Yield associations of six exposures, an hour apart."""
    letters = "0123456789abcdefghijklmnopqrstuvwxyz"
    for i in range(-(-n // MEMBERS)):
        code = "".join(letters[i // 36**k % 36] for k in (4, 3, 2, 1, 0))
        start = 55000.0 + i * 5000 / max(n / MEMBERS, 1)
        yield {
            "dataset": f"i{code}010", "asn_id": f"i{code}010", "instrument_config": "WFC3/IR", "filters": "F105W",
            "proposal_id": 11000 + i // 50, "pi": "Drawn", "target_name": f"FIELD-{i}", "start_time": start,
            "stop_time": start + 0.1, "sun_alt": 10.0, "generation_date": 58000.0,
            "members": [f"i{code}{m:02d}q" for m in range(min(MEMBERS, n - i * MEMBERS))],
        }  # fmt: skip


def one(n: int) -> None:
    """Crawl, store and query `n` exposures, and print a line."""
    module.BATCH_SECONDS = 1e9
    with tempfile.TemporaryDirectory() as scratch, archive(n) as address:
        source, folder = Drawn(Services(mast=address)), Path(scratch) / "catalog"
        before = peak()
        with open_catalog(folder, mode="a") as catalog:
            began = time.process_time()
            n_listed = len(list(source.datasets(Selection())))
            listed = time.process_time()
            report = survey(catalog, Selection(), source=source, measure=drawn)
            stored, most = time.process_time(), peak()
            catalog.sql(ASK).fetchall()
            queried = time.process_time()
            n_files = sum(1 for path in folder.rglob("*.parquet"))
            compact(catalog, grace_hours=0)
            left = [path.stat().st_size for path in folder.rglob("*.parquet")]
        assert (report.n_measured, n_listed) == (n, -(-n // MEMBERS))
    print(
        f"{n:9}{listed - began:9.1f}{stored - listed:9.1f}{1e3 * (stored - listed) / n:9.2f}{queried - stored:9.2f}"
        f"{before:9.0f}{most:8.0f}{n_files:8}{len(left):9}{sum(left) / 1e6:8.1f}",
        flush=True,
    )


@contextmanager
def archive(n: int) -> Iterator[str]:
    """Serve `n` exposures from a process of its own, and yield the address."""
    with subprocess.Popen([sys.executable, __file__, "--serve", str(n)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def serve_drawn(n: int) -> None:
    """Serve `n` exposures until terminated, and print the address."""
    with serve(Index.from_rows(datasets(n))) as archive:
        print(archive.mast, flush=True)
        threading.Event().wait()


def peak() -> float:
    """Return the largest resident memory of this process so far [MB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the table."""
    sizes = arguments((), ()) or (["60"] if TOY else ["1000", "10000", "100000"])
    print("drawn curves of 15 reads; CPU time and memory of the driver alone, memory before the survey and at most")
    names = ("list s", "store s", "ms each", "query s", "before", "peak MB", "files", "compact", "MB")
    print(f"{'exposures':>9}" + "".join(f"{name:>9}" for name in names[:5]) + "".join(f"{n:>8}" for n in names[5:]))
    for n in sizes:
        subprocess.run([sys.executable, __file__, "--one", n], check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(int(sys.argv[2]))
    elif sys.argv[1:2] == ["--serve"]:
        serve_drawn(int(sys.argv[2]))
    else:
        main()
