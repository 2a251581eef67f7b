"""wfc3tvb: find, score and repair the time-variable background of Hubble WFC3/IR exposures.

The public names (``wfc3tvb.measure``, ``wfc3tvb.open_catalog``, ...) are listed with their modules in ``__init__.pyi``
and imported on first use (PEP 562), so that ``import wfc3tvb`` costs nothing.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"

#: Public name to its module and its name in that module; read from the stub on first use.
_public_names: dict[str, tuple[str, str]] = {}


def _public() -> dict[str, tuple[str, str]]:
    """Return the public names with their modules, as listed in ``__init__.pyi``."""
    if not _public_names:
        from pathlib import Path

        for line in Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8").splitlines():
            match line.split():
                case ["from", module, "import", name, "as", public]:
                    _public_names[public] = module, name
    return _public_names


def __getattr__(name: str) -> Any:
    """Import a public name on first use, and cache it."""
    if name == "__all__":
        return [*sorted(_public()), "__version__"]
    if name.startswith("_") or name not in _public():
        raise AttributeError(f"module 'wfc3tvb' has no attribute {name!r}")
    from importlib import import_module

    from wfc3tvb.system.home import ensure_home
    from wfc3tvb.system.supported import check_system

    check_system()
    ensure_home()
    module, original = _public()[name]
    if module in ("wfc3tvb", f"wfc3tvb.{name}.{name}"):  # a module, or a room that can be called
        found: Any = import_module(f"wfc3tvb.{name}")
    else:
        found = getattr(import_module(module), original)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """List the public names, so that a notebook's Tab key and ``dir`` offer them before their first use."""
    return sorted({*globals(), *_public(), "__all__"})
