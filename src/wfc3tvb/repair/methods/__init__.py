"""Methods of repair, a module each: what is done to an exposure before the engine and to what the engine made of it.

RAW file -> `RepairMethod.change_raw` -> engine with the method's CRCORR -> `RepairMethod.make_image` from the
calibrated reads -> FLT. A method that needs neither step is a switch of the engine. Names, words and columns of the
methods stand in `schema.methods`; `implementation` finds the module of an entry by its name.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from wfc3tvb.repair.methods.base import EngineFiles, Image, RepairMethod

__all__ = ["EngineFiles", "Image", "RepairMethod", "implementation"]


@cache
def implementation(name: str) -> RepairMethod:
    """Return what the method of that name does; ``perform`` only calibrates again.

    Raises
    ------
    ModuleNotFoundError
        If the method has an entry in `schema.methods` and no module here.
    """
    method: RepairMethod = import_module(f"{__name__}.{name}").METHOD
    return method
