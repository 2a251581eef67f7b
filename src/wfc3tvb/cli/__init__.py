"""The command line: each command parses its options, makes one library call and prints the result.

Only this package prints. Commands import the library when they run, which keeps ``wfc3tvb --help`` fast.
Exit codes: 0 done, 1 some items failed, 2 wrong arguments or input, 130 interrupted.
"""

from __future__ import annotations

from wfc3tvb.cli import (  # noqa: F401 (registers the commands)
    catalog,
    columns,
    publish,
    query,
    reprocess,
    show,
    simulate,
    survey,
)
from wfc3tvb.cli.app import main

__all__ = ["main"]
