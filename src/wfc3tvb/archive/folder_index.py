"""Index the files of a folder by the archive's names, and say which are left out."""

from __future__ import annotations

import logging
import os
import re
from functools import cache
from pathlib import Path

from wfc3tvb.identifiers import split_local_filename

log = logging.getLogger(__name__)

#: Name of a copy or of another's file, if it contains a name of the archive or ends like one.
_LIKE_ONE = re.compile(r"i[a-z0-9]{8}_(?P<suffix>[a-z0-9]{3})(?![a-z0-9]).*fit|.*_(?P<end>[a-z0-9]{3})\.fits(\.gz)?$")
#: Name of another instrument's file: nothing is said of these.
_OTHERS = re.compile(r"[a-hj-z0-9][a-z0-9]{8}_[a-z0-9]{3}\.fits(\.gz)?")
#: Files that are named in a line that counts them.
_NAMED = 5


@cache
def _walk(folder: Path) -> dict[str, list[Path]]:
    """Return the files in a folder and below, by suffix; those whose names are like the archive's under ``?ima`` etc.

    The search is made once. Linked folders are followed, each folder once.
    """
    found: dict[str, list[Path]] = {}
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, onerror=_say_unreadable, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        for name in names + [each for each in folders if split_local_filename(each)]:
            if key := _kind(name):
                found.setdefault(key, []).append(Path(place, name))
    return found


def _say_unreadable(error: OSError) -> None:
    log.warning("the folder %s cannot be read (%s); left out", error.filename, error.strerror)


def _kind(name: str) -> str | None:
    """Return a file's suffix; ``?`` and the suffix if the name is only like one of the archive; else None."""
    if parts := split_local_filename(name):
        return parts[1]
    low = name.lower()
    like = None if name.startswith(".") or _OTHERS.fullmatch(low) else _LIKE_ONE.search(low)
    return f"?{like['suffix'] or like['end']}" if like else None


@cache
def files_of_kind(folder: Path, suffix: str) -> dict[str, Path]:
    """Return the files of a kind in a folder and below, by rootname.

    Those left out (copies, pipes, files with other names) are counted and named in the log, once.

    Parameters
    ----------
    folder : Path
        The folder.
    suffix : str
        The kind: ``ima``, ``spt``, ...
    """
    found: dict[str, Path] = {}
    again, others = [], []
    for path in sorted(_walk(folder).get(suffix, []), key=_order):
        rootname = (split_local_filename(path.name) or ("",))[0]
        if not path.is_file():
            others.append(str(path))
        elif rootname in found:
            again.append(f"{path} ({found[rootname]} is used)")
        else:
            found[rootname] = path
    strange = [str(path) for path in sorted(_walk(folder).get(f"?{suffix}", []))]
    _say_left_out(again, "of the same name as another")
    _say_left_out(others, "no file, but a folder or a pipe")
    _say_left_out(strange, "not named as the archive names files (such as ibohbfb9q_ima.fits)")
    return found


def _order(path: Path) -> tuple[str, bool, bool, str]:
    """Return the key by which paths are sorted: folders by name, in each the plain name in lower case first."""
    name = path.name
    return str(path.parent), name.lower().endswith(".gz"), name != name.lower(), name


def _say_left_out(paths: list[str], why: str) -> None:
    if paths:
        more = f", and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
        log.warning("%d left out, %s: %s%s", len(paths), why, ", ".join(paths[:_NAMED]), more)
