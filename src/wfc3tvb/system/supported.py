"""Check that the package runs on this operating system."""

from __future__ import annotations

import sys

from wfc3tvb.errors import UnsupportedSystemError


def check_system() -> None:
    """Raise an error on a system without the file locks and memory counts of Linux and macOS.

    Raises
    ------
    UnsupportedSystemError
        On Windows.
    """
    if sys.platform == "win32":
        raise UnsupportedSystemError("Windows")
