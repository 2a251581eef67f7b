"""Workspace of a dataset during its repair: folder, files, references and settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wfc3tvb.references.crds import References
from wfc3tvb.repair.expected import expected_noise
from wfc3tvb.repair.fetch import Fetched
from wfc3tvb.repair.model import Member, ReprocessSettings
from wfc3tvb.system.files import atomic_write

#: Ratio of the brightest to the darkest sky of an association above which its exposures are weighted by variance.
_DIFFERENT_SKIES = 1.2


@dataclass(frozen=True)
class ReadyDataset:
    """Dataset that is ready for repair, with its files and references (by rootname)."""

    fetched: Fetched
    references: Mapping[str, References]


@dataclass(frozen=True)
class Workspace:
    """Dataset during its repair: originals in ``orig/``, scratch files in ``work/``, products in ``flt/ drz/ proof/``.

    Attributes
    ----------
    ready : ReadyDataset
        Files and references.
    settings : ReprocessSettings
        Settings of the repair.
    run_id : str
        Identifier of the run.
    out_of_core : bool
        Whether to drizzle out of core.
    """

    ready: ReadyDataset
    settings: ReprocessSettings
    run_id: str
    out_of_core: bool = False

    @property
    def folder(self) -> Path:
        """The dataset's folder."""
        return self.ready.fetched.folder

    @property
    def members(self) -> tuple[Member, ...]:
        """Exposures of the dataset."""
        return self.ready.fetched.repair.members

    @property
    def association(self) -> str | None:
        """Name of the association; None for a single exposure."""
        return self.ready.fetched.repair.association

    @property
    def method(self) -> str:
        """Method of the drizzled product."""
        return self.ready.fetched.repair.method

    @property
    def references(self) -> References:
        """References of the first exposure, for the context, folder, and files that all exposures share."""
        return self.ready.references[self.members[0].rootname]

    def before(self, name: str) -> Path:
        """Return the path of the product ``<name>.fits`` before the repair."""
        return self.folder / "orig" / f"{name}.fits"

    def after(self, name: str) -> Path:
        """Return the path of the new product ``<name>.fits`` (name ends with _flt or _drz)."""
        return self.folder / name.rpartition("_")[2] / f"{name}.fits"

    def proof(self, name: str, suffix: str) -> Path:
        """Return the path of a file with the comparison of a product."""
        return self.folder / "proof" / f"{name}.{suffix}"

    def weights(self) -> list[float] | None:
        """Return the weight of each exposure where it is the inverse variance of its sky; None for weights by time."""
        by_variance = self.settings.weight == "ivm" or (self.settings.weight == "auto" and self._skies_differ())
        return self.inverse_variances() if by_variance else None

    def inverse_variances(self) -> list[float] | None:
        """Return the inverse variance of each exposure's sky; None if one is not measured, or there is only one."""
        noises = [expected_noise(member) for member in self.members]
        if None in noises or len(self.members) < 2:
            return None
        return [1.0 / noise**2 for noise in noises if noise]

    def _skies_differ(self) -> bool:
        """Return whether the skies of the exposures differ so much that weights by time cost depth."""
        skies = [member.sky_mean for member in self.members if member.sky_mean is not None]
        return bool(skies) and max(skies) > _DIFFERENT_SKIES * max(min(skies), 0.0)

    def note_made_here(self, name: str) -> None:
        """Record that a file in ``orig/`` was made here and is not the archive's."""
        path = self.folder / "orig" / "made_here.json"
        write_record(path, sorted({*self.made_here(), name}))

    def made_here(self) -> set[str]:
        """Return the files in ``orig/`` that were made here with the ramp fit, because the archive has none."""
        return set(read_record(self.folder / "orig" / "made_here.json") or ())


def write_record(path: Path, record: object) -> None:
    """Write JSON completely or not at all, because later steps rely on it."""
    with atomic_write(path, durable=True) as part:
        part.write_text(json.dumps(record))


def read_record(path: Path) -> Any:
    """Read a file of `write_record`; None where there is none, or it is not valid."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None


def move(path: Path, to: Path) -> None:
    """Move a file, creating the folder if needed."""
    to.parent.mkdir(parents=True, exist_ok=True)
    path.replace(to)
