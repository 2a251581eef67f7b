"""One case: a call fails, and then all is looked at, the command is run again, and all is looked at again."""

from __future__ import annotations

import json
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from tools.faults import judge
from tools.faults.library import Control
from tools.faults.processes import AT_FIRST, PATIENCE, Ended, forked, load, program
from tools.faults.scenes import Scene


@dataclass(frozen=True)
class Seen:
    """What is in the folder after a run.

    Attributes
    ----------
    rows : dict
        A checksum of the rows of every table.
    checks : list of str
        What `verify` finds.
    files : dict
        What the files say that a command writes beside the tables.
    names : set of str
        Names of all files and folders.
    state : str
        A checksum of the whole folder.
    catalog : str
        A checksum of the catalog alone.
    """

    rows: dict[str, str]
    checks: list[str]
    files: dict[str, str]
    names: set[str]
    state: str = ""
    catalog: str = ""


@dataclass(frozen=True)
class Case:
    """A call that fails: its kind, its number from 1, its error, and whether all later ones of the kind fail, too."""

    kind: str
    n: int
    error: str
    lasting: bool = False

    def __str__(self) -> str:
        return f"{self.kind} {self.n} {self.error}{' and later' if self.lasting else ''}"


@dataclass
class Stage:
    """A scene, and what an undisturbed run leaves.

    Attributes
    ----------
    scene : Scene
        The scene.
    place : Path
        Folder in which everything happens: ``archives``, ``before`` (what the command finds), ``here`` (where it runs).
    control : Control
        The library's settings.
    """

    scene: Scene
    place: Path
    control: Control
    counts: dict[str, int] = field(default_factory=dict)
    calls: list[tuple[str, int, str]] = field(default_factory=list)
    first: Seen | None = None
    undisturbed: Seen | None = None
    varying: set[str] = field(default_factory=set)
    known: dict[str, Seen] = field(default_factory=dict)
    known_catalogs: dict[str, tuple[dict[str, str], list[str]]] = field(default_factory=dict)
    known_again: dict[str, list[str]] = field(default_factory=dict)

    @property
    def here(self) -> Path:
        """The folder that the command runs in."""
        return self.place / "here"

    def prepare(self) -> None:
        """Make what the command finds, run it twice undisturbed, and count its calls."""
        shutil.rmtree(self.here, ignore_errors=True)
        self.here.mkdir()
        made = self._forked(lambda: self.scene.prepare(self._run, self.place / "archives"), AT_FIRST)
        if made.code:
            raise RuntimeError(f"{self.scene.name} cannot be prepared:\n{made.err}")
        shutil.rmtree(self.place / "before", ignore_errors=True)
        shutil.copytree(self.here, self.place / "before", symlinks=True)
        self.first = self._look()
        seen = []
        for _ in range(2):
            self._reset()
            self.control.count(self.here)
            ended = self._forked(self._command_and_modules, AT_FIRST)
            self.control.stop()
            if ended.code:
                raise RuntimeError(f"{self.scene.name} fails undisturbed:\n{ended.err}")
            load(json.loads((self.place / "modules").read_text()))
            seen.append(self._look())
            if seen[-1].checks:
                raise RuntimeError(f"{self.scene.name} undisturbed: {seen[-1].checks}")
        self.counts, self.calls, self.undisturbed = self.control.counts, self.control.calls(), seen[1]
        self.varying = {name for name, value in seen[0].files.items() if seen[1].files.get(name) != value}

    def groups(self) -> list[tuple[str, list[int]]]:
        """Return the calls of the same kind on the same file, or on files whose names differ by a drawn part."""
        found: dict[tuple[str, str], list[int]] = defaultdict(list)
        for kind, n, path in self.calls:
            found[kind, judge.drawn(path)].append(n)
        return [(kind, numbers) for (kind, _), numbers in found.items()]

    def run(self, case: Case) -> list[str]:
        """Return what is wrong after a call has failed."""
        self._reset()
        self.control.fail(self.here, case.kind, case.error, case.n, lasting=case.lasting)
        ended = self._forked(self._command)
        self.control.stop()
        if not self.control.failed:
            return []
        seen = self._look()
        return judge.misreported(ended) + self._after(ended, seen) + self._again(ended, seen)

    def _after(self, ended: Ended, seen: Seen) -> list[str]:
        """Return what is wrong with the folder after the failure."""
        assert self.first is not None and self.undisturbed is not None
        found = list(seen.checks)
        whole = [self.undisturbed] if ended.code == 0 else [self.first, self.undisturbed]
        if (ended.code == 0 or not self.scene.changes) and seen.rows not in [each.rows for each in whole]:
            found.append(f"other rows: {seen.rows}"[:300])
        for name, value in seen.files.items():
            known = [each.files.get(name) for each in (self.first, self.undisturbed)]
            if value.startswith("half") and known != [None, None]:
                found.append(f"half a file: {name} ({value})")
            elif known != [None, None] and value not in known and name not in self.varying:
                found.append(f"another file: {name}")
        expected = (
            set(self.undisturbed.files) if ended.code == 0 else set(self.undisturbed.files) & set(self.first.files)
        )
        missing = sorted(expected - set(seen.files))
        return found + [f"gone: {name}" for name in missing]

    def _again(self, ended: Ended, seen: Seen) -> list[str]:
        """Run the command again, and return what is not as in an undisturbed run.

        Where the failure has left everything as it was, the next run is an undisturbed one.
        """
        assert self.first is not None
        if seen.state == self.first.state:
            return []
        files = {name: value for name, value in seen.files.items() if name not in self.varying}
        key = repr((seen.catalog, sorted(files.items()), sorted(seen.names), ended.code == 0))
        if key not in self.known_again:
            judge.age(self.here)
            self.known_again[key] = self._run_again(ended)
        return self.known_again[key]

    def _run_again(self, ended: Ended) -> list[str]:
        assert self.undisturbed is not None
        if not (ended.code == 0 and self.scene.name == "release"):  # which is not replaced
            again = self._forked(self._command)
            if again.code:
                return [f"run again: exit status {again.code}: {again.err.strip()[-300:] or again.out.strip()[-300:]}"]
        seen = self._look()
        found = [f"run again: {each}" for each in seen.checks]
        found += [f"run again: other rows of {k}" for k, v in self.undisturbed.rows.items() if seen.rows.get(k) != v]
        for name, value in self.undisturbed.files.items():
            if name not in self.varying and seen.files.get(name) != value:
                found.append(f"run again: {'another' if name in seen.files else 'no'} file {name}")
        return found + [f"run again: left: {name}" for name in sorted(self._left(seen.names))]

    def _left(self, names: set[str]) -> set[str]:
        """Return the names of leftovers, which a compaction removes at the latest."""
        assert self.undisturbed is not None
        if (left := names - self.undisturbed.names) and (self.here / "catalog").is_dir():
            judge.age(self.here)
            self._forked(lambda: program("compact", "--grace-hours", "24", "--catalog", "catalog"))
            left &= judge.names(self.here)
        return left

    def _reset(self) -> None:
        shutil.rmtree(self.here)
        shutil.copytree(self.place / "before", self.here, symlinks=True)

    def _command(self) -> None:
        program(*self.scene.arguments)

    def _command_and_modules(self) -> None:
        try:
            self._command()
        finally:
            (self.place / "modules").write_text(json.dumps(sorted(sys.modules)))

    def _run(self, *arguments: str) -> None:
        """Run the program in a fork of its own; to be called in a fork."""
        ended = forked(lambda: program(*arguments), self.here, self.place, AT_FIRST)
        if ended.code:
            raise RuntimeError(f"{arguments}: exit status {ended.code}\n{ended.err}")

    def _look(self) -> Seen:
        """Look at the folder, unless what is in it has been seen before."""
        state = judge.state(self.here)
        if state not in self.known:
            catalog = judge.state(self.here / "catalog")
            self.known[state] = replace(self._looked(self.known_catalogs.get(catalog)), state=state, catalog=catalog)
            self.known_catalogs[catalog] = self.known[state].rows, self.known[state].checks
        return self.known[state]

    def _looked(self, known: tuple[dict[str, str], list[str]] | None) -> Seen:
        """Look at the folder, in a fork because a process that has opened a catalog cannot fork any more."""
        answer = self.place / "seen.json"

        def look() -> None:
            rows, checks = known or (judge.rows(self.here), judge.failing_checks(self.here))
            outputs = self.here / (self.scene.outputs or "catalog")
            files = judge.digests(outputs) if self.scene.outputs else _views(outputs)
            seen = Seen(rows, checks, files, judge.names(self.here))
            answer.write_text(json.dumps(asdict(seen) | {"names": sorted(seen.names)}))

        ended = self._forked(look)
        if ended.code:
            return Seen({}, [f"cannot be looked at: {ended.err.strip()}"], {}, judge.names(self.here))
        read = json.loads(answer.read_text())
        return Seen(**(read | {"names": set(read["names"])}))

    def _forked(self, work: Callable[[], None], patience: float = PATIENCE) -> Ended:
        return forked(work, self.here, self.place, patience)


def _views(catalog: Path) -> dict[str, str]:
    """Return the one file of a catalog that no check of `verify` opens."""
    return {name: value for name, value in judge.digests(catalog).items() if name == "catalog.duckdb"}
