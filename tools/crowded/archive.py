"""The archive of a crowded survey: a few visits are files, all others are served from their bytes under other names.

A visit has four exposures, together in an association or each a dataset of its own. The copy of a visit differs from it
in the code of the visit, which is in all of its names, and in the proposal, by whose number the rows of two copies
differ in more than their names.

``python -m tools.crowded.archive FOLDER N [--share 0.05] [--seed N]`` serves N exposures: it prints the environment of
the loopback archive, and when its standard input ends the number of requests, and of those that it refused.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path, PosixPath
from typing import Any, ClassVar

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.helpers import small_archive  # noqa: E402 (the tests' helpers lie in ROOT)
from tests.helpers.fakes import rootname  # noqa: E402

from wfc3tvb.identifiers import bucket_key, split_filename, visit_of  # noqa: E402
from wfc3tvb.loopback import Faults, serve  # noqa: E402
from wfc3tvb.loopback.index import Index  # noqa: E402

#: Exposures of a visit; number of the first proposal, one per visit.
VISIT, FIRST_PROPOSAL = 4, 10_000
_N_READS, _SIZE = 5, 16
_KINDS = ("ima", "spt")
#: Light that an exposure with helium has more, in its last read [electron/s].
_HELIUM = 1.5


def make_archive(folder: Path, n: int) -> None:
    """Make `n` exposures of 16 x 16 pixels and five reads: every other visit an association, every third lit."""
    for i in range(n):
        root, visit = rootname(i), i // VISIT
        header = small_archive.primary_header(root, _association(visit), 55800.0 + i * 0.01, _N_READS, _SIZE)
        header["PROPOSID"] = FIRST_PROPOSAL + visit
        ima = small_archive.ima(header, _SIZE, _N_READS, sky=0.5 + i % 100 / 100)
        if i % 3 == 0:
            ima["SCI", 1].data += _HELIUM  # of the last read, whose rate is that of the whole exposure
        small_archive.write(folder, root, "ima", ima)
        orbit = small_archive.ORBIT | {"ROOTNAME": root}
        small_archive.write(folder, root, "spt", small_archive.fits.HDUList(small_archive.primary(orbit)))


def _association(visit: int) -> str | None:
    return visit_of(rootname(visit * VISIT)) + "010" if visit % 2 else None


@dataclass(frozen=True)
class Copies:
    """Visits whose exposures are copies of others.

    Attributes
    ----------
    n, n_templates : int
        Number of exposures, and of the first of them, which are files; both in whole visits.
    """

    n: int
    n_templates: int

    def __post_init__(self) -> None:
        if self.n % VISIT or self.n_templates % (2 * VISIT) and self.n != self.n_templates:
            raise ValueError(f"exposures come in visits of {VISIT}, those that are copied in pairs of visits")

    @cached_property
    def originals(self) -> dict[str, str]:
        """The visit from which each visit is copied; itself if it is a file."""
        visits = [visit_of(rootname(i)) for i in range(0, self.n, VISIT)]
        return {visit: visits[k % (self.n_templates // VISIT)] for k, visit in enumerate(visits)}

    @cached_property
    def proposals(self) -> dict[str, int]:
        """The proposal of every visit."""
        return {visit: FIRST_PROPOSAL + k for k, visit in enumerate(self.originals)}


@dataclass
class Shelf:
    """Files of visits, and of their copies.

    Attributes
    ----------
    folder : Path
        The files.
    copies : Copies
        The visits.
    """

    folder: Path
    copies: Copies
    _read: dict[Path, bytes] = field(default_factory=dict)

    def original(self, name: str) -> Path:
        """Return the file from which a file is copied."""
        root, kind = split_filename(name)
        return self.folder / bucket_key(self.copies.originals[visit_of(root)] + root[6:], kind)

    def content(self, name: str) -> bytes:
        """Return the bytes of a file."""
        path, visit = self.original(name), visit_of(name)
        if path not in self._read:
            self._read[path] = path.read_bytes()
        return self._renamed(self._read[path], visit_of(path.name), visit)

    def _renamed(self, data: bytes, before: str, visit: str) -> bytes:
        for old, new in ((before, visit), (before.upper(), visit.upper())):
            data = data.replace(old.encode(), new.encode())
        old_card, new_card = (f"PROPOSID= {self.copies.proposals[each]:>20}".encode() for each in (before, visit))
        return data.replace(old_card, new_card)

    def index(self) -> Index:
        """Return the index of all visits."""
        known = Index.from_folder(self.folder)
        rows: dict[str, list[dict[str, Any]]] = {}
        for row in known.datasets:
            rows.setdefault(visit_of(row["dataset"]), []).append(row)
        originals = self.copies.originals.items()
        datasets = [self._listed(row, visit) for visit, before in originals for row in rows[before]]
        names = [f"{rootname(i)}_{kind}.fits" for i in range(self.copies.n) for kind in _KINDS]
        Copy.shelf = self
        return Index(datasets, {name: Copy(self.folder / bucket_key(*split_filename(name))) for name in names},
                     self.folder)  # fmt: skip

    def _listed(self, row: Mapping[str, Any], visit: str) -> dict[str, Any]:
        members = [visit + member[6:] for member in row["members"]]
        names = {key: row[key] and visit + row[key][6:] for key in ("dataset", "asn_id")}
        return {**row, **names, "members": members, "proposal_id": self.copies.proposals[visit]}


class Copy(PosixPath):
    """Path of a file that is served and need not be there: its bytes are those of another under other names."""

    shelf: ClassVar[Shelf]

    def stat(self, **options: bool) -> os.stat_result:
        """Return what is known of the file from which this one is copied."""
        return self.shelf.original(self.name).stat(**options)

    def read_bytes(self) -> bytes:
        """Return the bytes."""
        return self.shelf.content(self.name)

    def open(self, *_: object, **__: object) -> BytesIO:  # type: ignore[override]
        """Open the bytes."""
        return BytesIO(self.read_bytes())


class SomeFail(Faults):
    """Faults of which a share of all requests has one.

    Parameters
    ----------
    share : float
        Probability that a request is answered with 503.
    seed : int
        Seed of what is drawn.
    """

    def __init__(self, share: float, seed: int) -> None:
        super().__init__()
        self.share, self.rng = share, random.Random(seed)

    def take(self, name: str) -> bool:
        """Return True for a share of the requests."""
        return name.endswith("_503") and self.rng.random() < self.share


@dataclass
class Served:
    """An archive in a process of its own: what a survey needs in its environment, and what was asked of it."""

    environment: dict[str, str]
    requests: dict[str, int] = field(default_factory=dict)


@contextmanager
def served(folder: Path, n: int, n_templates: int, *, share: float = 0.0, seed: int = 0) -> Iterator[Served]:
    """Serve exposures from another process, so that this one does not have to wait for it, nor it for this one."""
    command = [sys.executable, "-m", "tools.crowded.archive", str(folder), str(n), "--templates", str(n_templates),
               "--share", str(share), "--seed", str(seed)]  # fmt: skip
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        found = Served(json.loads(process.stdout.readline()))
        try:
            yield found
        finally:
            process.stdin.close()
            found.requests = json.loads(process.stdout.readline() or "{}")


def main() -> None:
    """Serve until the standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m tools.crowded.archive")
    parser.add_argument("folder", type=Path)
    parser.add_argument("n", type=int)
    parser.add_argument("--templates", type=int, required=True)
    parser.add_argument("--share", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    index = Shelf(given.folder, Copies(given.n, given.templates)).index()
    with serve(index, faults=SomeFail(given.share, given.seed)) as archive:
        gc.freeze()  # a million small objects that stay
        print(json.dumps(archive.environment()), flush=True)
        sys.stdin.read()
        counts = Counter(entry.status == 503 for entry in archive.log.entries)
        print(json.dumps({"all": counts.total(), "refused": counts[True]}), flush=True)


if __name__ == "__main__":
    main()
