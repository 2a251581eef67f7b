"""wfc3tvb: find, score and repair the time-variable background of Hubble WFC3/IR exposures.

The library's front door: `measure`, `plot`, `open_catalog`, `read_table`, `calibrate`; everything heavier is
imported when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wfc3tvb.catalog.catalog import Catalog, open_catalog
    from wfc3tvb.catalog.export import read_table
    from wfc3tvb.engines.calibrate import calibrate
    from wfc3tvb.measure import measure
    from wfc3tvb.report.exposure_figures import plot

__version__ = "0.1.0"
__all__ = ["Catalog", "__version__", "calibrate", "measure", "open_catalog", "plot", "read_table"]

_HOMES = {
    "Catalog": "wfc3tvb.catalog.catalog",
    "calibrate": "wfc3tvb.engines.calibrate",
    "measure": "wfc3tvb.measure",
    "open_catalog": "wfc3tvb.catalog.catalog",
    "plot": "wfc3tvb.report.exposure_figures",
    "read_table": "wfc3tvb.catalog.export",
}


def __getattr__(name: str) -> Any:
    """Import the public names on first use (PEP 562), so that ``import wfc3tvb`` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'wfc3tvb' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names, so that a notebook's Tab key and ``dir`` offer them before their first use."""
    return sorted({*globals(), *__all__})
