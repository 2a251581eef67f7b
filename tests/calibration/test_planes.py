"""Planes that are left in their file: rows of all reads, converted on demand."""

from __future__ import annotations

import numpy as np
import pytest

from wfc3tvb.calibration.model import Planes, rows_of

CUBE = np.arange(4 * 6 * 5, dtype=np.int16).reshape(4, 6, 5) - 50


def in_a_file(*gaps: int) -> tuple[np.ndarray, ...]:
    """Return the planes as a file has them, big-endian, with these numbers of bytes before each."""
    planes, places, end = CUBE.astype(">i2"), [], 0
    for gap, plane in zip(gaps, planes, strict=True):
        places.append(end + gap)
        end += gap + plane.nbytes
    data = np.zeros(end, np.uint8)
    for place, plane in zip(places, planes, strict=True):
        data[place : place + plane.nbytes] = np.frombuffer(plane.tobytes(), np.uint8)
    return tuple(np.frombuffer(data.tobytes(), ">i2", 30, place).reshape(6, 5) for place in places)


@pytest.mark.parametrize("gaps", [(80, 80, 80, 80), (0, 80, 160, 80)])
@pytest.mark.parametrize("zero", [0, 32768])
def test_rows_of_all_reads(gaps: tuple[int, ...], zero: int) -> None:
    planes = Planes(in_a_file(*gaps), np.float32, zero)
    assert planes.shape == CUBE.shape
    rows = planes.rows(1, 4)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, CUBE[:, 1:4].astype(float) + zero)
    np.testing.assert_array_equal(planes[2], CUBE[2].astype(float) + zero)


def test_reads_in_reverse_order_and_of_one_value() -> None:
    backwards = Planes(in_a_file(8, 8, 8, 8)[::-1], np.int16)
    np.testing.assert_array_equal(backwards.rows(0, 2), CUBE[::-1, :2])
    mixed = Planes((CUBE[0], np.broadcast_to(np.int16(7), (6, 5))), np.int16)
    np.testing.assert_array_equal(mixed.rows(2, 3), [CUBE[0, 2:3], np.full((1, 5), 7)])
    same = Planes((np.broadcast_to(np.float32(0.5), (6, 5)),) * 3, np.float32)
    assert np.all(same.rows(0, 6) == 0.5)


def test_images_of_different_owners_around_the_new_rows() -> None:
    """The new array lies between them in memory, which NumPy would take for an overlap without end."""
    whole = np.zeros(1000, np.float32)
    for first, last in ((whole[:30], whole[-30:]), (whole[-30:], whole[:30])):
        parts = tuple(np.frombuffer(memoryview(part.tobytes()), ">f4").reshape(6, 5) for part in (first, last))
        assert Planes(parts, np.float32)._stack is None
    one = Planes((np.broadcast_to(np.float32(1), (6, 5)), np.broadcast_to(np.float32(2), (6, 5))), np.float32)
    assert one._stack is None
    np.testing.assert_array_equal(one.rows(0, 1)[:, 0, 0], [1, 2])


def test_rows_are_new_numbers_of_this_machine() -> None:
    for images in (CUBE.astype(">i2"), CUBE, Planes(tuple(CUBE), np.int16)):
        rows = rows_of(images, 2, 5)
        assert rows.dtype == np.dtype(np.int16)
        assert rows.dtype.isnative
        assert rows.flags.c_contiguous
        rows[:] = 0
    assert CUBE[3, 0, 0] == 3 * 30 - 50
