"""Changes that make no difference by design: (module, line of code, change), and why no test can notice them."""

from __future__ import annotations

#: Reasons by change; a line that is edited has to be judged again.
EQUIVALENT: dict[tuple[str, str, str], str] = {}
