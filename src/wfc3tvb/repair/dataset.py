"""Repair of one dataset, from raw files to drizzled image and proof: the worker of `reprocess`."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from wfc3tvb.fits.images import header_of
from wfc3tvb.models import Row
from wfc3tvb.parallel.backends import stage
from wfc3tvb.references.crds import References
from wfc3tvb.repair.astrodrizzle import warm_process
from wfc3tvb.repair.combine import combine
from wfc3tvb.repair.compare_sky import Skies, exposure_skies
from wfc3tvb.repair.model import Member, ReprocessSettings
from wfc3tvb.repair.recalibrate import CalibrateMember, Recalibrated
from wfc3tvb.repair.rows import prove_all
from wfc3tvb.repair.workspace import ReadyDataset, Workspace
from wfc3tvb.system.memory import forget_peak


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

    def __call__(self, ready: ReadyDataset) -> list[Row]:
        """Calibrate, drizzle, compare.

        Raises
        ------
        TvbError
            With its stage; what was finished before is found again by the next run.
        """
        clock = Clock()
        forget_peak()
        workspace = Workspace(ready, self.settings, self.run_id, self.out_of_core)
        process = warm_process()
        process.start()
        made = calibrate_all(workspace, self.threads)
        clock.lap("calibrate")
        with ThreadPoolExecutor(1) as pool:
            skies = {member.rootname: pool.submit(_skies, workspace, member, made) for member in workspace.members}
            with stage("drizzle"):
                drizzled = combine(workspace, made, process)
            clock.lap("drizzle")
            with stage("compare"):
                measured = {rootname: each.result() for rootname, each in skies.items()}
        with stage("compare"):
            rows = prove_all(workspace, made, measured, drizzled)
        clock.lap("compare")
        clock.write(workspace.folder / "times.json")
        finish(workspace, rows)
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
    timed = sum(row["wall_s"] for row in rows)
    scale, share = min(total / timed, 1.0) if timed else 1.0, max(total - timed, 0.0) / len(rows)
    return [row | {"wall_s": row["wall_s"] * scale + share} for row in rows]


# --- calibrate -----------------------------------------------------------------------------------------------------


def calibrate_all(workspace: Workspace, threads: int = 2) -> dict[str, Recalibrated]:
    """Return the new FLT of every exposure, made several at a time, the flagged ones first."""
    flagged = [member for member in workspace.members if member.repaired]
    others = [member for member in workspace.members if not member.repaired]
    calibrate = CalibrateMember(
        workspace.settings.engine,
        workspace.settings.recover_saturated,
        workspace.folder / "work",
        max(threads // max(len(flagged), 1), 1),
    )
    made: dict[str, Recalibrated] = {}

    def one(member: Member) -> Recalibrated:
        raw, references = workspace.ready.fetched.raw(member.rootname), workspace.ready.references[member.rootname]
        again = None if member.repaired else _archive_flt(workspace, member, references, made)
        return again or calibrate(member, raw, references)

    with ThreadPoolExecutor(threads) as pool:
        for members in (flagged, others):
            made |= zip([member.rootname for member in members], pool.map(one, members), strict=True)
    _make_missing_flts(workspace, calibrate)
    return made


def _make_missing_flts(workspace: Workspace, calibrate: CalibrateMember) -> None:
    """Make the FLTs that the archive did not give, with the ramp fit: they are what is compared with."""
    for member in workspace.members:
        if workspace.before(f"{member.rootname}_flt").exists():
            continue
        plain = replace(member, method="perform", reason="stands in for the archive's")
        raw, references = workspace.ready.fetched.raw(member.rootname), workspace.ready.references[member.rootname]
        stand_in = Path(calibrate(plain, raw, references).flt)
        shutil.copyfile(stand_in, workspace.before(stand_in.stem))
        workspace.note_made_here(stand_in.name)


def _archive_flt(
    workspace: Workspace, member: Member, references: References, made: Mapping[str, Recalibrated]
) -> Recalibrated | None:
    """Return the archive's FLT of an unflagged exposure where version and every reference are the new ones."""
    path = workspace.before(f"{member.rootname}_flt")
    if not made or not path.exists():
        return None
    first = next(iter(made.values()))
    old, new = header_of(path), header_of(Path(first.flt))
    names = {key: str(old.get(key, "")).rpartition("$")[2] for key in references.names}
    same = str(old.get("CAL_VER")).strip() == str(new.get("CAL_VER")).strip() and names == dict(references.names)
    if not same or str(old.get("CRCORR")).strip() != "COMPLETE":
        return None
    why = ("the archive's FLT: same version and references",)
    return Recalibrated(str(path), first.engine, first.engine_version, float(old["EXPTIME"]), 0.0, why)


# --- measure ---------------------------------------------------------------------------------------------------------


def _skies(workspace: Workspace, member: Member, made: Mapping[str, Recalibrated]) -> Skies:
    """Measure the skies of an exposure before and after."""
    name = f"{member.rootname}_flt"
    return exposure_skies(member, workspace.before(name), Path(made[member.rootname].flt), workspace.proof(name, "npz"))


# --- finish --------------------------------------------------------------------------------------------------------


def finish(workspace: Workspace, rows: Sequence[Row]) -> None:
    """Link the best product where asked, and clear the scratch unless it is to be kept."""
    if workspace.settings.keep_best:
        product = Path(rows[-1]["path"])
        link = workspace.folder.parent / "best" / product.name
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(product if rows[-1]["accepted"] else workspace.before(product.stem))
    if not workspace.settings.keep:
        shutil.rmtree(workspace.folder / "work", ignore_errors=True)
