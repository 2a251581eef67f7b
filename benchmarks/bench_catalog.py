"""How fast a catalog answers: every documented query on 60,000 exposures, heavier ones on more.

Usage: python benchmarks/bench_catalog.py [--toy] [numbers of exposures, default 60000 1000000]
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from toy import TOY, arguments

from wfc3tvb.catalog import queries
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.schema import TABLES, TVB_CLASSES, arrow_schema

READS = 15
FIRST = "iaaaaaa0q"
GIVEN = {
    "my_visit": {"visit": FIRST[:6]}, "my_association": {"asn_id": FIRST[:6] + "010"},
    "my_program": {"proposal_id": 10000},
    "provenance": {"rootname": FIRST}, "reads_of": {"rootname": FIRST}, "visit_exposures": {"visit": FIRST[:6]},
    "visit_reads": {"visit": FIRST[:6]}, "visit_light": {"visit": FIRST[:6]},
    "covers_position": {"ra": 150.1, "dec": 2.3}, "overlapping_visits": {"visit": FIRST[:6]},
}  # fmt: skip
ACROSS = {
    "group-by over all reads": "SELECT used, count(*), avg(rate), max(sun_alt) FROM reads GROUP BY used",
    "join of reads and exposures": """SELECT e.filter, e.tvb_class, avg(r.rate - e.sky_min) FROM reads r
        JOIN exposures e USING (rootname) GROUP BY ALL""",
    "one exposure": f"FROM reads WHERE rootname = '{FIRST}' ORDER BY read",
}
#: What these may take at most on a million exposures and two cores [s].
LIMITS = {"group-by over all reads": 0.8, "join of reads and exposures": 1.2, "one exposure": 0.1}


def rootnames(n: int) -> list[str]:
    """Return n rootnames, eight to a visit."""
    letters = "abcdefghijklmnopqrstuvwxyz"

    def code(i: int) -> str:
        return "".join(letters[i // 26**k % 26] for k in (4, 3, 2, 1, 0))

    return [f"i{code(i // 8)}a{i % 8}q" for i in range(n)]


def columns(table: str, n: int, known: dict[str, object], rng: np.random.Generator) -> pa.Table:
    """Return n rows of a table: known columns, drawn numbers elsewhere."""
    arrays = []
    for column in TABLES[table].columns:
        if column.name in known:
            arrays.append(pa.array(known[column.name], arrow_schema(table).field(column.name).type))
        elif column.type == "float":
            arrays.append(pa.array(rng.gamma(2.0, 0.5, n)))
        elif column.type == "int":
            arrays.append(pa.array(rng.integers(0, 16, n)))
        elif column.type == "bool":
            arrays.append(pa.array(rng.random(n) < 0.2))
        else:
            arrays.append(pa.nulls(n, arrow_schema(table).field(column.name).type))
    return pa.Table.from_arrays(arrays, schema=arrow_schema(table))


def frame(ra: float, dec: float) -> str:
    """Return the footprint of a frame, its sides along the meridian."""
    width = 0.018 / max(np.cos(np.radians(dec)), 0.01)
    corners = (
        (ra - width, dec - 0.018),
        (ra + width, dec - 0.018),
        (ra + width, dec + 0.018),
        (ra - width, dec + 0.018),
    )
    return "POLYGON ICRS " + " ".join(f"{x % 360:.6f} {max(-90.0, min(90.0, y)):.6f}" for x, y in corners)


def build(folder: Path, n: int) -> None:
    """Write a catalog of n exposures, in commits of 100,000."""
    rng, names = np.random.default_rng(1), rootnames(n)
    catalog = open_catalog(folder, mode="a")
    for start in range(0, n, 100_000):
        part = names[start : start + 100_000]
        m = len(part)
        numbers = np.tile(np.arange(1, READS + 1), m)
        flagged = rng.random(m) < 0.2
        ra, dec = rng.uniform(0, 360, m), np.degrees(np.arcsin(rng.uniform(-1, 1, m)))
        reads = {"rootname": np.repeat(part, READS), "read": numbers}
        catalog.append("reads", columns("reads", m * READS, reads, rng))
        exposures = {
            "rootname": part, "visit": [p[:6] for p in part], "dataset": [p[:6] + "010" for p in part],
            "asn_id": [p[:6] + "010" for p in part], "proposal_id": 10000 + np.arange(start, start + m) // 200,
            "filter": rng.choice(["F105W", "F110W", "F160W"], m), "samp_seq": rng.choice(["SPARS50", "STEP200"], m),
            "expstart": rng.uniform(55000, 60000, m), "tvb_class": rng.choice(TVB_CLASSES, m),
            "tvb_kind": rng.choice(["helium", "scattered"], m),
            "flagged": flagged, "recommend": np.where(flagged, "omit", "none"),
            "ra": ra, "dec": dec, "s_region": [frame(*center) for center in zip(ra, dec, strict=True)],
        }  # fmt: skip
        catalog.append("exposures", columns("exposures", m, exposures, rng))
    catalog.update_views()


def best(call: Callable[[], object], times: int = 5) -> float:
    """Return the median time of a call [s]."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def report(name: str, seconds: float, limit: float | None = None) -> None:
    """Print a time, and what it may be at most."""
    print(f"{name:32} {seconds:7.3f} s" + (f"   (at most {limit} s)" if limit else ""))


def flux_table(folder: Path) -> str:
    """Write a table of a solar flux a day, as a user brings it."""
    path = folder / "flux.csv"
    path.write_text("mjd,flux\n" + "".join(f"{day},{70 + day % 100}\n" for day in range(55000, 60001)))
    return str(path)


def main() -> None:
    """Run it."""
    for n in map(int, arguments((), ()) or (("300",) if TOY else ("60000", "1000000"))):
        measure(n)


def measure(n: int) -> None:
    """Print the times of a catalog of n exposures."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "catalog"
        build(folder, n)
        print(f"{n} exposures, {n * READS} reads")

        def opened() -> None:
            with open_catalog(folder) as catalog:
                catalog.sql("SELECT count(*) FROM exposures").fetchall()

        small = n <= 60_000
        report("open and first query", best(opened), 0.06 if small else None)
        given = GIVEN | {"excess_by_solar_flux": {"table": flux_table(Path(scratch))}}
        with open_catalog(folder) as catalog:
            for name in queries.load_all():
                own = given.get(name, {})
                seconds = best(lambda name=name, own=own: catalog.query(name, **own).to_arrow_table())
                report(f"query {name}", seconds, 0.12 if small else None)
            for name, text in ACROSS.items():
                report(name, best(lambda text=text: catalog.fetch(text)), None if small else LIMITS[name])


if __name__ == "__main__":
    main()
