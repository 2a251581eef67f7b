"""Alignment and combination of a dataset's new exposures, and the files of its products."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from wfc3tvb import __version__
from wfc3tvb.errors import DrizzleError
from wfc3tvb.fits.images import header_of, write_cards
from wfc3tvb.repair.astrodrizzle import Drizzled, DrizzleProcess, DrizzleSettings, drizzle, read_parameters
from wfc3tvb.repair.astrodrizzle_process import LOG
from wfc3tvb.repair.recalibrate import Recalibrated, cards_of, reads_used
from wfc3tvb.repair.workspace import Workspace, move, read_record, write_record

#: Record of the combination, in ``work/``.
_DONE = "combined.json"
#: Number of lines of the log in an error message.
_EXCERPT = 4


def combine(workspace: Workspace, made: Mapping[str, Recalibrated], process: DrizzleProcess) -> Drizzled:
    """Align and combine the new FLTs; a single exposure is only aligned.

    Products of an earlier run from the same FLTs with the same settings are reused.

    Raises
    ------
    DrizzleError
        If alignment or drizzling fails; the error has the end of the log.
    """
    flts = [Path(made[member.rootname].flt) for member in workspace.members]
    signature = _signature(workspace, flts)
    if (before := _resumed(workspace, flts, signature)) is not None:
        return before
    done = _drizzle(workspace, flts, process, workspace.weights())
    for member, path in zip(workspace.members, flts, strict=True):
        product = workspace.after(path.stem)
        move(done.log.parent / path.name, product)
        if path == workspace.before(path.stem):
            version = str(header_of(path).get("CAL_VER", "")).strip()
            cards = cards_of(member, "archive", version, workspace.ready.references[member.rootname])
            write_cards(product, cards, f"wfc3tvb {__version__}: the archive's image, aligned again")
    if done.path is not None:
        _write_drizzled_cards(workspace, made, done)
        move(done.path, workspace.after(done.path.stem))
        done = replace(done, path=workspace.after(done.path.stem))
        _make_missing_drizzled(workspace, f"{workspace.association}_drz", process)
    _write_done(workspace, done, signature)
    return done


def _signature(workspace: Workspace, flts: Sequence[Path]) -> dict[str, Any]:
    """Return everything that determines the result: FLTs, references, and settings."""
    settings = workspace.settings
    pars = settings.drizzle_pars
    return {
        "flts": [[str(path), path.stat().st_mtime_ns] for path in flts], "version": __version__,
        "references": dict(workspace.references.sha1), "weights": workspace.weights(), "use_db": settings.use_db,
        "by": settings.drizzle, "parameters": None if pars is None else read_parameters(pars),
    }  # fmt: skip


def _write_done(workspace: Workspace, done: Drizzled, signature: Mapping[str, Any]) -> None:
    """Record that the products are complete."""
    record = asdict(done) | {"path": done.path and str(done.path), "log": str(done.log), "warnings": done.warnings}
    write_record(workspace.folder / "work" / _DONE, {"signature": signature, "done": record})


def _resumed(workspace: Workspace, flts: Sequence[Path], signature: Mapping[str, Any]) -> Drizzled | None:
    """Return the result of an earlier run with the same signature, if its files exist."""
    if (record := read_record(workspace.folder / "work" / _DONE)) is None:
        return None
    done = record["done"]
    product = Path(done["path"]) if done["path"] else None
    complete = all(workspace.after(flt.stem).exists() for flt in flts) and (product is None or product.exists())
    if record["signature"] != json.loads(json.dumps(signature)) or not complete:
        return None
    return Drizzled(**done | {"path": product, "log": Path(done["log"]), "warnings": tuple(done["warnings"])})


def _drizzle(
    workspace: Workspace,
    flts: Sequence[Path],
    process: DrizzleProcess,
    weights: Sequence[float] | None,
    name: str = "drizzle",
) -> Drizzled:
    """Drizzle copies of exposures in ``work/<name>``; if the process was killed, try again out of core."""
    settings = workspace.settings
    parameters: dict[str, Any] = {"in_memory": False} if workspace.out_of_core else {}
    parameters |= {} if settings.drizzle_pars is None else read_parameters(settings.drizzle_pars)
    try:
        return _attempt(workspace, flts, process, weights, name, parameters)
    except DrizzleError as error:
        if error.killed and parameters.get("in_memory", True):
            done = _attempt(workspace, flts, process, weights, name, parameters | {"in_memory": False})
            return replace(done, warnings=(*done.warnings, "drizzled out of core after the process was killed"))
        lines = [line.strip() for line in error.log.splitlines() if line.strip(" =-")]
        end = " | ".join(lines[-_EXCERPT:])
        raise DrizzleError(error.product, f"{error.problem} [{end}]", error.log) from error


def _attempt(
    workspace: Workspace,
    flts: Sequence[Path],
    process: DrizzleProcess,
    weights: Sequence[float] | None,
    name: str,
    parameters: Mapping[str, Any],
) -> Drizzled:
    folder = workspace.folder / "work" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    copies = [Path(shutil.copyfile(path, folder / path.name)) for path in flts]
    settings = DrizzleSettings(workspace.settings.use_db, parameters, by=workspace.settings.drizzle)
    iref = workspace.references.folder
    try:
        return drizzle(process, copies, workspace.association, iref=iref, settings=settings, weights=weights)
    finally:
        if (folder / LOG).exists():
            shutil.copyfile(folder / LOG, workspace.folder / f"{name}.log")


def _write_drizzled_cards(workspace: Workspace, made: Mapping[str, Recalibrated], done: Drizzled) -> None:
    """Write the method and provenance of every exposure into the drizzled image's header."""
    methods = ",".join(f"{m.rootname[-3:]}:{m.method}" for m in workspace.members if m.repaired)
    first = next(made[member.rootname] for member in workspace.members if member.repaired)
    cards = {
        "TVBMETH": (workspace.method, "repair of the variable background"),
        "TVBEXP": (methods[:68], ""),
        "TVBENG": (f"{first.engine} {first.engine_version}"[:40], "engine"),
        "TVBVER": (__version__, "version of wfc3tvb"),
        "TVBDRZ": (", ".join(f"{name} {version}" for name, version in sorted(done.versions.items())), done.by),
        "TVBWGT": ("exptime" if workspace.weights() is None else "ivm", "weight of the exposures"),
        "TVBCTX": (workspace.references.context, "CRDS context of the references"),
    }
    lines = [f"wfc3tvb {__version__}: drizzled from repaired exposures"]
    lines += [note for note in workspace.ready.fetched.notes if " left out: " in note]
    lines += [
        f"{m.rootname}: {m.method}, reads {reads_used(m)}, {made[m.rootname].exptime:.1f} s" for m in workspace.members
    ]
    write_cards(Path(str(done.path)), cards, *lines)


def _make_missing_drizzled(workspace: Workspace, name: str, process: DrizzleProcess) -> None:
    """Drizzle the unrepaired FLTs where the archive has no drizzled image to compare with."""
    if workspace.before(name).exists():
        return
    flts = [workspace.before(f"{member.rootname}_flt") for member in workspace.members]
    done = _drizzle(workspace, flts, process, None, "before")
    if done.path is not None:
        move(done.path, workspace.before(name))
        workspace.note_made_here(f"{name}.fits")
