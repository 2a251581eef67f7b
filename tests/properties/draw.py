"""What the properties draw: times of reads, arrays of pixels, names, texts."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
#: Texts that UTF-8 can represent: no lone surrogates.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
rootnames = st.text(LETTERS, min_size=8, max_size=8).map("i".__add__)
seeds = st.integers(0, 2**32 - 1)


def examples(share: float) -> Any:
    """Return settings with a share of the profile's examples, for properties of which one example is slow."""
    return settings(max_examples=max(int(settings.default.max_examples * share), 5))


@st.composite
def read_times(draw: st.DrawFn, *, least: int = 2, most: int = 15) -> NDArray[np.float64]:
    """Times of reads 1..n since the zeroth [s]."""
    lengths = draw(st.lists(st.floats(2.0, 400.0), min_size=least, max_size=most))
    return np.cumsum(np.round(lengths, 3))


@st.composite
def skies(draw: st.DrawFn, n: int) -> NDArray[np.float64]:
    """Rate of the sky in each of n intervals [electron/s]."""
    return np.array(draw(st.lists(st.floats(0.1, 8.0), min_size=n, max_size=n)))
