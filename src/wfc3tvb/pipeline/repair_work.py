"""One dataset from raw files to drizzled image and proof: the worker of `reprocess`."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.exposure import Row
from wfc3tvb.io.crds import References
from wfc3tvb.io.drizzle import Drizzled, warm_process
from wfc3tvb.io.images import header_of
from wfc3tvb.io.memory import children_peak_mb, forget_peak, peak_mb
from wfc3tvb.pipeline.parallel import stage
from wfc3tvb.pipeline.repair_bench import Bench, Ready
from wfc3tvb.pipeline.repair_drizzle import combine
from wfc3tvb.pipeline.repair_member import Calibrated, CalibrateMember
from wfc3tvb.pipeline.repair_model import Member, ReprocessSettings
from wfc3tvb.pipeline.repair_prove import Proof, product_row, prove_drizzled, prove_exposure, write_numbers
from wfc3tvb.pipeline.repair_sky import Skies, expected_noise, exposure_skies
from wfc3tvb.science import expected

#: An exposure with this many times the noise of photons and reads is named in the row of the drizzled image.
_NOISIER = 1.1


@dataclass(frozen=True)
class RepairDataset:
    """The worker: repairs one dataset and returns its rows of `reprocessed`.

    Attributes
    ----------
    settings : ReprocessSettings
        How.
    run_id : str
        The run.
    threads : int
        Exposures calibrated at a time.
    out_of_core : bool
        Whether to drizzle out of core, the dataset being too large for the memory.
    """

    settings: ReprocessSettings
    run_id: str
    threads: int = 2
    out_of_core: bool = False

    def __call__(self, ready: Ready) -> list[Row]:
        """Calibrate, drizzle, compare.

        Raises
        ------
        TvbError
            With its stage; what was finished before is found again by the next run.
        """
        clock = Clock()
        forget_peak()
        bench = Bench(ready, self.settings, self.run_id, self.out_of_core)
        process = warm_process()
        process.start()
        made = calibrate_all(bench, self.threads)
        clock.lap("calibrate")
        with ThreadPoolExecutor(1) as pool:
            skies = {member.rootname: pool.submit(_skies, bench, member, made) for member in bench.members}
            with stage("drizzle"):
                drizzled = combine(bench, made, process)
            clock.lap("drizzle")
            with stage("compare"):
                measured = {rootname: each.result() for rootname, each in skies.items()}
        with stage("compare"):
            rows = prove_all(bench, made, measured, drizzled)
        clock.lap("compare")
        clock.write(bench.folder / "times.json")
        finish(bench, rows)
        return _share_time(rows, clock.total)


@dataclass
class Clock:
    """Time taken by each stage [s]."""

    began: float = field(default_factory=time.monotonic)
    laps: dict[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """Time since it was started [s]."""
        return time.monotonic() - self.began

    def lap(self, name: str) -> None:
        """Note the time since the last stage ended."""
        self.laps[name] = self.total - sum(self.laps.values())

    def write(self, path: Path) -> None:
        """Write the times as JSON."""
        path.write_text(json.dumps({name: round(seconds, 3) for name, seconds in self.laps.items()}) + "\n")


def _share_time(rows: Sequence[Row], total: float) -> list[Row]:
    """Return rows whose times add up to the total: what no product took is shared, what ran at a time is scaled."""
    own = sum(row["wall_s"] for row in rows)
    scale, share = min(total / own, 1.0) if own else 1.0, max(total - own, 0.0) / len(rows)
    return [row | {"wall_s": row["wall_s"] * scale + share} for row in rows]


# --- calibrate -----------------------------------------------------------------------------------------------------


def calibrate_all(bench: Bench, threads: int = 2) -> dict[str, Calibrated]:
    """Return the new FLT of every exposure, made several at a time, the flagged ones first."""
    flagged = [member for member in bench.members if member.repaired]
    others = [member for member in bench.members if not member.repaired]
    calibrate = CalibrateMember(
        bench.settings.engine,
        bench.settings.recover_saturated,
        bench.folder / "work",
        max(threads // max(len(flagged), 1), 1),
    )
    made: dict[str, Calibrated] = {}

    def one(member: Member) -> Calibrated:
        raw, references = bench.ready.fetched.raw(member.rootname), bench.ready.references[member.rootname]
        again = None if member.repaired else _archives_own(bench, member, references, made)
        return again or calibrate(member, raw, references)

    with ThreadPoolExecutor(threads) as pool:
        for members in (flagged, others):
            made |= zip([member.rootname for member in members], pool.map(one, members), strict=True)
    _stand_ins(bench, calibrate)
    return made


def _stand_ins(bench: Bench, calibrate: CalibrateMember) -> None:
    """Make the FLTs that the archive did not give, with the ramp fit: they are what is compared with."""
    for member in bench.members:
        if bench.before(f"{member.rootname}_flt").exists():
            continue
        plain = replace(member, method="perform", reason="stands in for the archive's")
        raw, references = bench.ready.fetched.raw(member.rootname), bench.ready.references[member.rootname]
        stand_in = Path(calibrate(plain, raw, references).flt)
        shutil.copyfile(stand_in, bench.before(stand_in.stem))
        bench.note_made_here(stand_in.name)


def _archives_own(
    bench: Bench, member: Member, references: References, made: Mapping[str, Calibrated]
) -> Calibrated | None:
    """Return the archive's FLT of an unflagged exposure where version and every reference are the new ones."""
    path = bench.before(f"{member.rootname}_flt")
    if not made or not path.exists():
        return None
    first = next(iter(made.values()))
    old, new = header_of(path), header_of(Path(first.flt))
    names = {key: str(old.get(key, "")).rpartition("$")[2] for key in references.names}
    same = str(old.get("CAL_VER")).strip() == str(new.get("CAL_VER")).strip() and names == dict(references.names)
    if not same or str(old.get("CRCORR")).strip() != "COMPLETE":
        return None
    why = ("the archive's FLT: same version and references",)
    return Calibrated(str(path), first.engine, first.engine_version, float(old["EXPTIME"]), 0.0, why)


# --- prove ---------------------------------------------------------------------------------------------------------


def _skies(bench: Bench, member: Member, made: Mapping[str, Calibrated]) -> Skies:
    """Measure the skies of an exposure before and after."""
    name = f"{member.rootname}_flt"
    return exposure_skies(member, bench.before(name), Path(made[member.rootname].flt), bench.proof(name, "npz"))


def prove_all(
    bench: Bench, made: Mapping[str, Calibrated], skies: Mapping[str, Skies], drizzled: Drizzled
) -> list[Row]:
    """Return the rows of `reprocessed`, the drizzled image's last."""
    stars, last = None, []
    if drizzled.path is not None:
        row, stars = _drizzled_row(bench, made, skies, drizzled)
        last = [row]
    rows = []
    for member in bench.members:
        name = f"{member.rootname}_flt"
        proof = prove_exposure(member, skies[member.rootname], bench.before(name), bench.after(name), stars)
        write_numbers(bench.proof(name, "json"), proof)
        rows.append(_exposure_row(bench, member, made[member.rootname], proof, drizzled))
    return rows + last


def _exposure_row(bench: Bench, member: Member, made: Calibrated, proof: Proof, drizzled: Drizzled) -> Row:
    said = [member.reason, *made.warnings]
    said += [note for note in bench.ready.fetched.notes if note.startswith(member.rootname)]
    if bench.settings.references == "crds" and not bench.ready.references[member.rootname].verified:
        said.append("references not held against the checksums of CRDS")
    if bench.association is None:
        said += drizzled.warnings
        said += ["a lone exposure: cosmic rays remain in it"] if member.method == "omit" else []
    name = f"{member.rootname}_flt"
    own = {
        "rootname": member.rootname, "noise_expected": expected_noise(member), "wall_s": made.wall_s,
        "references": bench.ready.references[member.rootname].as_json(), "peak_rss_mb": _peak_mb(drizzled),
    }  # fmt: skip
    provenance = _provenance(bench, member.method, "; ".join(said), made, name)
    return product_row(member.rootname, "flt", bench.after(name), proof, provenance | own)


def _drizzled_row(
    bench: Bench, made: Mapping[str, Calibrated], skies: Mapping[str, Skies], drizzled: Drizzled
) -> tuple[Row, NDArray[np.float64]]:
    """Return the row of the drizzled image, and the sky positions of its stars."""
    name, noise = f"{bench.association}_drz", _expected_drizzled(bench, made, weights=bench.weights())
    levels = [(skies[member.rootname].before.level, member.sky_mean) for member in bench.members]
    fault = float(np.mean([0.0 if true is None else abs(level - true) for level, true in levels]))
    proof, stars = prove_drizzled(
        bench.before(name), bench.after(name), noise, bench.proof(name, "npz"), method=bench.method, fault=fault,
        flts=[bench.after(f"{member.rootname}_flt") for member in bench.members],
    )  # fmt: skip
    write_numbers(bench.proof(name, "json"), proof)
    own = {
        "rootname": None, "noise_expected": noise, "wall_s": drizzled.wall_s,
        "references": bench.references.as_json(), "peak_rss_mb": _peak_mb(drizzled),
    }  # fmt: skip
    first = next(iter(made.values()))
    reason = "; ".join([*_drizzled_reasons(bench, made, drizzled), *_noisier(bench.members, skies)])
    provenance = _provenance(bench, bench.method, reason, first, name)
    return product_row(str(bench.association), "drz", bench.after(name), proof, provenance | own), stars


def _provenance(bench: Bench, method: str, reason: str, made: Calibrated, name: str) -> Row:
    return {
        "dataset": bench.ready.fetched.repair.dataset,
        "method": method,
        "reason": reason,
        "engine": made.engine,
        "engine_version": made.engine_version,
        "crds_context": bench.references.context,
        "before": "perform" if f"{name}.fits" in bench.made_here() else "archive",
        "run_id": bench.run_id,
    }


def _drizzled_reasons(bench: Bench, made: Mapping[str, Calibrated], drizzled: Drizzled) -> list[str]:
    n_repaired = sum(member.repaired for member in bench.members)
    names = {member.rootname for member in bench.members}
    said = [f"{n_repaired} of {len(names)} exposures repaired", *drizzled.warnings]
    said += [note for note in bench.ready.fetched.notes if note[:9] not in names]
    weighted, by_time = (_expected_drizzled(bench, made, weights=each) for each in (bench.weights(), None))
    if bench.weights() is not None and weighted and by_time:
        said.append(f"weighted by inverse variance: {2.5 * np.log10(by_time / weighted):.2f} mag deeper than by time")
    elif bench.settings.weight == "ivm":
        said.append("weighted by time: for ivm each of two or more exposures must be measured")
    return said


def _noisier(members: Sequence[Member], skies: Mapping[str, Skies]) -> Iterator[str]:
    """Say which exposures that were not repaired make the drizzled image noisier than photons and reads would."""
    for member in members:
        expected_one, found = expected_noise(member), skies[member.rootname].after.noise
        if not member.repaired and expected_one and found > _NOISIER * expected_one:
            excess = 100 * (found / expected_one - 1)
            yield f"{member.rootname}, not repaired, is {excess:.0f} % noisier than photons and reads alone"


def _expected_drizzled(
    bench: Bench, made: Mapping[str, Calibrated], *, weights: Sequence[float] | None
) -> float | None:
    """Return the noise that photons and reads leave in the drizzled image; None where one is not measured."""
    noises = [expected_noise(member) for member in bench.members]
    if None in noises:
        return None
    exptimes = np.array([made[member.rootname].exptime for member in bench.members])
    return expected.drizzled(np.array(noises, float), exptimes, weights=None if weights is None else np.array(weights))


# --- finish --------------------------------------------------------------------------------------------------------


def finish(bench: Bench, rows: Sequence[Row]) -> None:
    """Link the best product where asked, and clear the scratch unless it is to be kept."""
    if bench.settings.keep_best:
        product = Path(rows[-1]["path"])
        link = bench.folder.parent / "best" / product.name
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(product if rows[-1]["accepted"] else bench.before(product.stem))
    if not bench.settings.keep:
        shutil.rmtree(bench.folder / "work", ignore_errors=True)


def _peak_mb(drizzled: Drizzled) -> float:
    """Return the peak memory of this process with that of its largest child [Mbyte]."""
    return peak_mb() + max(drizzled.peak_rss_mb, children_peak_mb())
