"""Whether the live services answer in the shape we rely on, and our numbers agree with STScI's printed ones.

Visit IBOHBF040 is fetched, measured and repaired, and compared with what the STScI notebooks of 2018 and 2023 print
(WFC3Library: calwf3_recal_tvb, TVB_flattenramp).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from wfc3tvb.config import Selection
from wfc3tvb.io.catalog import Catalog
from wfc3tvb.pipeline.crawl import open_source
from wfc3tvb.pipeline.doctor import Finding
from wfc3tvb.pipeline.reprocess import ReprocessSettings, reprocess
from wfc3tvb.pipeline.survey import survey
from wfc3tvb.progress import Progress, silent

ASSOCIATION = "ibohbf040"
MEMBERS = ("ibohbfb7q", "ibohbfb9q", "ibohbfbdq", "ibohbfbgq", "ibohbfbkq", "ibohbfbpq")
FLAGGED = ("ibohbfb9q", "ibohbfbgq", "ibohbfbkq")
#: Printed medians of the reads 7 to 15 of ibohbfb9q, cumulative [electron/s]; earlier reads are too noisy to compare.
B9Q_READS = (0.47, 0.49, 0.67, 0.97, 1.26, 1.40, 1.44, 1.46, 1.50)
#: Printed medians of the archive's FLT, and of b9q repaired [electron/s].
B7Q_FLT, B9Q_FLT, B9Q_REPAIRED = 0.466, 1.623, 1.501
#: How closely ours must agree: the medians printed are of all pixels, faint sources included [electron/s].
TOLERANCE = 0.03


def validate(folder: Path, *, source: str = "mast", progress: Progress = silent) -> Iterator[Finding]:
    """Fetch, measure and repair IBOHBF040 in a folder, and yield what agrees and what does not.

    Parameters
    ----------
    folder : Path
        Gets ``catalog/`` and ``products/``.
    source : str, optional
        Where the files come from: auto, s3 or mast.
    progress : Progress, optional
        Of survey and repair.

    Raises
    ------
    ServiceError
        If a service does not answer, or not in the shape we rely on.
    """
    with Catalog.create(folder / "catalog") as catalog:
        opened = open_source(source)
        survey(catalog, Selection(ids=(ASSOCIATION,)), source=opened, progress=progress)
        yield from _measured(catalog)
        settings = ReprocessSettings(method="omit", source=source, outdir=folder / "products")
        report = reprocess(catalog, ids=(ASSOCIATION,), settings=settings, progress=progress)
        for row in report.failures:
            yield Finding("repair", False, f"{row['key']} {row['stage']}: {row['message']}")
        yield from _repaired(catalog)


def _measured(catalog: Catalog) -> Iterator[Finding]:
    rows = catalog.sql("SELECT rootname, flagged FROM exposures ORDER BY rootname").fetchall()
    found = tuple(name for name, _ in rows)
    yield Finding("members", found == MEMBERS, f"{len(found)} measured of {len(MEMBERS)}")
    flagged = tuple(name for name, flag in rows if flag)
    yield Finding("flagged", flagged == FLAGGED, f"{', '.join(flagged) or 'none'}; the notebook: {', '.join(FLAGGED)}")
    text = "SELECT cumulative_rate FROM reads WHERE rootname = 'ibohbfb9q' AND read >= 7 ORDER BY read"
    curve = [rate for (rate,) in catalog.sql(text).fetchall()]
    worst = max((abs(a - b) for a, b in zip(curve, B9Q_READS, strict=False)), default=float("inf"))
    agrees = len(curve) == len(B9Q_READS) and worst <= TOLERANCE
    yield Finding("curve of b9q", agrees, f"{worst:.3f} e-/s from the printed medians at most")


def _repaired(catalog: Catalog) -> Iterator[Finding]:
    text = "SELECT rootname, sky_before, sky_after FROM reprocessed WHERE kind = 'flt'"
    rows = {name: (before, after) for name, before, after in catalog.sql(text).fetchall()}
    missing = (float("nan"), float("nan"))
    yield _level("FLT of b7q", rows.get("ibohbfb7q", missing)[0], B7Q_FLT)
    yield _level("FLT of b9q", rows.get("ibohbfb9q", missing)[0], B9Q_FLT)
    yield _level("b9q repaired", rows.get("ibohbfb9q", missing)[1], B9Q_REPAIRED)


def _level(name: str, value: float | None, printed: float) -> Finding:
    found = float("nan") if value is None else value
    return Finding(name, abs(found - printed) <= TOLERANCE, f"sky {found:.3f} e-/s; printed {printed:.3f}")
