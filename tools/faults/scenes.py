"""Commands whose calls fail, each with the folder that it finds and what has to be right afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tests.helpers.small_archive import make_archive

from wfc3tvb.simulate.plan import Preset
from wfc3tvb.simulate.presets import preset
from wfc3tvb.simulate.visit import simulate

#: Runs the program `wfc3tvb` with arguments in the present folder.
Run = Callable[..., None]
#: The visit that is repaired: two of its exposures, both hit.
_REPAIRED = ("ibohbfb9q", "ibohbfbgq")
_SURVEY = ("survey", "--filters", "all", "--catalog", "catalog")


@dataclass(frozen=True)
class Scene:
    """A command.

    Attributes
    ----------
    name : str
        Its name in the table.
    arguments : tuple of str
        Of the program; the catalog is the folder ``catalog``.
    prepare : callable
        Makes the files that the command finds, in the present folder; its arguments are `Run` and the folder of
        the archives, which it makes if need be.
    changes : bool
        Whether the command changes the rows of the catalog.
    outputs : str
        Folder that it writes beside the catalog; empty if none.
    """

    name: str
    arguments: tuple[str, ...]
    prepare: Callable[[Run, Path], None]
    changes: bool = False
    outputs: str = ""


def scenes(archives: Path) -> dict[str, Scene]:
    """Return all scenes by name, given the folder of the archives."""
    exported = [
        Scene(f"export {form}", ("export", "out", "--format", form, "--catalog", "catalog"), _surveyed, outputs="out")
        for form in ("parquet", "fits", "votable", "csv", "ecsv", "json", "hats")
    ]
    release = ("release", "out", "--catalog", "catalog")
    repair = ("reprocess", "--all", "--method", "omit", "--outdir", "products", "--catalog", "catalog")
    found = [
        Scene("survey", (*_SURVEY, "--source", str(archives / "small")), _nothing, changes=True),
        Scene("compact", ("compact", "--grace-hours", "0", "--catalog", "catalog"), _surveyed_in_parts),
        Scene("rescore", ("rescore", "--systematic", "0.03", "--catalog", "catalog"), _surveyed, changes=True),
        Scene("reprocess", repair, _visit_surveyed, changes=True, outputs="products"),
        *exported,
        Scene("release", release, _repaired, outputs="out"),
        Scene("release again", (*release, "--overwrite"), _released, outputs="out"),
    ]
    return {scene.name: scene for scene in found}


def _small(archives: Path) -> None:
    """Make six very small exposures, unless they are there."""
    if not (archives / "small").exists():
        make_archive(archives / "small")


def _visit(archives: Path) -> None:
    """Make a visit that can be repaired, unless it is there."""
    if not (archives / "visit").exists():
        visit = preset("ibohbf040").visits[0]
        hit = tuple(each for each in visit.exposures if each.rootname in _REPAIRED)
        simulate(archives / "visit", Preset("faults", "two exposures", (replace(visit, exposures=hit),)), size=64)


def _nothing(run: Run, archives: Path) -> None:
    _small(archives)


def _surveyed(run: Run, archives: Path) -> None:
    _small(archives)
    run(*_SURVEY, "--source", str(archives / "small"))


def _surveyed_in_parts(run: Run, archives: Path) -> None:
    """Survey two exposures at a time, which leaves three files of every table or more."""
    _small(archives)
    for _ in range(3):
        run(*_SURVEY, "--source", str(archives / "small"), "--limit", "2")


def _visit_surveyed(run: Run, archives: Path) -> None:
    _visit(archives)
    run(*_SURVEY, "--source", str(archives / "visit"))


def _repaired(run: Run, archives: Path) -> None:
    _visit_surveyed(run, archives)
    run(*scenes(archives)["reprocess"].arguments)


def _released(run: Run, archives: Path) -> None:
    _repaired(run, archives)
    run(*scenes(archives)["release"].arguments)
    shutil.copytree("out", "former")  # to be the same until there is a new one
