"""Simulate whole visits into a folder that is laid out like the public archive's bucket."""

from __future__ import annotations

import csv
import json
import zlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from wfc3tvb.identifiers import bucket_key
from wfc3tvb.progress import Progress, silent
from wfc3tvb.simulate.detector import Detector, make_detector
from wfc3tvb.simulate.expose import Light, Reads, expose
from wfc3tvb.simulate.frame import Frame
from wfc3tvb.simulate.headers import KINDS, extension_headers, primary_header
from wfc3tvb.simulate.observation_log import jitter_file
from wfc3tvb.simulate.plan import ExposurePlan, Preset, VisitPlan
from wfc3tvb.simulate.presets import preset as preset_named
from wfc3tvb.simulate.reference_files import reference_names, write_references
from wfc3tvb.simulate.result import SimulatedVisit
from wfc3tvb.simulate.scene import Sources, make_sources, place, scene_rate
from wfc3tvb.simulate.support_files import association_table, support_file

__all__ = ["SimulatedVisit", "raw_file", "simulate", "truth_of"]


def simulate(
    out: Path,
    preset: str | Preset = "ibohbf040",
    *,
    size: int | None = None,
    seed: int | None = None,
    products: bool = True,
    progress: Progress | None = None,
) -> SimulatedVisit:
    """Write synthetic exposures of a preset, their references and the truth.

    Parameters
    ----------
    out : Path
        Folder; created if it does not exist. Existing files are replaced.
    preset : str or Preset
        A name from `presets.presets`, or a set of visits.
    size : int, optional
        Size of the frame: 64, 128, 256, 512 or 1024; by default that of the preset.
    seed : int, optional
        Seed of the noise; the same seed gives identical files.
    products : bool
        Whether to calibrate and drizzle as the archive does (IMA, FLT and DRZ with CRCORR=PERFORM).
    progress : Progress, optional
        Called for each exposure.

    Raises
    ------
    BadArgumentError
        If the preset or the size is unknown.
    """
    progress = progress or silent
    chosen = preset_named(preset) if isinstance(preset, str) else preset
    frame = Frame(chosen.size if size is None else size)
    chosen = chosen if seed is None else replace(chosen, seed=seed)
    detector = make_detector(chosen.detector_seed, frame)
    write_references(out / "references", detector, chosen.exposures)
    done, total = 0, len(chosen.exposures)
    progress("simulate", done, total)
    for visit in chosen.visits:
        sources = _visit_sources(out, visit)
        for plan in visit.exposures:
            _write_exposure(out, plan, visit.association, detector, sources, chosen)
            done += 1
            progress("simulate", done, total)
        _write_tables(out, visit, frame)
    made = SimulatedVisit(
        folder=out,
        preset=chosen.name,
        size=frame.size,
        seed=chosen.seed,
        associations={v.association: tuple(e.rootname for e in v.exposures) for v in chosen.visits if v.association},
        lone=tuple(e.rootname for v in chosen.visits if not v.association for e in v.exposures),
    )
    if products:
        from wfc3tvb.simulate.products import make_products

        make_products(made, progress=progress)
    return made


def _write_tables(out: Path, visit: VisitPlan, frame: Frame) -> None:
    """Write a visit's observation log, and its association table if it is an association."""
    log = jitter_file(visit, frame.size)
    if visit.association:
        _write(association_table(visit), out / bucket_key(visit.association, "asn"))
        _write(log, out / bucket_key(visit.association, "jit"))
    else:
        raw = out / bucket_key(visit.exposures[0].rootname, "raw")
        _write(log, raw.with_name(f"{raw.name[:8]}j_jit.fits"))


def _visit_sources(out: Path, visit: VisitPlan) -> Sources:
    """Return the sources around a visit's target, and write them to a file."""
    target = visit.exposures[0].target
    sources = make_sources(zlib.crc32(target.name.encode()), (target.ra, target.dec))
    path = out / "truth" / f"{visit.association or visit.exposures[0].rootname}_sources.csv"
    columns = asdict(sources)
    _write_rows(path, tuple(columns), zip(*(np.round(c, 8).tolist() for c in columns.values()), strict=True))
    return sources


def _write_exposure(
    out: Path, plan: ExposurePlan, association: str | None, detector: Detector, sources: Sources, chosen: Preset
) -> None:
    """Write one exposure's RAW and SPT files and its truth."""
    frame = detector.frame
    times, sky = plan.times(frame.size), plan.sky(frame.size)
    rate = scene_rate(sources, plan.pointing, frame, plan.filter)
    rng = np.random.default_rng((chosen.seed, zlib.crc32(plan.rootname.encode())))
    reads = expose(detector, Light(rate, sky, plan.filter, plan.trail), times, rng)
    names = reference_names(detector.seed, frame, plan.filter, plan.samp_seq)
    _write(raw_file(plan, frame, reads, names, association), out / bucket_key(plan.rootname, "raw"))
    _write(support_file(plan, frame), out / bucket_key(plan.rootname, "spt"))
    truth = truth_of(plan, frame, reads, sources)
    _write_truth(out / "truth", truth | {"association": association, "seed": chosen.seed, "references": names})


def raw_file(
    plan: ExposurePlan, frame: Frame, reads: Reads, references: dict[str, str], association: str | None = None
) -> fits.HDUList:
    """Return an exposure's raw file: a group of five extensions per read, the last read first.

    Parameters
    ----------
    plan : ExposurePlan
        The exposure.
    frame : Frame
        Its frame.
    reads : Reads
        Its pixels.
    references, association
        As in `headers.primary_header`.
    """
    hdus: list[Any] = [fits.PrimaryHDU(header=primary_header(plan, frame, references, association))]
    for read in reversed(range(plan.nsamp)):
        headers = extension_headers(plan, frame, read)
        hdus.append(fits.ImageHDU(reads.counts[read], headers["SCI"], uint=True))
        hdus += [fits.ImageHDU(header=headers[kind]) for kind in KINDS[1:]]
    return fits.HDUList(hdus)


def truth_of(plan: ExposurePlan, frame: Frame, reads: Reads, sources: Sources) -> dict[str, Any]:
    """Return the truth of an exposure.

    Returns
    -------
    dict
        rootname, filter, samp_seq, nsamp, size, target, expstart, postarg, pa_v3, crval; t (every read but
        the zeroth [s]); rate and scattered (of the interval that ends there), cumulative_rate [electron/s];
        sun_alt (middle of the interval [deg]); cosmic_rays (events in it); mean_rate [electron/s]; saturated
        (pixels in the last read); stars (on the frame); trail_read (None without a satellite).
    """
    times, sky = plan.times(frame.size), plan.sky(frame.size)
    x, y = place(sources, plan.pointing, frame)
    inside = (np.minimum(x, y) > 0) & (np.maximum(x, y) < frame.raw) & sources.is_star
    cumulative = sky.cumulative(times)
    return {
        "rootname": plan.rootname,
        "filter": plan.filter,
        "samp_seq": plan.samp_seq,
        "nsamp": plan.nsamp,
        "size": frame.size,
        "target": plan.target.name,
        "expstart": plan.start,
        "postarg": list(plan.postarg),
        "pa_v3": plan.target.pa_v3,
        "crval": [plan.pointing.ra, plan.pointing.dec],
        "t": times[1:].tolist(),
        "rate": sky.total.tolist(),
        "scattered": sky.scattered.tolist(),
        "cumulative_rate": cumulative.tolist(),
        "mean_rate": float(cumulative[-1]),
        "sun_alt": plan.sun_alt((times[1:] + times[:-1]) / 2).tolist(),
        "cosmic_rays": reads.cosmic_rays.tolist(),
        "saturated": reads.saturated,
        "stars": int(np.count_nonzero(inside)),
        "trail_read": plan.trail.read if plan.trail else None,
    }


def _write_truth(folder: Path, truth: dict[str, Any]) -> None:
    """Write an exposure's truth as JSON, and its reads as a table."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{truth['rootname']}.json").write_text(json.dumps(truth, indent=1) + "\n")
    ends = truth["t"]
    columns = ("rate", "cumulative_rate", "scattered", "sun_alt", "cosmic_rays")
    rows = zip(range(1, truth["nsamp"]), [0.0, *ends[:-1]], ends, *(truth[name] for name in columns), strict=True)
    _write_rows(folder / f"{truth['rootname']}.csv", ("read", "t_start", "t_end", *columns), rows)


def _write_rows(path: Path, names: tuple[str, ...], rows: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(rows)


def _write(content: fits.HDUList, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content.writeto(path, overwrite=True)
