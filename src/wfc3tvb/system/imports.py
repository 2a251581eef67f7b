"""Faster imports of packages that load, or ask for, much more than is needed of them."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from threading import RLock
from types import ModuleType
from typing import Any, cast

_loading = RLock()


@contextmanager
def without_list_of_packages() -> Iterator[None]:
    """Let what is imported in the block find an empty list of the installed packages.

    photutils makes that list, which takes longer than all the rest of its import, only to look up its own name, and
    takes the right one where the list does not have it.
    """
    import importlib.metadata  # with 30 modules, which few commands need

    asked = importlib.metadata.packages_distributions

    def empty() -> Mapping[str, list[str]]:
        return {}

    importlib.metadata.packages_distributions = empty
    try:
        yield
    finally:
        importlib.metadata.packages_distributions = asked


@contextmanager
def deferred(names: Collection[str]) -> Iterator[None]:
    """Let modules that are imported in the block be loaded only when something of them is used.

    Parameters
    ----------
    names : collection of str
        The modules, with the packages that they are in; those that are loaded already are left as they are.
    """
    finder = _Deferring(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def arrow_without_pandas() -> None:
    """Let pyarrow, once it is imported, take no notice of pandas until a result is to be a pandas table.

    It would import pandas to make the first array of a list, which takes longer than most commands. Until then it
    takes a pandas series for any other sequence: NaN stays NaN.
    """
    sys.meta_path.insert(0, _AfterArrow())


class _Wrapping(Loader):
    """Loader that lets another one find a module, and loads it in its own way."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Return the module, not loaded."""
        return self._loader.create_module(spec)


class _AfterArrow(MetaPathFinder):
    """Finder of pyarrow that asks it for pandas as soon as it is imported, and answers that there is none."""

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return the specification of pyarrow; None for other modules."""
        if name != "pyarrow":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _ArrowAlone(spec.loader)
        return spec


class _ArrowAlone(_Wrapping):
    """Loader of pyarrow."""

    def exec_module(self, module: ModuleType) -> None:
        """Load it, and let it find no pandas, unless that is imported already."""
        self._loader.exec_module(module)
        if "pandas" in sys.modules:
            return
        finder = _NoPandas()
        sys.meta_path.insert(0, finder)
        try:
            _ = module.lib._pandas_api.have_pandas
            module.array([None, True]).to_numpy(zero_copy_only=False)  # where its C++ asks once more
        except AttributeError:  # in a later version
            pass
        finally:
            sys.meta_path.remove(finder)


class _NoPandas(MetaPathFinder):
    """Finder that finds no pandas."""

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> None:
        """Raise an error for pandas."""
        if name == "pandas":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


class _Deferring(MetaPathFinder):
    """Finder that puts off loading some modules."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = names

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return the specification of a module to be loaded later; None for others."""
        if name not in self._names:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Putting(spec.loader)
        return spec


class _Putting(_Wrapping):
    """Loader that only notes how to load a module."""

    def exec_module(self, module: ModuleType) -> None:
        """Make the module load itself when something of it is used."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__class__ = _Later


class _Later(ModuleType):
    """Module that is loaded when something of it is used.

    Unlike with `importlib.util.LazyLoader`, a look at what describes the module, as `inspect` has at all modules, is no
    use of it: it may happen while one of the modules that it needs is being loaded.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        with _loading:
            if self.__class__ is _Later and self.__loader__ is not None:
                object.__setattr__(self, "__class__", ModuleType)
                cast(Loader, self.__loader__).exec_module(self)
        return getattr(self, name)
