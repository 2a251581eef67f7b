"""Operating systems that the package runs on."""

from __future__ import annotations

import sys

from wfc3tvb.errors import UnsupportedSystemError


def check_system() -> None:
    """Raise where the package cannot run: it locks files and counts memory as Linux and macOS do.

    Raises
    ------
    UnsupportedSystemError
        On Windows.
    """
    if sys.platform == "win32":
        raise UnsupportedSystemError("Windows")
