"""Measurement of an exposure: sky curve, geometry and score from its reads."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.config import MeasureSettings
from wfc3tvb.curve.faint_sources import FaintLight, faint_light, subtract_faint_light
from wfc3tvb.curve.footprint import sky_place, wcs_corners
from wfc3tvb.curve.geometry import Geometry, is_in_orbit, jitter_geometry, orbit_position, view_geometry
from wfc3tvb.curve.intervals import Curve, measure_curve, unsteady
from wfc3tvb.curve.kernels import flagged_fraction
from wfc3tvb.curve.lost_pixels import draft_of, without_lost_pixels
from wfc3tvb.curve.pointing import read_times, view_direction
from wfc3tvb.curve.quality_flags import header_flags, source_flags
from wfc3tvb.curve.sky_level import is_extended, level_error, measure_changes
from wfc3tvb.curve.sky_mask import SkyMask, sky_mask
from wfc3tvb.curve.trails import read_streak_scores
from wfc3tvb.dates import DAY, mjd_now
from wfc3tvb.errors import BadFileError, MissingReferenceError, UnsuitableReferenceError
from wfc3tvb.fits.companions import companion
from wfc3tvb.fits.guiding import lock_lost
from wfc3tvb.fits.ima import read_ima
from wfc3tvb.fits.observation_log import beside, find_jitter
from wfc3tvb.fits.support_file import orbit_if_usable, read_orbit
from wfc3tvb.identifiers import LARGEST_PROPOSAL, visit_of
from wfc3tvb.instrument import DQ
from wfc3tvb.models import Measurement, OrbitElements, ReadCube, Row
from wfc3tvb.references.locate import resolve
from wfc3tvb.references.tables import CRSIGMAS, rejection
from wfc3tvb.schema import TABLES
from wfc3tvb.score.score import CRREJTAB_SIGMA, score
from wfc3tvb.score.sky import signal, used_reads
from wfc3tvb.score.zodiacal import zodiacal_level

log = logging.getLogger(__name__)

_COLUMNS = (
    "sun_alt", "limb_angle", "bright_limb", "los_zenith", "latitude", "longitude", "sun_hour_angle", "in_shadow",
)  # fmt: skip


def geometry_rows(cube: ReadCube, curve: Curve, orbit: OrbitElements | None) -> tuple[list[Row], str | None]:
    """Return MJD and, where the telescope's position is known, the geometry of each interval's middle; and its source.

    The source is ``spt`` where there are orbit elements, else ``jit`` where the observation log covers all reads, else
    None. The elements agree with two-line elements of the day within kilometers, and every archive has them;
    longitudes of real logs are off by 0.5 deg. Where a read's header has no time, or one that contradicts the
    exposure's start, it follows from that start and the time since the zeroth read.
    """
    mjd = read_times(cube)[0] - (curve.t_end - curve.t_start) / 2 / DAY
    rows: list[Row] = [{"mjd": float(m) if np.isfinite(m) else None} for m in mjd]
    target = view_direction(cube.header)[0]
    if target is None or not np.isfinite(mjd).all():
        return rows, None
    place, source = _place(cube, orbit, mjd, target)
    return (rows if place is None else [row | _row(place, i) for i, row in enumerate(rows)]), source


def _place(
    cube: ReadCube, orbit: OrbitElements | None, mjd: NDArray[np.float64], target: tuple[float, float]
) -> tuple[Geometry | None, str | None]:
    """Return the geometry at the given times, and its source."""
    position = None if orbit is None else orbit_position(orbit, mjd)
    if position is not None and is_in_orbit(position):
        return view_geometry(position, mjd, *target), "spt"
    logged = None if cube.jitter is None else jitter_geometry(cube.jitter, mjd, *target)
    return logged, None if logged is None else "jit"


def _row(place: Geometry, i: int) -> Row:
    return {name: getattr(place, name)[i].item() for name in _COLUMNS}


#: Changes when the measured columns of `reads` change.
MEASURE_VERSION = "1.4"


def _proposal(value: Any) -> int | None:
    number = int(value)
    return number if 0 < number < LARGEST_PROPOSAL else None


def _duration(value: Any) -> float | None:
    seconds = float(value)
    return seconds if seconds >= 0 else None


#: Columns of `exposures` and the header keyword that fills them.
_KEYWORDS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "proposal_id": ("PROPOSID", _proposal),
    "target_name": ("TARGNAME", str),
    "filter": ("FILTER", str),
    "samp_seq": ("SAMP_SEQ", str),
    "nsamp": ("NSAMP", int),
    "exptime": ("EXPTIME", _duration),
    "expstart": ("EXPSTART", float),
    "expend": ("EXPEND", float),
    "aperture": ("APERTURE", str),
    "subarray": ("SUBARRAY", bool),
    "pa_v3": ("PA_V3", float),
    "postarg1": ("POSTARG1", float),
    "postarg2": ("POSTARG2", float),
    "cal_ver": ("CAL_VER", str),
}  # fmt: skip


def measure(
    path: str | Path,
    *,
    settings: MeasureSettings | None = None,
    spt: str | Path | None = None,
    threads: int = 2,
) -> Measurement:
    """Measure one IMA file.

    Parameters
    ----------
    path : path
        An ``_ima.fits`` file.
    settings : MeasureSettings, optional
        How to measure.
    spt : path, optional
        Its support file; by default the ``_spt.fits`` in the same folder, where there is one, packed by gzip or not.
        Without orbit elements the geometry comes from the observation log (``_jit.fits``) in the same folder.
    threads : int, optional
        Threads that share the reads of a large frame.

    Raises
    ------
    BadFileError
        If a file is damaged or of another kind; see `wfc3tvb.fits.ima.read_ima` and
        `wfc3tvb.fits.support_file.read_orbit`.
    """
    settings, path = settings or MeasureSettings(), Path(path)
    if path.is_dir():
        raise BadFileError(path, "is a folder", "give its files, or survey it (parameter source)")
    cube = read_ima(path, rows=settings.rows, pstat=settings.pstat)
    support = Path(spt) if spt is not None else companion(path, "spt")
    logs = beside(path, _value(cube.header, "ASN_ID", str))
    jitter = find_jitter(logs, cube.rootname, cube.header.get("EXPSTART"))
    cube = replace(cube, jitter=jitter, lock_lost=lock_lost(logs, cube.rootname))
    orbit = orbit_if_usable(lambda: read_orbit(support)) if support else None
    measured = measure_cube(cube, orbit, settings, threads=threads)
    provenance = {"source": "local", "bytes_read": cube.n_bytes, "measured_at": mjd_now()}
    return Measurement(measured.exposure | provenance, measured.reads)


def measure_cube(
    cube: ReadCube,
    orbit: OrbitElements | None = None,
    settings: MeasureSettings | None = None,
    *,
    threads: int = 2,
) -> Measurement:
    """Measure the reads of one exposure.

    Parameters
    ----------
    cube : ReadCube
        Its reads.
    orbit : OrbitElements, optional
        Its orbit; without it the geometry is null.
    settings : MeasureSettings, optional
        How to measure.
    threads : int, optional
        Threads that share the reads of a large frame.

    Returns
    -------
    Measurement
        Rows with every column of the schema, null where not known. The caller fills in the source of the file and the
        time of the measurement.
    """
    settings = settings or MeasureSettings()
    cube = without_lost_pixels(cube)
    draft = draft_of(cube)
    mask = sky_mask(draft, cube.dq[0])
    curve = measure_curve(cube, mask.skip, threads=threads)
    extended = is_extended(mask, curve, flat_fielded=_flat_fielded(cube))
    # The light of many faint sources has another distribution than that of one which fills the frame.
    light = FaintLight(0.0, 0.0) if extended else faint_light(cube, mask, flat_fielded=_flat_fielded(cube))
    if extended:
        curve = measure_changes(cube, curve, mask, draft, threads=threads)
    crossed = np.flatnonzero(read_streak_scores(cube, curve, threads=threads)) + 1
    curve = subtract_faint_light(curve, light)
    reads = _read_rows(cube, curve, settings)
    exposure = _exposure_row(cube, mask, settings)
    exposure["quality_flags"] += source_flags(_saturated(cube), light, extended=extended)
    exposure["sky_err"] = level_error(curve, mask, light, extended=extended, zodi=_zodi(exposure))
    places, exposure["geometry_source"] = geometry_rows(cube, curve, orbit)
    for row, place in zip(reads, places, strict=True):
        row.update(place)
    if exposure["geometry_source"] is None:
        exposure["quality_flags"].append("no_geometry")
    if crossed.size:
        exposure["quality_flags"].append("trail")
        exposure["affected_reads"] = crossed.tolist()
    if any(row["rate"] is None for row in reads):
        exposure["quality_flags"].append("bad_reads")
    scored = score(exposure, reads, settings)
    if "above_zodiacal" in scored["quality_flags"]:
        scored["sky_err"] = max(scored["sky_err"] or 0.0, scored["sky_min"] - scored["zodi_model"])
    return Measurement(scored, reads)


def _flat_fielded(cube: ReadCube) -> bool:
    return bool(cube.header.get("FLATCORR", "COMPLETE") == "COMPLETE")


def _read_rows(cube: ReadCube, curve: Curve, settings: MeasureSettings) -> list[Row]:
    used = used_reads(
        curve.dt,
        curve.rate,
        curve.rate_err,
        min_interval=settings.min_interval,
        max_rate_err=settings.max_rate_err,
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        cumulative = signal(curve.dt, curve.rate) / curve.t_end
    medians = cube.cumulative_median if cube.cumulative_median is not None else np.full(cube.t.size, np.nan)
    columns = {
        "t_start": curve.t_start,
        "t_end": curve.t_end,
        "rate": curve.rate,
        "rate_err": np.where(np.isfinite(curve.rate), curve.rate_err, np.nan),
        "cumulative_rate": cumulative,
        "cumulative_median": medians,
        "rate_ll": curve.quadrants[:, 0],
        "rate_lr": curve.quadrants[:, 1],
        "rate_ul": curve.quadrants[:, 2],
        "rate_ur": curve.quadrants[:, 3],
        "lr_diff": curve.lr_diff,
        "lr_ratio": curve.lr_ratio,
        "frac_new_cr": curve.frac_new_cr,
    }
    return [
        TABLES["reads"].empty_row()
        | {"rootname": cube.rootname, "read": i + 1, "used": bool(used[i]), "n_pixels": int(curve.n_pixels[i])}
        | {name: finite_or_none(values[i]) for name, values in columns.items()}
        for i in range(cube.t.size)
    ]


def _saturated(cube: ReadCube) -> float:
    return flagged_fraction(cube.dq[-1], int(DQ.SATPIXEL), np.zeros(cube.dq[-1].shape, np.uint8))


def _zodi(exposure: Row) -> float | None:
    if any(exposure[name] is None for name in ("filter", "ra", "dec", "expstart")):
        return None
    return zodiacal_level(*(exposure[name] for name in ("filter", "ra", "dec", "expstart")))


def _exposure_row(cube: ReadCube, mask: SkyMask, settings: MeasureSettings) -> Row:
    header = cube.header
    row = TABLES["exposures"].empty_row()
    row |= {column: _value(header, *source) for column, source in _KEYWORDS.items()}
    association = _value(header, "ASN_ID", str)
    is_single = association is None or association.upper() == "NONE"
    flags = header_flags(header, lock_lost=cube.lock_lost)
    direction, other_direction = view_direction(header)
    tests = {
        "bad_times": unsteady(cube.t.tolist()),
        "bad_routtime": read_times(cube)[1],
        "bad_pointing": other_direction,
    }
    flags += [name for name, true in tests.items() if true]
    if cube.rows.size < cube.shape[0]:
        flags.append("partial_rows")
    observed = header.get("CRCORR") == "COMPLETE"
    row |= {"ra": None if direction is None else direction[0], "dec": None if direction is None else direction[1]}
    corners = wcs_corners(header, raw_shape=cube.raw_shape, shape=cube.shape)
    return (
        row
        | sky_place(row, corners)
        | {
            "rootname": cube.rootname,
            "asn_id": None if is_single else str(association).lower(),
            "dataset": cube.rootname if is_single else str(association).lower(),
            "visit": visit_of(cube.rootname),
            "archive_generation_date": _value(header, "PROCTIME", float),
            "obs_frac_broken": _fraction(cube, mask, DQ.DATAREJECT | DQ.UNSTABLE) if observed else None,
            "obs_frac_unstable": _fraction(cube, mask, DQ.UNSTABLE) if observed else None,
            "quality_flags": flags,
            "rows_used": int(cube.rows.size),
            "crrejtab_sigma": rejection_threshold(header, None if settings.iref is None else Path(settings.iref)),
            "bytes_read": cube.n_bytes,
            "measure_version": MEASURE_VERSION,
        }
    )


def rejection_threshold(header: Mapping[str, Any], iref: Path | None = None) -> float:
    """Return the threshold at which an exposure's CRREJTAB rejects a read [standard deviations].

    Parameters
    ----------
    header : mapping
        The exposure's keywords; CRREJTAB names the table.
    iref : Path, optional
        Folder of reference files from which the table is read. Without it the value is that of `CRSIGMAS`, or
        `CRREJTAB_SIGMA` for a table that is not listed there, so that an exposure gets the same score on every machine,
        whatever the environment variable ``iref`` is set to.
    """
    name = header.get("CRREJTAB")
    published = CRSIGMAS.get(re.split(r"[$/]", name.strip())[-1]) if isinstance(name, str) else None
    default = CRREJTAB_SIGMA if published is None else published
    nsamp, exptime = header.get("NSAMP"), header.get("EXPTIME")
    if iref is None or not isinstance(name, str) or not isinstance(nsamp, int) or not isinstance(exptime, int | float):
        return default
    try:
        threshold = rejection(resolve("CRREJTAB", name, iref), nsamp, float(exptime)).threshold
    except (MissingReferenceError, UnsuitableReferenceError) as error:
        log.warning("%s; a threshold of %g standard deviations is assumed", error, default)
        return default
    if threshold != default:
        log.warning("%s in %s rejects at %g standard deviations, not at %g", name, iref, threshold, default)
    return threshold


def _fraction(cube: ReadCube, mask: SkyMask, bits: int) -> float | None:
    """Return the fraction of sky pixels with any of `bits` in the last read, to which hits propagate."""
    return finite_or_none(flagged_fraction(cube.dq[-1], int(bits), mask.skip))


def _value(header: Mapping[str, Any], keyword: str, kind: Callable[[Any], Any]) -> Any:
    """Return a keyword's value converted to `kind`; None where it is missing, empty or cannot be converted."""
    value = header.get(keyword)
    if value is None or value == "":
        return None
    try:
        converted = kind(value)
    except (TypeError, ValueError):
        return None
    return finite_or_none(converted) if isinstance(converted, float) else converted


def finite_or_none(value: float) -> float | None:
    """Return a value as a float, None where it is not finite."""
    return float(value) if np.isfinite(value) else None
