"""Headers end where their card END is, however the file is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from wfc3tvb.archive.sparse_file import SparseFile
from wfc3tvb.errors import BadFileError, TruncatedFileError
from wfc3tvb.fits.blocks import BLOCK, LONGEST_HEADER, FileBytes, header_size, read_cards, whole_blocks
from wfc3tvb.fits.cards import card, header_bytes, history

#: END stands at every place of a card but its first, and as a keyword's beginning.
CARDS = [card("SIMPLE", True), *(history(" " * n + "END     ") for n in range(62)), card("ENDING", 1)]


@pytest.fixture(params=["array", "view", "file", "remote"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[bytes], object]]:
    with ExitStack() as stack:

        def file_of(data: bytes) -> FileBytes:
            (tmp_path / "x.fits").write_bytes(data)
            return stack.enter_context(FileBytes(tmp_path / "x.fits"))

        kinds: dict[str, Callable[[bytes], object]] = {
            "array": lambda data: np.frombuffer(data, np.uint8),
            "view": memoryview,
            "file": file_of,
            "remote": lambda data: SparseFile("x.fits", lambda ranges: [data[a:b] for a, b in ranges]),
        }
        yield kinds[request.param]


@pytest.mark.parametrize("start", [0, 5 * BLOCK])
@pytest.mark.parametrize("step", [BLOCK, 3 * BLOCK, 16 * BLOCK])
def test_cards_end_before_end(opened: Callable[[bytes], object], start: int, step: int) -> None:
    header = header_bytes(CARDS)
    data = opened(bytes(start) + header + b"END     " * 360)
    cards = read_cards(data, start, Path("x.fits"), step=step)
    assert cards.decode() == "".join(CARDS)
    assert header_size(cards) == len(header) == 2 * BLOCK


@pytest.mark.parametrize("size", [0, 1, BLOCK, 2 * BLOCK - 1])
def test_a_header_that_is_cut_short(opened: Callable[[bytes], object], size: int) -> None:
    with pytest.raises(TruncatedFileError, match="x.fits: the file is cut short in a header; check the copy"):
        read_cards(opened(header_bytes(CARDS)[:size]), 0, Path("x.fits"))


def test_a_header_without_end(opened: Callable[[bytes], object]) -> None:
    with pytest.raises(BadFileError, match="header at byte 0 is longer than any real one"):
        read_cards(opened(bytes(2 * LONGEST_HEADER + 16 * BLOCK)), 0, Path("x.fits"))


def test_a_header_longer_than_any_real_one(opened: Callable[[bytes], object]) -> None:
    longest = LONGEST_HEADER // 80
    assert len(read_cards(opened(header_bytes([card("A", 1)] * longest)), 0, Path("x.fits"))) == LONGEST_HEADER
    with pytest.raises(BadFileError, match="header at byte 0 is longer than any real one"):
        read_cards(opened(header_bytes([card("A", 1)] * (longest + 1))), 0, Path("x.fits"))


def test_a_remote_header_of_100_blocks_takes_seven_requests() -> None:
    header = header_bytes([history(f"line {i}") for i in range(3599)])
    asked: list[tuple[int, int]] = []

    def fetch(ranges: list[tuple[int, int]]) -> list[bytes]:
        asked.extend(ranges)
        return [header[a:b] for a, b in ranges]

    assert len(read_cards(SparseFile("x.fits", fetch), 0, Path("x.fits"))) == 3599 * 80
    assert [(b - a) // BLOCK for a, b in asked] == [3, 3, 6, 12, 24, 48, 96]


def test_whole_blocks() -> None:
    assert [whole_blocks(n) for n in (0, 1, 2880, 2881)] == [0, 2880, 2880, 5760]
