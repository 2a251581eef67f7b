"""The library that counts calls of the system and fails one of them, and its settings in shared memory."""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import struct
import subprocess
from pathlib import Path

#: The calls, in the order of `enum kind` in faults.c.
KINDS = ("open", "read", "write", "sync", "rename", "link", "unlink", "mkdir", "mmap", "resize")
#: Environment variable with the file of the settings, which the library maps.
VARIABLE = "WFC3TVB_FAULTS"
_SOURCE = Path(__file__).with_name("faults.c")
#: `struct control` in faults.c: folder, path of the first failed call, kind, error, first, last, counts, failed.
_PATH = 4096
_LAYOUT = struct.Struct(f"{_PATH}s{_PATH}s2i2l{len(KINDS)}ll")
_FOREVER = 2**62
#: Errors that a call may end with.
ERRORS = dict.fromkeys(KINDS, ("ENOSPC", "EIO", "EINTR")) | {
    "read": ("EIO", "EINTR"),
    "unlink": ("EIO", "EACCES"),
    "mmap": ("ENOMEM", "EIO", "EINTR"),
    "link": ("ENOSPC", "EIO", "EPERM"),
}


def missing() -> str | None:
    """Return why the library cannot be used here, or None."""
    if os.uname().sysname != "Linux":
        return "the library of faults is for Linux"
    return None if shutil.which("gcc") else "there is no gcc to compile the library of faults with"


def build(folder: Path) -> Path:
    """Compile the library into a folder, and return its path."""
    path = folder / "faults.so"
    subprocess.run(["gcc", "-O2", "-Wall", "-shared", "-fPIC", "-o", path, _SOURCE, "-ldl"], check=True)
    return path


class Control:
    """What the library does, in all processes that have loaded it with this file.

    Parameters
    ----------
    path : Path
        The file, made if it does not exist.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_LAYOUT.size))
        self._trace = path.with_name(f"{path.name}.trace")
        with path.open("rb+") as file:
            self._map = mmap.mmap(file.fileno(), _LAYOUT.size)

    def count(self, folder: Path) -> None:
        """Count and list the calls on files below a folder from now on."""
        if self._trace.exists():
            os.truncate(self._trace, 0)
        self._write(folder, kind=-1, error=0, first=0, last=0)

    def fail(self, folder: Path, kind: str, error: str, n: int, *, lasting: bool = False) -> None:
        """Fail the n-th call of a kind on files below a folder, or with `lasting` all from there on."""
        last = _FOREVER if lasting else n
        self._write(folder, kind=KINDS.index(kind), error=getattr(errno, error), first=n, last=last)

    def stop(self) -> None:
        """Count and fail nothing any more; the counts remain."""
        self._map[0] = 0

    @property
    def counts(self) -> dict[str, int]:
        """Calls of each kind so far."""
        return dict(zip(KINDS, self._fields()[6:-1], strict=True))

    def calls(self) -> list[tuple[str, int, str]]:
        """Return the calls that were counted: kind, number from 1, path."""
        lines = [line.split(" ", 2) for line in self._trace.read_text().splitlines()]
        return [(KINDS[int(kind)], int(n), path) for kind, n, path in lines]

    @property
    def failed(self) -> int:
        """Number of calls that failed."""
        return int(self._fields()[-1])

    @property
    def hit(self) -> str:
        """Path of the first call that failed."""
        return str(self._fields()[1].rstrip(b"\0").decode())

    def _fields(self) -> tuple[bytes, bytes, *tuple[int, ...]]:
        return _LAYOUT.unpack(self._map[: _LAYOUT.size])

    def _write(self, folder: Path, *, kind: int, error: int, first: int, last: int) -> None:
        self.stop()
        place = os.fsencode(folder.resolve())
        self._map[: _LAYOUT.size] = _LAYOUT.pack(place, b"", kind, error, first, last, *[0] * len(KINDS), 0)
