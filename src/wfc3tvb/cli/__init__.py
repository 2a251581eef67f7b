"""The command line: parse, one library call, print.

The only room that prints. Every command imports what it needs when it runs, so ``wfc3tvb --help`` is instant.
Exit codes: 0 done, 1 something failed per item, 2 wrong arguments or input, 130 interrupted.
"""

from __future__ import annotations

from wfc3tvb.cli import catalog, query, reprocess, show, simulate, survey  # noqa: F401 (they add their commands)
from wfc3tvb.cli.app import main

__all__ = ["main"]
