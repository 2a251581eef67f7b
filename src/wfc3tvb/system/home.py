"""Give a home folder to a user who has none, as in a container with an unknown user id."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def ensure_home() -> Path:
    """Return the user's home folder; where it does not exist, set HOME to one among the temporary files.

    astropy cannot be imported without a home folder, and other libraries cannot keep their caches.
    """
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 (Path's raises an error without a home)
    if not home.is_dir():
        home = _temporary_home()
        os.environ["HOME"] = str(home)
    return home


def _temporary_home() -> Path:
    """Return a folder that this user's later processes find again, unless someone else has taken its name."""
    folder = Path(tempfile.gettempdir()) / f"wfc3tvb-home-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return Path(tempfile.mkdtemp(prefix="wfc3tvb-home-"))
    mine = folder.is_dir() and not folder.is_symlink() and status.st_uid == os.getuid()
    return folder if mine else Path(tempfile.mkdtemp(prefix="wfc3tvb-home-"))
