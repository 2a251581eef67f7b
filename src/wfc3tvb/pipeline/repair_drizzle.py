"""New exposures of a dataset aligned and combined, products put in their places."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from wfc3tvb import __version__
from wfc3tvb.errors import DrizzleError
from wfc3tvb.io.drizzle import Drizzled, DrizzleProcess, DrizzleSettings, drizzle_in, read_parameters
from wfc3tvb.io.images import stamp
from wfc3tvb.pipeline.repair_bench import Bench, move
from wfc3tvb.pipeline.repair_member import Calibrated


def drizzle_process(bench: Bench, name: str = "drizzle") -> DrizzleProcess:
    """Start the process that drizzles in ``work/<name>``; it loads its libraries while others work."""
    place = bench.folder / "work" / name
    shutil.rmtree(place, ignore_errors=True)
    return DrizzleProcess(place, iref=bench.references.folder, use_db=bench.settings.use_db)


def combine(bench: Bench, made: Mapping[str, Calibrated], process: DrizzleProcess) -> Drizzled:
    """Align and combine the new FLTs; a lone exposure is aligned only: it ends at its FLT.

    Raises
    ------
    DrizzleError
        With the end of the log.
    """
    flts = [Path(made[member.rootname].flt) for member in bench.members]
    done = _drizzle(bench, flts, process, bench.weights())
    for path in flts:
        move(process.folder / path.name, bench.after(path.stem))
    if done.path is not None:
        _stamp(bench, done.path)
        move(done.path, bench.after(done.path.stem))
        _before(bench, done.path.stem)
    shutil.copyfile(done.log, bench.folder / "drizzle.log")
    return done


def _drizzle(bench: Bench, flts: Sequence[Path], process: DrizzleProcess, weights: Sequence[float] | None) -> Drizzled:
    """Drizzle copies of exposures."""
    copies = [Path(shutil.copyfile(path, process.folder / path.name)) for path in flts]
    own = bench.settings
    parameters = {} if own.drizzle_pars is None else read_parameters(own.drizzle_pars)
    settings = DrizzleSettings(use_db=own.use_db, parameters=parameters)
    try:
        return drizzle_in(process, copies, bench.association, settings=settings, weights=weights)
    except DrizzleError as error:
        (bench.folder / "drizzle.log").write_text(error.log)
        end = " | ".join(line.strip() for line in error.log.splitlines()[-3:])
        raise DrizzleError(error.product, f"{error.problem} [{end}]", error.log) from error


def _stamp(bench: Bench, path: Path) -> None:
    """Write into the drizzled image's header what was done."""
    methods = ",".join(f"{m.rootname[-3:]}:{m.method}" for m in bench.members if m.repaired)
    cards = {
        "TVBMETH": (bench.method, "repair of the variable background"),
        "TVBEXP": (methods[:68], ""),
        "TVBVER": (__version__, "version of wfc3tvb"),
        "TVBCTX": (bench.references.context, "CRDS context of the references"),
    }
    stamp(path, cards, f"wfc3tvb {__version__}: drizzled from repaired exposures")


def _before(bench: Bench, name: str) -> None:
    """Drizzle the FLTs from before where the archive has no drizzled image to compare with."""
    if bench.before(name).exists():
        return
    flts = [bench.before(f"{member.rootname}_flt") for member in bench.members]
    with drizzle_process(bench, "before") as process:
        done = _drizzle(bench, flts, process, None)
    if done.path is not None:
        move(done.path, bench.before(name))
        bench.note_made_here(f"{name}.fits")
