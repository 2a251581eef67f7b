"""Worker of `reprocess`, which repairs one dataset: calibrates, drizzles and compares its exposures."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from wfc3tvb.errors import RefusedError
from wfc3tvb.fits.images import header_of
from wfc3tvb.models import Row
from wfc3tvb.parallel.backends import stage
from wfc3tvb.references.crds import References
from wfc3tvb.repair.astrodrizzle import warm_process
from wfc3tvb.repair.combine import combine
from wfc3tvb.repair.inputs import NOT_THE_ARCHIVES, no_image, no_light, not_the_archives, sky_differs
from wfc3tvb.repair.model import Member, ReprocessSettings
from wfc3tvb.repair.proof.compare_sky import Skies, exposure_skies
from wfc3tvb.repair.proof.pictures import Pictures
from wfc3tvb.repair.recalibrate import CalibrateMember, Recalibrated
from wfc3tvb.repair.rows import left_out_rows, prove_all
from wfc3tvb.repair.workspace import ReadyDataset, Workspace
from wfc3tvb.system.files import remove_tree, write_text
from wfc3tvb.system.memory import forget_peak


@dataclass(frozen=True)
class RepairDataset:
    """Worker that repairs one dataset and returns its rows of `reprocessed`.

    Attributes
    ----------
    settings : ReprocessSettings
        Settings of the repair.
    run_id : str
        Identifier of the run.
    threads : int
        Number of exposures calibrated at the same time.
    out_of_core : bool
        Whether to drizzle out of core, because the dataset is too large for the memory.
    """

    settings: ReprocessSettings
    run_id: str
    threads: int = 2
    out_of_core: bool = False

    def __call__(self, ready: ReadyDataset) -> list[Row]:
        """Calibrate, drizzle and compare the exposures of a dataset.

        Raises
        ------
        TvbError
            If a step fails; `stage` says which. The next run reuses the steps that were finished.
        """
        clock = Clock()
        forget_peak()
        workspace = asked = Workspace(ready, self.settings, self.run_id, self.out_of_core)
        pictures = Pictures()
        process = warm_process()
        process.start()
        raw = workspace.ready.fetched.raw
        with stage("calibrate"):
            workspace = leave_out(workspace, {m.rootname: no_light(raw(m.rootname)) for m in workspace.members})
        made = calibrate_all(workspace, pictures, self.threads)
        with stage("calibrate"):
            empty = {m.rootname: no_image(Path(made[m.rootname].flt), m, pictures) for m in workspace.members}
            workspace = leave_out(workspace, empty)
        clock.lap("calibrate")
        with ThreadPoolExecutor(1) as pool:
            skies = {
                member.rootname: pool.submit(_skies, workspace, member, made, pictures) for member in workspace.members
            }
            with stage("drizzle"):
                drizzled = combine(workspace, made, process)
            clock.lap("drizzle")
            with stage("compare"):
                measured = {rootname: each.result() for rootname, each in skies.items()}
        with stage("compare"):
            workspace = leave_out(workspace, dict.fromkeys(drizzled.dropped, "AstroDrizzle left it out"))
            rows = left_out_rows(asked, workspace, made)
            rows += prove_all(workspace, made, measured, drizzled, pictures, self.threads)
        clock.lap("compare")
        clock.write(workspace.folder / "times.json")
        finish(workspace, rows)
        return _share_time(rows, clock.total)


def leave_out(workspace: Workspace, reasons: Mapping[str, str]) -> Workspace:
    """Return a workspace without exposures that cannot be combined; its notes name them.

    Parameters
    ----------
    workspace : Workspace
        The dataset.
    reasons : mapping of str to str
        Reason to leave out an exposure, by rootname; empty to keep it.

    Raises
    ------
    RefusedError
        If no exposure that is to be repaired is left.
    """
    left_out = {name: reason for name, reason in reasons.items() if reason}
    if not left_out:
        return workspace
    fetched = workspace.ready.fetched
    kept = tuple(member for member in workspace.members if member.rootname not in left_out)
    notes = tuple(f"{name} left out: {reason}" for name, reason in left_out.items())
    if not any(member.repaired for member in kept):
        raise RefusedError(fetched.repair.dataset, f"no exposure to repair is left: {'; '.join(notes)}")
    fetched = replace(fetched, repair=replace(fetched.repair, members=kept), notes=fetched.notes + notes)
    return replace(workspace, ready=replace(workspace.ready, fetched=fetched))


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
        """Record the time since the last stage ended."""
        self.laps[name] = self.total - sum(self.laps.values())

    def write(self, path: Path) -> None:
        """Write the times as JSON."""
        write_text(path, json.dumps({name: round(seconds, 3) for name, seconds in self.laps.items()}) + "\n")


def _share_time(rows: Sequence[Row], total: float) -> list[Row]:
    """Adjust the times of the rows to add up to the total: share the rest, and scale down simultaneous work."""
    timed = sum(row["wall_s"] for row in rows)
    scale, share = min(total / timed, 1.0) if timed else 1.0, max(total - timed, 0.0) / len(rows)
    return [row | {"wall_s": row["wall_s"] * scale + share} for row in rows]


# --- calibrate -----------------------------------------------------------------------------------------------------


@stage("calibrate")
def calibrate_all(workspace: Workspace, pictures: Pictures, threads: int = 2) -> dict[str, Recalibrated]:
    """Calibrate every exposure, several at the same time and the flagged ones first, and return the new FLTs."""
    flagged = [member for member in workspace.members if member.repaired]
    others = [member for member in workspace.members if not member.repaired]
    calibrate = CalibrateMember(
        workspace.settings.engine,
        workspace.settings.recover_saturated,
        workspace.folder / "work",
        max(threads // max(len(flagged), 1), 1),
    )
    made: dict[str, Recalibrated] = {}

    def new_flt(member: Member) -> Recalibrated:
        raw, references = workspace.ready.fetched.raw(member.rootname), workspace.ready.references[member.rootname]
        path = workspace.before(f"{member.rootname}_flt")
        problem = not_the_archives(path, member, pictures) if path.exists() else ""
        reused = None if member.repaired or problem else _archive_flt(workspace, (member, references), made, pictures)
        return reused or _with_problem(calibrate(member, raw, references), (path, problem), member, pictures)

    with ThreadPoolExecutor(threads) as pool:
        for members in (flagged, others):
            made |= zip([member.rootname for member in members], pool.map(new_flt, members), strict=True)
    _make_missing_flts(workspace, calibrate)
    return made


def _with_problem(made: Recalibrated, found: tuple[Path, str], member: Member, pictures: Pictures) -> Recalibrated:
    """Return a recalibrated exposure with a remark if its FLT before, found with a problem, is not the archive's.

    An unusual sky that the raw file gives as well is no sign of a change.
    """
    old, problem = found
    changed = problem.startswith("it was") or member.repaired or sky_differs(old, Path(made.flt), pictures)
    if not problem or not changed:
        return made
    what = "compared with it all the same" if member.repaired else "made again from the raw file"
    return replace(made, warnings=(*made.warnings, f"{NOT_THE_ARCHIVES}: {problem}; {what}"))


def _make_missing_flts(workspace: Workspace, calibrate: CalibrateMember) -> None:
    """Make FLTs that the archive does not have, with the ramp fit, for the comparison."""
    for member in workspace.members:
        if workspace.before(f"{member.rootname}_flt").exists():
            continue
        plain = replace(member, method="perform", reason="replaces the archive's FLT, which is missing")
        raw, references = workspace.ready.fetched.raw(member.rootname), workspace.ready.references[member.rootname]
        flt = Path(calibrate(plain, raw, references).flt)
        shutil.copyfile(flt, workspace.before(flt.stem))
        workspace.note_made_here(flt.name)


def _archive_flt(
    workspace: Workspace, asked: tuple[Member, References], made: Mapping[str, Recalibrated], pictures: Pictures
) -> Recalibrated | None:
    """Return the archive's FLT of an unflagged exposure if its version and all its references are the new ones."""
    member, references = asked
    path = workspace.before(f"{member.rootname}_flt")
    if not made or not path.exists() or no_image(path, member, pictures):
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


def _skies(workspace: Workspace, member: Member, made: Mapping[str, Recalibrated], pictures: Pictures) -> Skies:
    """Measure the sky of an exposure before and after."""
    name = f"{member.rootname}_flt"
    files = workspace.before(name), Path(made[member.rootname].flt)
    return exposure_skies(member, files, workspace.proof(name, "npz"), pictures)


# --- finish --------------------------------------------------------------------------------------------------------


def finish(workspace: Workspace, rows: Sequence[Row]) -> None:
    """Link the best product if requested, and remove the scratch files unless they are to be kept."""
    if workspace.settings.keep_best:
        product = Path(rows[-1]["path"])
        link = workspace.folder.parent / "best" / product.name
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(product if rows[-1]["accepted"] else workspace.before(product.stem))
    if not workspace.settings.keep:
        remove_tree(workspace.folder / "work")
