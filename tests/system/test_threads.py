"""Turns of threads: pieces of work end in the order of their numbers."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from wfc3tvb.system.threads import Turns


def test_actions_run_in_order_whichever_piece_is_ready_first() -> None:
    turns, began, ended = Turns(), [], []

    def piece(number: int) -> None:
        with turns.last(number, lambda: ended.append(number)):
            time.sleep(0.02 if number % 3 == 0 else 0)
            began.append(number)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(piece, range(9)))
    assert ended == list(range(9))
    assert began != ended


def test_a_piece_that_fails_stops_no_other() -> None:
    turns, ended = Turns(), []

    def piece(number: int) -> None:
        with turns.last(number, lambda: ended.append(number)):
            if number == 2:
                raise ValueError("piece 2")

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(piece, number) for number in range(6)]
    with pytest.raises(ValueError, match="piece 2"):
        futures[2].result()
    assert ended == [0, 1, 3, 4, 5]


def test_an_action_that_fails_stops_no_other() -> None:
    turns, ended = Turns(), []

    def act(number: int) -> None:
        if number == 0:
            raise ValueError("action 0")
        ended.append(number)

    def piece(number: int) -> None:
        with turns.last(number, lambda: act(number)):
            pass

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(piece, number) for number in range(3)]
    with pytest.raises(ValueError, match="action 0"):
        futures[0].result()
    assert ended == [1, 2]
