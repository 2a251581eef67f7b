"""End child processes soon after their parent, which may be killed: they would wait for work, or drizzle for nobody."""

from __future__ import annotations

import os
import threading
import time

#: Environment variable with the process number of the parent; a child that starts late may see another one already.
PARENT = "WFC3TVB_PARENT"
#: Interval between checks that the parent is alive [s].
_WATCH = 0.5


def environment_of_child() -> dict[str, str]:
    """Return the environment variables of a child: its parent (see `end_with_parent`), and Python with docstrings.

    stwcs and drizzlepac cannot be imported without docstrings (PYTHONOPTIMIZE=2).
    """
    return {PARENT: str(os.getpid()), "PYTHONOPTIMIZE": ""}


def end_with_parent(parent: int | None = None) -> None:
    """Make this process end, without cleanup, soon after its parent ends.

    Parameters
    ----------
    parent : int, optional
        Process number of the parent; by default that in the environment, or the present one.
    """
    expected = parent or int(os.environ.get(PARENT) or os.getppid())

    def watch() -> None:
        while os.getppid() == expected:
            time.sleep(_WATCH)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
