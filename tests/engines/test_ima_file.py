"""An IMA written band by band is the file that would be written at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wfc3tvb.calibration.model import Imset
from wfc3tvb.engines.ima_file import ImaFile
from wfc3tvb.engines.products import KINDS, Plane
from wfc3tvb.fits.blocks import BLOCK
from wfc3tvb.fits.hdus import Piece, Pixels, write_pieces

N, NY, NX = 3, 50, 40
SAMP = Pixels(np.arange(NY * NX).reshape(NY, NX), ">i2")
READS = Imset(
    np.random.default_rng(1).normal(size=(N, NY, NX)).astype(np.float32),
    np.random.default_rng(2).normal(size=(N, NY, NX)).astype(np.float32),
    np.random.default_rng(3).integers(0, 999, (N, NY, NX)).astype(np.int16),
)


def header(text: str, blocks: int = 1) -> bytes:
    return text.encode().ljust(blocks * BLOCK)


def pieces(prefix: str, left_out: frozenset[tuple[int, int]] = frozenset(), blocks: int = 1) -> list[Piece | Plane]:
    """Return headers that begin with `prefix` and the planes of all reads, the last read first."""
    made: list[Piece | Plane] = [header(prefix)]
    for k in reversed(range(N)):
        for i, kind in enumerate(KINDS.values()):
            made.append(header(f"{prefix} {k} {i}", blocks))
            made += [] if (k, i) in left_out else [Plane(k, i, kind, (NY, NX))]
        made += [header(f"{prefix} {k} samp"), SAMP]
    return made


def whole(given: list[Piece | Plane]) -> list[Piece]:
    return [Pixels(READS[p.number][p.read], p.kind) if isinstance(p, Plane) else p for p in given]


@pytest.mark.parametrize(
    "last",
    [pieces("after"), pieces("after", frozenset({(0, 1), (2, 2)})), pieces("after", blocks=2)],
    ids=["as expected", "two planes constant", "longer headers"],
)
def test_the_same_bytes(last: list[Piece | Plane], tmp_path: Path) -> None:
    with ImaFile(tmp_path / "bands.fits", pieces("before")) as file:
        for y0 in (32, 0, 16, 48):
            file.store(y0, Imset(*(planes[:, y0 : y0 + 16].copy() for planes in READS)))
        file.finish(last)
    write_pieces(tmp_path / "whole.fits", whole(last))
    assert (tmp_path / "bands.fits").read_bytes() == (tmp_path / "whole.fits").read_bytes()
