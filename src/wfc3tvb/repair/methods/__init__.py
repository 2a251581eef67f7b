"""Methods of repair, one per module: their steps before and after the engine.

RAW file -> `RepairMethod.change_raw` -> engine with the method's CRCORR -> `RepairMethod.make_image` from the
calibrated reads -> FLT. A method without these steps is only a switch of the engine. `schema.methods` has the names,
descriptions and columns of the methods; `implementation` finds the module of an entry by its name.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from wfc3tvb.repair.methods.base import EngineFiles, Image, RepairMethod

__all__ = ["EngineFiles", "Image", "RepairMethod", "implementation"]


@cache
def implementation(name: str) -> RepairMethod:
    """Return the implementation of a method by name; ``perform`` only recalibrates.

    Raises
    ------
    ModuleNotFoundError
        If the method has an entry in `schema.methods` but no module.
    """
    method: RepairMethod = import_module(f"{__name__}.{name}").METHOD
    return method
