"""Commands that messages suggest: they can be pasted into a shell, and leave out what is taken by default."""

from __future__ import annotations

import os
from pathlib import Path
from shlex import quote

#: Environment variable that names the default folder of the catalog, and that folder where it is not set.
CATALOG_VARIABLE, DEFAULT_CATALOG = "WFC3TVB_CATALOG", Path("tvb-catalog")


def command(*words: str, catalog: str | Path) -> str:
    """Return a command of this program on a catalog."""
    return " ".join(["wfc3tvb", *map(quote, words)]) + catalog_option(catalog)


def catalog_option(folder: str | Path) -> str:
    """Return the option ``--catalog`` for a folder, with a space before it; nothing for the default catalog.

    A folder below the working directory is named by its relative path.
    """
    path = Path(os.path.abspath(folder))  # noqa: PTH100 (links stay as the user named them)
    default = os.environ.get(CATALOG_VARIABLE) or DEFAULT_CATALOG
    if path == Path(os.path.abspath(default)):  # noqa: PTH100
        return ""
    here = Path.cwd()
    return f" --catalog {quote(str(path.relative_to(here) if here in path.parents else path))}"
