"""Damaged and hostile inputs at every door: kept ones do what they did, drawn ones are accepted or refused in order."""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np
import pytest
from tools.fuzz import judge as fuzz
from tools.fuzz.campaign import kept, tried
from tools.fuzz.doors import DOORS
from tools.fuzz.mutate_fits import mutate
from tools.fuzz.mutate_text import json_mutator, text_mutator

from wfc3tvb.errors import BadFileError

#: Inputs drawn at a door, as many as it reads in half a second.
DRAWN = {"header": 1000, "headers": 60, "ima": 20, "raw": 12, "flt": 20, "mast": 25, "http": 50, "adql": 30, "sql": 50}
USUAL = 100


@pytest.fixture(scope="module", params=DOORS)
def door(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[fuzz.Door]:
    logging.disable(logging.CRITICAL)
    opened = DOORS[request.param](tmp_path_factory.mktemp(request.param))
    for data in opened.seeds:  # compiles and imports
        fuzz.judge(opened, data)
    yield opened
    opened.close()
    logging.disable(logging.NOTSET)


def test_kept_inputs_do_what_they_did(door: fuzz.Door) -> None:
    inputs = kept(door.name)
    assert inputs
    with fuzz.limits():
        for expected, data in inputs:
            with fuzz.interrupted():
                outcome = fuzz.judge(door, data)
            assert not outcome.finding, outcome.text
            assert outcome.name == expected, outcome.text


def test_drawn_inputs_are_accepted_or_refused(door: fuzz.Door) -> None:
    # With CI set, the same in every run; `make fuzz` draws anew.
    seed = 1083 if "CI" in os.environ else secrets.randbelow(10**6)
    with fuzz.limits():
        for number, outcome in tried(door, iter(range(DRAWN.get(door.name, USUAL))), seed=seed):
            shown = f"python -m tools.fuzz {door.name} --seed {seed} --show {number}"
            assert not outcome.finding, f"{shown}\n{outcome.kind}\n{outcome.text}"


def planted(read: Any) -> fuzz.Door:
    return fuzz.Door("planted", "nothing", (b"abc" * 40,), text_mutator(()), read)


def refuse(_: bytes) -> None:
    raise BadFileError("x", "is damaged")


def refuse_in_two_lines(_: bytes) -> None:
    raise BadFileError("x", "is\ndamaged")


@pytest.mark.parametrize(
    ("read", "name", "finding"),
    [
        (len, "accepted", False),
        (refuse, "BadFileError", False),
        (refuse_in_two_lines, "BadFileError of several lines", True),
        (int, "ValueError", True),
        (lambda _: time.sleep(0.12), "slow", True),
        (lambda _: time.sleep(9), "hangs", True),
        (lambda _: np.ones(2 * fuzz.MEMORY, np.uint8), "MemoryError", True),
    ],
)
def test_faults_are_found(read: Any, name: str, finding: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "SECONDS", 0.1)
    monkeypatch.setattr(fuzz, "HANGING", 0.5)
    with fuzz.limits(), fuzz.interrupted():
        outcome = fuzz.judge(planted(read), b"input")
    assert (outcome.name, outcome.finding) == (name, finding)


def test_an_input_is_the_same_whenever_it_is_drawn() -> None:
    door = planted(len)
    assert [door.input(3, n) for n in range(20)] == [door.input(3, n) for n in range(20)]
    assert door.input(3, 1) != door.input(4, 1)


def test_a_shorter_input_that_does_the_same() -> None:
    door = planted(lambda data: 1 / (b"z" not in data))
    data = b"abc" * 50 + b"z" + b"abc" * 50
    with fuzz.limits():
        found = fuzz.minimised(door, data, fuzz.judge(door, data).kind)
    assert b"z" in found
    assert len(found) < 10


@pytest.mark.parametrize("change", [mutate, text_mutator((b"SELECT",)), json_mutator((b"results",))])
def test_any_bytes_can_be_damaged(change: Any) -> None:
    rng = Random(1)
    for data in (b"", b"x", b"SIMPLE  =", b'{"a": [1, {"b": null}]}', bytes(range(256)) * 40):
        changed = [change(data, rng) for _ in range(50)]
        assert sum(each != data for each in changed) > 20
