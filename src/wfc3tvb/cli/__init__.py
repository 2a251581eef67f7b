"""The front door: parse, one library call, print.

The only room that prints. Every command imports what it needs when it runs, so ``wfc3tvb --help`` is instant.
Exit codes: 0 done, 1 something failed per item, 2 wrong arguments or input, 130 interrupted.
"""

from __future__ import annotations

from wfc3tvb.cli import ask, look, null, repair, survey, synthetic, upkeep  # noqa: F401, I001 (the order of --help)
from wfc3tvb.cli.door import main

__all__ = ["main"]
