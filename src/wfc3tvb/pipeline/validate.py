"""Whether the live services answer in the shape we rely on, and our numbers agree with STScI's printed ones.

Visit IBOHBF040 is fetched, measured and repaired, and compared with what the STScI notebooks of 2018 and 2023 print
(WFC3Library: calwf3_recal_tvb, TVB_flattenramp).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from wfc3tvb.config import MeasureSettings, Selection
from wfc3tvb.io.catalog import Catalog
from wfc3tvb.io.images import image_statistics
from wfc3tvb.pipeline.crawl import open_source
from wfc3tvb.pipeline.doctor import Finding
from wfc3tvb.pipeline.reprocess import ReprocessSettings, reprocess
from wfc3tvb.pipeline.survey import survey
from wfc3tvb.progress import Progress, silent

ASSOCIATION = "ibohbf040"
MEMBERS = ("ibohbfb7q", "ibohbfb9q", "ibohbfbdq", "ibohbfbgq", "ibohbfbkq", "ibohbfbpq")
FLAGGED = ("ibohbfb9q", "ibohbfbgq", "ibohbfbkq")
#: Printed medians of the reads of ibohbfb9q, whole frames, cumulative [electron/s].
B9Q_READS: Sequence[float] = (0.42, 0.48, 0.47, 0.49, 0.46, 0.47, 0.47, 0.49, 0.67, 0.97, 1.26, 1.40, 1.44, 1.46, 1.50)
#: So many of them are single short reads: reference pixels, of which every read has its own error, leave that many
#: electrons in each [electron], which a simulated exposure cannot share with the real one.
SHORT_READS, REFERENCE_ERROR = 6, 0.3
#: Printed mean, median and standard deviation of FLTs, and the window of values they are of [electron/s].
FLTS = (
    ("FLT of b7q", "orig", "ibohbfb7q", (0.470, 0.466, 0.038), (0, 1)),
    ("FLT of b9q", "orig", "ibohbfb9q", (1.538, 1.623, 0.169), (1, 2)),
    ("b9q repaired", "flt", "ibohbfb9q", (1.504, 1.501, 0.046), (1, 2)),
)
#: How closely ours must agree with what is printed with two or three digits [electron/s].
TOLERANCE = 0.01


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
        opened, measuring = open_source(source), MeasureSettings(pstat=True)
        survey(catalog, Selection(ids=(ASSOCIATION,)), source=opened, settings=measuring, progress=progress)
        yield from _measured(catalog)
        settings = ReprocessSettings(method="omit", source=source, outdir=folder / "products")
        report = reprocess(catalog, ids=(ASSOCIATION,), settings=settings, progress=progress)
        for row in report.failures:
            yield Finding("repair", False, f"{row['key']} {row['stage']}: {row['message']}")
        yield from _repaired(catalog, folder / "products" / ASSOCIATION)


def _measured(catalog: Catalog) -> Iterator[Finding]:
    rows = catalog.sql("SELECT rootname, flagged FROM exposures ORDER BY rootname").fetchall()
    found = tuple(name for name, _ in rows)
    yield Finding("members", found == MEMBERS, f"{len(found)} measured of {len(MEMBERS)}")
    flagged = tuple(name for name, flag in rows if flag)
    yield Finding("flagged", flagged == FLAGGED, f"{', '.join(flagged) or 'none'}; the notebook: {', '.join(FLAGGED)}")
    text = "SELECT t_end, cumulative_median FROM reads WHERE rootname = 'ibohbfb9q' ORDER BY read"
    reads = catalog.sql(text).fetchall()
    short, long = slice(None, SHORT_READS), slice(SHORT_READS, None)
    allowed = [TOLERANCE + 3 * REFERENCE_ERROR / t for t, _ in reads[short]]
    yield _medians("short reads", [median for _, median in reads[short]], B9Q_READS[short], allowed)
    yield _medians("reads of b9q", [median for _, median in reads[long]], B9Q_READS[long])


def _medians(
    name: str, found: Sequence[float | None], printed: Sequence[float], allowed: Sequence[float] = ()
) -> Finding:
    """Compare medians of reads with printed ones, within `TOLERANCE` or what is allowed of each."""
    shown, theirs = (" ".join("none" if m is None else f"{m:.2f}" for m in medians) for medians in (found, printed))
    return Finding(name, _agree(found, printed, allowed), f"medians {shown}; printed {theirs}")


def _repaired(catalog: Catalog, products: Path) -> Iterator[Finding]:
    """Compare FLTs with what is printed of them, and say what the repair made of histogram and drizzled image."""
    for name, room, rootname, printed, window in FLTS:
        path = products / room / f"{rootname}_flt.fits"
        found = image_statistics(path, window) if path.exists() else (float("nan"),) * 3
        ours, theirs = (" ".join(f"{value:.3f}" for value in values) for values in (found, printed))
        detail = f"mean, median, deviation {ours}; printed {theirs} e-/s"
        yield Finding(name, _agree(found, printed), detail)
    text = "SELECT n_peaks_before, n_peaks_after FROM reprocessed WHERE rootname = 'ibohbfb9q' AND kind = 'flt'"
    before, after = next(iter(catalog.sql(text).fetchall()), (None, None))
    yield Finding("peaks of b9q", (before, after) == (3, 1), f"{before} before, {after} after; the notebook: 3 and 1")
    text = "SELECT round(noise_before, 4), round(noise_after, 4) FROM reprocessed WHERE kind = 'drz'"
    broad, narrow = next(iter(catalog.sql(text).fetchall()), (None, None))
    narrower = broad is not None and narrow is not None and narrow < broad
    detail = f"width of the sky {broad} before, {narrow} after [e-/s]"
    yield Finding("DRZ", narrower, detail)


def _agree(found: Sequence[float | None], printed: Sequence[float], allowed: Sequence[float] = ()) -> bool:
    limits = allowed or [TOLERANCE] * len(printed)
    triples = zip(found, printed, limits, strict=False)
    return len(found) == len(printed) and all(a is not None and abs(a - b) <= limit for a, b, limit in triples)
