"""Check that the package runs on this operating system, and with this Python."""

from __future__ import annotations

import sys

from wfc3tvb.errors import BadArgumentError, UnsupportedSystemError


def check_system() -> None:
    """Raise an error on a system without the file locks and memory counts of Linux and macOS.

    Raises
    ------
    UnsupportedSystemError
        On Windows.
    """
    if sys.platform == "win32":
        raise UnsupportedSystemError("Windows")


def check_docstrings() -> None:
    """Raise an error if Python removes docstrings, from which astroquery makes others when it is imported.

    Raises
    ------
    BadArgumentError
        With ``python -OO`` or ``PYTHONOPTIMIZE=2``.
    """
    if sys.flags.optimize >= 2:
        problem = "astroquery cannot be imported without docstrings (PYTHONOPTIMIZE=2 or python -OO)"
        raise BadArgumentError(f"{problem}; unset PYTHONOPTIMIZE, or give a folder of files (parameter source)")
