"""Read-only file system for DuckDB connections that run untrusted SQL.

DuckDB's own settings allow either both reading and writing a folder, or neither.
"""

from __future__ import annotations

import errno
import glob
import os
import threading
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fsspec import AbstractFileSystem

from wfc3tvb.catalog.sql.statements import ABOVE, READONLY, own_name, readonly_name


class ReadOnlyFile:
    """File that several threads can read at the same time, each with its own position."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._thread = threading.local()
        self.closed = False

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the position of this thread."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell()}.get(whence, os.fstat(self._descriptor).st_size)
        self._thread.position = start + offset
        return self.tell()

    def tell(self) -> int:
        """Return the position of this thread."""
        return int(getattr(self._thread, "position", 0))

    def read(self, size: int = -1) -> bytes:
        """Read bytes from the position of this thread."""
        found = os.pread(self._descriptor, os.fstat(self._descriptor).st_size if size < 0 else size, self.tell())
        self._thread.position = self.tell() + len(found)
        return found

    def close(self) -> None:
        """Close the file; repeated calls do nothing."""
        if not self.closed:
            self.closed = True
            os.close(self._descriptor)

    def __del__(self) -> None:  # DuckDB drops files without closing them
        if hasattr(self, "closed"):
            self.close()


class ReadOnlyFiles(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Local files for DuckDB to read; it cannot write, create or remove any.

    Parameters
    ----------
    paths : collection of str, optional
        Files that can be read (absolute paths); by default all.
    """

    protocol = READONLY.removesuffix("://")
    cachable = False

    def __init__(self, paths: Collection[str] | None = None) -> None:
        super().__init__()
        self._paths = None if paths is None else frozenset(paths)

    def open(self, path: str, mode: str = "rb", **_: Any) -> ReadOnlyFile:
        """Open a file for reading."""
        if mode != "rb":
            raise PermissionError(errno.EROFS, "files can be read, but not written", path)
        return ReadOnlyFile(self._local(path))

    def glob(self, path: str, **_: Any) -> list[str]:
        """Return the files that match a pattern."""
        if self._paths is not None:
            found = [one for one in (_plain(path), glob_unescaped(_plain(path))) if one in self._paths]
            return [readonly_name(one) for one in found[:1]]
        name = _plain(path)
        found = [name] if Path(name).is_file() else sorted(glob.glob(name, recursive=True))  # noqa: PTH207
        # DuckDB passes these names to `open`, and rejects names with a folder "..".
        return [str(Path(one).resolve()) if ABOVE in one else one for one in found if Path(one).is_file()]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Return name, kind and size of a file."""
        status = Path(self._local(path)).stat()
        kind = "directory" if Path(self._local(path)).is_dir() else "file"
        return {"name": _plain(path), "size": status.st_size, "type": kind}

    def modified(self, path: str) -> datetime:
        """Return the time when a file was last written."""
        return datetime.fromtimestamp(Path(self._local(path)).stat().st_mtime, UTC)

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """List nothing: DuckDB finds files by `glob`."""
        return []

    def _local(self, path: str) -> str:
        name = _plain(path)
        if self._paths is not None and name not in self._paths:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return name


def glob_unescaped(pattern: str) -> str:
    """Return the name from which `glob.escape` made a pattern."""
    for character in "*?[":
        pattern = pattern.replace(f"[{character}]", character)
    return pattern


def _plain(path: str) -> str:
    """Return the local path of a file name with the scheme."""
    return os.path.expanduser(own_name(path))  # noqa: PTH111 (may be a pattern)
