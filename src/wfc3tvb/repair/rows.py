"""Rows of `reprocessed` for a dataset: its products, their provenance, and the comparison with the archive's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.curve import noise_model
from wfc3tvb.fits.context_image import fraction_of_few
from wfc3tvb.fits.images import Picture, header_of
from wfc3tvb.models import Row
from wfc3tvb.repair.astrodrizzle import Drizzled
from wfc3tvb.repair.expected import expected_noise
from wfc3tvb.repair.fit_quality import fit_quality
from wfc3tvb.repair.inputs import NOT_THE_ARCHIVES
from wfc3tvb.repair.methods import implementation
from wfc3tvb.repair.model import Member
from wfc3tvb.repair.proof.compare_products import (
    DrizzledInputs,
    Proof,
    level_fault,
    prove_drizzled,
    prove_exposure,
    right_image,
)
from wfc3tvb.repair.proof.compare_sky import Skies
from wfc3tvb.repair.proof.last_reads import read_last_reads
from wfc3tvb.repair.proof.pictures import Pictures
from wfc3tvb.repair.recalibrate import Recalibrated, last_reads_path
from wfc3tvb.repair.workspace import Workspace
from wfc3tvb.schema import TABLES
from wfc3tvb.system.files import checksum, write_text
from wfc3tvb.system.memory import children_peak_mb, peak_mb

#: Ratio of the noise to that from photons and reads above which the drizzled image's row mentions an exposure.
_NOISIER = 1.1
#: Fraction of the drizzled area with fewer than three exposures above which the row mentions cosmic rays.
_UNCOVERED = 0.05


def prove_all(
    workspace: Workspace,
    made: Mapping[str, Recalibrated],
    skies: Mapping[str, Skies],
    drizzled: Drizzled,
    pictures: Pictures,
    threads: int = 1,
) -> list[Row]:
    """Compare all products, several exposures at the same time, and return their rows, that of the drizzled one last.

    Each exposure has its own images and coordinates: those of one are not for two threads.
    """
    names, stars, last = [member.rootname for member in workspace.members], None, []
    with ThreadPoolExecutor(threads) as pool:
        found = pool.map(lambda member: _pair(workspace, member, pictures), workspace.members)
        pairs = dict(zip(names, found, strict=True))
        images = pool.map(lambda member: _right_image(member, made, skies, pairs), workspace.members)
        rights = dict(zip(names, images, strict=True))
        if drizzled.path is not None:
            row, stars = _drizzled_row(workspace, made, skies, drizzled, (pairs, rights))
            last = [row]

        def proved(member: Member) -> tuple[Row, bool]:
            right = rights[member.rootname] if member.repaired else None
            proof = prove_exposure(member, skies[member.rootname], pairs[member.rootname], stars, right)
            return _row_of(workspace, member, made[member.rootname], proof, (drizzled, pictures))

        rows = list(pool.map(proved, workspace.members))
    faulty = [name for name, (_, wrong) in zip(names, rows, strict=True) if wrong]
    return [row for row, _ in rows] + [_without_faulty(row, faulty) for row in last]


def _row_of(
    workspace: Workspace, member: Member, made: Recalibrated, proof: Proof, others: tuple[Drizzled, Pictures]
) -> tuple[Row, bool]:
    """Return the row of an exposure, and whether its image is wrong."""
    (drizzled, pictures), name = others, f"{member.rootname}_flt"
    write_numbers(workspace.proof(name, "json"), proof)
    row = _exposure_row(workspace, member, made, proof, drizzled)
    row = _with_fit_quality(row, Path(made.flt), workspace.after(name), pictures)
    # A fit that is not to be trusted is wrong although its sky may be better.
    return row, proof.faulty or bool(proof.accepted and not row["accepted"])


def _pair(workspace: Workspace, member: Member, pictures: Pictures) -> tuple[Picture, Picture]:
    """Return the FLT of an exposure before and after."""
    name = f"{member.rootname}_flt"
    return pictures.flt(workspace.before(name)), pictures.flt(workspace.after(name))


def _right_image(
    member: Member,
    made: Mapping[str, Recalibrated],
    skies: Mapping[str, Skies],
    pairs: Mapping[str, tuple[Picture, Picture]],
) -> Picture:
    """Return the image of an exposure with right star fluxes."""
    reads = read_last_reads(last_reads_path(Path(made[member.rootname].flt))) if member.repaired else None
    return right_image(*pairs[member.rootname], reads, skies[member.rootname])


def _without_faulty(row: Row, faulty: Sequence[str]) -> Row:
    """Return the row of a drizzled image, which is not accepted if it holds an exposure that is wrong."""
    if not faulty or not row["accepted"]:
        return row
    why = f"holds {', '.join(faulty)}, not accepted; {row['accept_reason']}"
    return row | {"accepted": False, "accept_reason": why}


def left_out_rows(asked: Workspace, kept: Workspace, made: Mapping[str, Recalibrated]) -> list[Row]:
    """Return rows of exposures that were left out, with their FLT before; those without one have no row."""
    names = {member.rootname for member in kept.members}
    first, rows = next(iter(made.values())), []
    for member in asked.members:
        name = f"{member.rootname}_flt"
        path = asked.before(name)
        if member.rootname in names or not path.exists():
            continue
        (why,) = [note for note in kept.ready.fetched.notes if note.startswith(f"{member.rootname} left out")]
        row = TABLES["reprocessed"].empty_row() | _origin(asked, member.method, why, first, name)
        product_id = f"{name}:{member.method}:{first.engine}"
        rows.append(row | {
            "product_id": product_id, "rootname": member.rootname, "kind": "flt", "path": str(path),
            "sha256": checksum(path), "accept_reason": why, "wall_s": 0.0,
        })  # fmt: skip
    return rows


def _exposure_row(workspace: Workspace, member: Member, made: Recalibrated, proof: Proof, drizzled: Drizzled) -> Row:
    remarks = [member.reason, *made.warnings]
    remarks += [note for note in workspace.ready.fetched.notes if note.startswith(member.rootname)]
    if workspace.settings.references == "crds" and not workspace.ready.references[member.rootname].verified:
        remarks.append("references not checked against the checksums of CRDS")
    if workspace.association is None:
        remarks += drizzled.warnings
        if not implementation(member.method).description.rejects_cosmic_rays:
            remarks.append("single exposure: cosmic rays remain in it")
    name = f"{member.rootname}_flt"
    columns = {
        "rootname": member.rootname, "noise_expected": expected_noise(member), "wall_s": made.wall_s,
        "references": workspace.ready.references[member.rootname].as_json(), "peak_rss_mb": _peak_mb(drizzled),
    }  # fmt: skip
    provenance = _provenance(workspace, member.method, "; ".join(remarks), made, name)
    return product_row(member.rootname, "flt", workspace.after(name), proof, provenance | columns)


def _with_fit_quality(row: Row, flt: Path, aligned: Path, pictures: Pictures) -> Row:
    """Return the row with the quality of a likelihood fit; a fit that is not to be trusted is not accepted."""
    if (quality := fit_quality(aligned, pictures.sources_before(flt, aligned))) is None:
        return row
    row = row | quality.columns()
    fault = quality.fault()
    return row if fault is None else row | {"accepted": False, "accept_reason": fault}


def _drizzled_row(
    workspace: Workspace,
    made: Mapping[str, Recalibrated],
    skies: Mapping[str, Skies],
    drizzled: Drizzled,
    images: tuple[Mapping[str, tuple[Picture, Picture]], Mapping[str, Picture]],
) -> tuple[Row, NDArray[np.float64]]:
    """Return the row of the drizzled image, and the sky positions of its stars.

    The images are those of the exposures before and after, and those with right star fluxes.
    """
    name, noise = f"{workspace.association}_drz", _expected_drizzled(workspace, made, weights=workspace.weights())
    fault = float(np.mean([level_fault(member, skies[member.rootname]) for member in workspace.members]))
    inputs = DrizzledInputs(noise, workspace.method, fault, [new for _, new in images[0].values()], images[1])
    proof, stars = prove_drizzled(workspace.before(name), workspace.after(name), workspace.proof(name, "npz"), inputs)
    write_numbers(workspace.proof(name, "json"), proof)
    columns = {
        "rootname": None, "noise_expected": noise, "wall_s": drizzled.wall_s,
        "references": workspace.references.as_json(), "peak_rss_mb": _peak_mb(drizzled),
    }  # fmt: skip
    first, few = next(iter(made.values())), fraction_of_few(workspace.after(name))
    columns["frac_few_exposures"] = few
    remarks = [*_drizzled_reasons(workspace, made, drizzled), *_noisier(workspace.members, skies)]
    reason = "; ".join([*remarks, *_uncovered(workspace.members, few)])
    provenance = _provenance(workspace, workspace.method, reason, first, name)
    return product_row(str(workspace.association), "drz", workspace.after(name), proof, provenance | columns), stars


def _provenance(workspace: Workspace, method: str, reason: str, made: Recalibrated, name: str) -> Row:
    pipelines = _pipelines(workspace.before(name), workspace.after(name))
    return _origin(workspace, method, reason, made, name) | pipelines


def _origin(workspace: Workspace, method: str, reason: str, made: Recalibrated, name: str) -> Row:
    return {
        "dataset": workspace.ready.fetched.repair.dataset,
        "method": method,
        "reason": reason,
        "engine": made.engine,
        "engine_version": made.engine_version,
        "crds_context": workspace.references.context,
        "before": "perform" if f"{name}.fits" in workspace.made_here() else "archive",
        "run_id": workspace.run_id,
    }


def _pipelines(before: Path, after: Path) -> Row:
    """Return the version of calwf3 and the linearity file of both sides.

    The archive is being reprocessed with linearity files that vary from pixel to pixel (WFC3 ISR 2025-08), so the image
    before the repair may come from an older file or a newer one.
    """
    row = {}
    for side, path in (("before", before), ("after", after)):
        header = header_of(path)
        row[f"cal_ver_{side}"] = str(header.get("CAL_VER", "")).strip() or None
        row[f"nlinfile_{side}"] = str(header.get("NLINFILE", "")).rpartition("$")[2].strip() or None
    return row


def _drizzled_reasons(workspace: Workspace, made: Mapping[str, Recalibrated], drizzled: Drizzled) -> list[str]:
    n_repaired = sum(member.repaired for member in workspace.members)
    names = {member.rootname for member in workspace.members}
    remarks = [f"{n_repaired} of {len(names)} exposures repaired", *drizzled.warnings]
    notes = [note for note in workspace.ready.fetched.notes if note[:9] not in names]
    n_left_out = sum(" left out: " in note for note in notes)
    remarks += [f"{len(names)} of {len(names) + n_left_out} exposures combined"] if n_left_out else []
    remarks += notes + _foreign(workspace.members, made)
    return remarks + _weights(workspace, made)


def _weights(workspace: Workspace, made: Mapping[str, Recalibrated]) -> list[str]:
    """Return remarks on the weights of the exposures, with the noise expected from either kind."""
    variances = workspace.inverse_variances()
    if variances is None and workspace.settings.weight == "ivm":
        return ["weighted by time: ivm needs two or more exposures, all of them measured"]
    best, by_time = (_expected_drizzled(workspace, made, weights=each) for each in (variances, None))
    if variances is None or not best or not by_time:
        return []
    used, other = ("inverse variance", "time") if workspace.weights() else ("time", "inverse variance")
    noise, alternative = (best, by_time) if workspace.weights() else (by_time, best)
    depth = 2.5 * np.log10(by_time / best)
    return [f"weighted by {used}: expected noise {noise:.4f}, by {other} {alternative:.4f} ({depth:.2f} mag)"]


def _uncovered(members: Sequence[Member], few: float | None) -> Iterator[str]:
    """Yield a remark if cosmic rays of images without a ramp fit are rejected poorly in part of the drizzled image."""
    kept = [m.rootname for m in members if not implementation(m.method).description.rejects_cosmic_rays]
    if kept and few is not None and few > _UNCOVERED:
        yield (
            f"fewer than three exposures cover {100 * few:.0f} % of the area: cosmic rays of {', '.join(kept)} remain "
            "there; a method with a ramp fit, such as optimal, rejects them"
        )


def _foreign(members: Sequence[Member], made: Mapping[str, Recalibrated]) -> list[str]:
    """Return remarks on exposures whose FLT before is not the archive's."""
    return [
        f"{member.rootname}: {warning}"
        for member in members
        for warning in made[member.rootname].warnings
        if warning.startswith(NOT_THE_ARCHIVES)
    ]


def _noisier(members: Sequence[Member], skies: Mapping[str, Skies]) -> Iterator[str]:
    """Yield a remark for each unrepaired exposure with more noise than that from photons and reads."""
    for member in members:
        expected_one, found = expected_noise(member), skies[member.rootname].after.noise
        if not member.repaired and expected_one and found > _NOISIER * expected_one:
            excess = 100 * (found / expected_one - 1)
            yield f"{member.rootname}, not repaired, is {excess:.0f} % noisier than photons and reads alone"


def _expected_drizzled(
    workspace: Workspace, made: Mapping[str, Recalibrated], *, weights: Sequence[float] | None
) -> float | None:
    """Return the noise of the drizzled image from photons and reads; None unless all exposures are measured."""
    noises = [expected_noise(member) for member in workspace.members]
    if None in noises:
        return None
    exptimes = np.array([made[member.rootname].exptime for member in workspace.members])
    return noise_model.drizzled(
        np.array(noises, float), exptimes, weights=None if weights is None else np.array(weights)
    )


def _peak_mb(drizzled: Drizzled) -> float:
    """Return the peak memory of this process with that of its largest child [Mbyte]."""
    return peak_mb() + max(drizzled.peak_rss_mb, children_peak_mb())


def product_row(name: str, kind: str, path: Path, proof: Proof, provenance: Mapping[str, Any]) -> Row:
    """Return a complete row of `reprocessed`.

    Parameters
    ----------
    name : str
        Rootname or association.
    kind : str
        flt or drz.
    path : Path
        Path of the product.
    proof : Proof
        Comparison with the product before.
    provenance : mapping
        Other columns, including method and engine.
    """
    method, engine = provenance["method"], provenance["engine"]
    product = {
        "product_id": f"{name}_{kind}:{method}:{engine}", "kind": kind, "path": str(path), "sha256": checksum(path),
    }  # fmt: skip
    row = TABLES["reprocessed"].empty_row() | product | proof.columns() | dict(provenance)
    gain = row["depth_gain_mag"]
    return row | {"exptime_factor": None if gain is None else 10 ** (0.8 * gain)}


def write_numbers(path: Path, proof: Proof) -> None:
    """Write all numbers of a comparison as JSON, including those without a column."""
    numbers = asdict(proof)
    write_text(path, json.dumps(numbers.pop("skies") | numbers, indent=1) + "\n")
