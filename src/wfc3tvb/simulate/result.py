"""Result of a simulation: folder and contents."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wfc3tvb.display import Result
from wfc3tvb.identifiers import bucket_key


@dataclass(frozen=True, repr=False)
class SimulatedVisit(Result):
    """Files written by `simulate_visit`.

    Attributes
    ----------
    folder : Path
        The folder; below it ``hst/public``, ``references`` and ``truth``.
    preset : str
        Name of the preset.
    size : int
        Edge of the frame.
    seed : int
        Of the noise.
    associations : dict
        Rootnames of the members by name of the association.
    lone : tuple of str
        Rootnames of the exposures in no association.
    """

    folder: Path
    preset: str
    size: int
    seed: int
    associations: dict[str, tuple[str, ...]]
    lone: tuple[str, ...] = ()

    @property
    def rootnames(self) -> tuple[str, ...]:
        """Rootnames of all exposures."""
        return (*(root for members in self.associations.values() for root in members), *self.lone)

    @property
    def references(self) -> Path:
        """Folder of the reference files: the value of ``iref`` (with a trailing slash)."""
        return self.folder / "references"

    def path(self, name: str, suffix: str) -> Path:
        """Return the path of a file, e.g. ``path("ibohbfb7q", "raw")``."""
        return self.folder / bucket_key(name, suffix)

    def truth(self, rootname: str) -> dict[str, Any]:
        """Return the truth of an exposure: see `visit.truth_of`."""
        text = (self.folder / "truth" / f"{rootname}.json").read_text()
        return dict(json.loads(text))
