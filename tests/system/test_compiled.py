"""Kernels run even if their machine code cannot be cached."""

from __future__ import annotations

from typing import NoReturn

import numpy as np
import pytest
from numba.core.caching import FunctionCache

from wfc3tvb.system import compiled


def one_more(x: np.float32) -> np.float32:
    return np.float32(x + np.float32(1))


def test_no_folder_for_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(function: object) -> NoReturn:
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(compiled, "_ObjectCodeCache", nowhere)
    assert compiled.compiled(one_more)(np.float32(2)) == 3


def test_no_space_for_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FunctionCache, "save_overload", full)
    assert compiled.compiled(one_more)(np.float32(3)) == 4
