"""Validation with the live archive: repair a visit and compare it with the numbers that STScI published.

Visit IBOHBF040 is fetched, measured and repaired, and compared with the output of the STScI notebooks of 2018 and 2023
(WFC3Library: calwf3_recal_tvb, TVB_flattenramp). Medians exclude the reference pixels as theirs do; these lower the
median of a whole frame (pstat's) by 0.017 electron/s in the first read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from wfc3tvb.archive.source import open_source
from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.checks.doctor import Finding
from wfc3tvb.config import Selection
from wfc3tvb.fits.images import header_of, image_statistics, printed_medians
from wfc3tvb.progress import Progress, silent
from wfc3tvb.repair.reprocess import ReprocessSettings, reprocess
from wfc3tvb.survey.survey import survey

ASSOCIATION = "ibohbf040"
MEMBERS = ("ibohbfb7q", "ibohbfb9q", "ibohbfbdq", "ibohbfbgq", "ibohbfbkq", "ibohbfbpq")
FLAGGED = ("ibohbfb9q", "ibohbfbgq", "ibohbfbkq")
#: Printed medians of the reads of ibohbfb9q, cumulative [electron/s]; see `wfc3tvb.fits.images.printed_medians`.
MEASURED = "ibohbfb9q"
B9Q_READS: Sequence[float] = (0.42, 0.48, 0.47, 0.49, 0.46, 0.47, 0.47, 0.49, 0.67, 0.97, 1.26, 1.40, 1.44, 1.46, 1.50)
#: Error that reference pixels leave in a read [electron]. The real exposure always has the same one; a simulated
#: exposure has another, so that 3 times this, divided by the read's time, is allowed there in addition.
REFERENCE_ERROR = 0.3
#: Printed mean, median and standard deviation of the archive's FLTs, and the range of values included [electron/s].
FLTS = (
    ("FLT of b7q", "ibohbfb7q", (0.470, 0.466, 0.038), (0, 1)),
    ("FLT of b9q", "ibohbfb9q", (1.538, 1.623, 0.169), (1, 2)),
)
#: The same for b9q with its ramp flattened; after omit, which keeps cosmic rays, the median is that of the last read.
FLATTENED, WINDOW = (1.504, 1.501, 0.046), (1, 2)
#: Linearity file of the archive when the numbers were printed. It has the same coefficients in all pixels; those of the
#: reprocessing since October 2025 vary (WFC3 ISR 2025-08, 2025-09), and levels and noise may differ slightly.
PRINTED_NLINFILE = "u1k1727mi_lin.fits"
#: Largest allowed difference from the numbers printed, which have two or three digits [electron/s].
TOLERANCE = 0.01
#: The same for a simulated FLT of b9q, in which noise makes the ramp fit break other pixels [electron/s].
SIMULATED_TOLERANCE = 0.02


def validate(folder: Path, *, source: str = "mast", progress: Progress = silent) -> Iterator[Finding]:
    """Fetch, measure and repair IBOHBF040 in a folder, and yield a finding for each comparison.

    Parameters
    ----------
    folder : Path
        Folder for ``catalog/``, ``products/`` and the IMA of b9q.
    source : str, optional
        Archive that the files are fetched from: auto, s3 or mast.
    progress : Progress, optional
        Progress of survey and repair.

    Raises
    ------
    ServiceError
        If a service does not answer, or not in the form that the package relies on.
    """
    archive = open_source(source)
    with open_catalog(folder / "catalog", mode="a") as catalog:
        survey(catalog, Selection(ids=(ASSOCIATION,)), source=archive, progress=progress)
        yield from _measured(catalog)
        yield compare_reads(archive.download(MEASURED, "ima", folder))
        simulated = _is_simulated(folder / f"{MEASURED}_ima.fits")
        for method, keep, compare in (("flatten", True, _flattened), ("omit", False, _omitted)):
            settings = ReprocessSettings(
                method=method, weight="exptime", source=source, outdir=folder / "products", keep=keep
            )
            report = reprocess(catalog, ids=(ASSOCIATION,), settings=settings, progress=progress)
            for row in report.failures:
                yield Finding("repair", False, f"{row['key']} {row['stage']}: {row['message']}")
            yield from compare(catalog, folder / "products" / ASSOCIATION, simulated)


def _measured(catalog: Catalog) -> Iterator[Finding]:
    rows = catalog.sql("SELECT rootname, factor2 FROM exposures ORDER BY rootname").fetchall()
    found = tuple(name for name, _ in rows)
    yield Finding("members", found == MEMBERS, f"{len(found)} of {len(MEMBERS)} measured")
    flagged = tuple(name for name, flag in rows if flag)
    note = f"{', '.join(flagged) or 'none'}; the notebook: {', '.join(FLAGGED)}"
    yield Finding("flagged by its rule", flagged == FLAGGED, note)


def compare_reads(path: Path) -> Finding:
    """Compare the medians of the reads in the IMA of b9q with those printed; they must agree within `TOLERANCE`."""
    times, found = printed_medians(path)
    simulated = _is_simulated(path)
    limits = [TOLERANCE + (3 * REFERENCE_ERROR / t if simulated else 0) for t in times]
    ours, theirs = (" ".join(f"{median:.2f}" for median in medians) for medians in (found, B9Q_READS))
    note = " (simulated: the reference pixels have other errors)" if simulated else ""
    return Finding("reads of b9q", _agree(found, B9Q_READS, limits), f"medians {ours}; printed {theirs}{note}")


def _is_simulated(path: Path) -> bool:
    return str(header_of(path).get("ORIGIN")).startswith("wfc3tvb")


def _flattened(catalog: Catalog, products: Path, simulated: bool) -> Iterator[Finding]:
    """Compare the archive's FLTs, and the flattened one of b9q, with the printed statistics."""
    allowed = SIMULATED_TOLERANCE if simulated else TOLERANCE
    yield linearity(products / "orig" / f"{MEASURED}_flt.fits")
    for name, rootname, printed, window in FLTS:
        yield _statistics(name, products / "orig" / f"{rootname}_flt.fits", printed, window, allowed)
    yield _statistics("b9q flattened", products / "flt" / f"{MEASURED}_flt.fits", FLATTENED, WINDOW, allowed)


def _omitted(catalog: Catalog, products: Path, simulated: bool) -> Iterator[Finding]:
    """Check level and histogram of b9q, and the noise of the drizzled image, after the repair with CRCORR=OMIT."""
    _, median, _ = _statistics_of(products / "flt" / f"{MEASURED}_flt.fits", WINDOW)
    agrees = _agree([median], [B9Q_READS[-1]])
    yield Finding("b9q by omit", agrees, f"median {median:.3f}; printed for the last read {B9Q_READS[-1]:.2f} e-/s")
    text = """SELECT n_peaks_before, n_peaks_after FROM reprocessed
        WHERE rootname = 'ibohbfb9q' AND kind = 'flt' AND method = 'omit'"""
    before, after = next(iter(catalog.sql(text).fetchall()), (None, None))
    yield Finding("peaks of b9q", (before, after) == (3, 1), f"{before} before, {after} after; the notebook: 3 and 1")
    text = """SELECT round(noise_before, 4), round(noise_after, 4) FROM reprocessed
        WHERE kind = 'drz' AND method = 'omit'"""
    noise_before, noise_after = next(iter(catalog.sql(text).fetchall()), (None, None))
    reduced = noise_before is not None and noise_after is not None and noise_after < noise_before
    yield Finding("DRZ", reduced, f"sky noise {noise_before} before, {noise_after} after [e-/s]")


def linearity(path: Path) -> Finding:
    """Say whether the archive's image was made with the linearity file of the printed numbers."""
    header = header_of(path) if path.exists() else {}
    found = str(header.get("NLINFILE", "none")).rpartition("$")[2].strip()
    text = f"the archive's FLT: {found}, calwf3 {str(header.get('CAL_VER', '')).strip() or 'unknown'}"
    if found == PRINTED_NLINFILE:
        return Finding("linearity file", True, f"{text}; that of the printed numbers")
    note = f"the printed numbers stem from {PRINTED_NLINFILE}, so levels and noise may differ slightly"
    return Finding("linearity file", False, f"{text}; {note}", optional=True)


def _statistics(
    name: str, path: Path, printed: Sequence[float], window: tuple[float, float], allowed: float
) -> Finding:
    found = _statistics_of(path, window)
    ours, theirs = (" ".join(f"{value:.3f}" for value in values) for values in (found, printed))
    agrees = _agree(found, printed, [allowed] * len(printed))
    return Finding(name, agrees, f"mean, median, deviation {ours}; printed {theirs} e-/s")


def _statistics_of(path: Path, window: tuple[float, float]) -> tuple[float, float, float]:
    return image_statistics(path, window) if path.exists() else (float("nan"),) * 3


def _agree(found: Sequence[float], printed: Sequence[float], limits: Sequence[float] = ()) -> bool:
    if len(found) != len(printed):
        return False
    triples = zip(found, printed, limits or [TOLERANCE] * len(printed), strict=True)
    return all(abs(a - b) <= limit for a, b, limit in triples)
