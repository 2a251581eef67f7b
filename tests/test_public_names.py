"""The package's own face: the names it offers, and what an interrupted command says."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

import wfc3tvb
from wfc3tvb.cli.app import FrontDoor


def test_dir_lists_the_public_names() -> None:
    assert set(wfc3tvb.__all__) <= set(dir(wfc3tvb))


@pytest.mark.parametrize(
    ("name", "said"),
    [("survey", "interrupted; the same command goes on from here\n"), ("report", "interrupted\n")],
)
def test_an_interrupted_command_promises_only_what_it_does(name: str, said: str) -> None:
    door = FrontDoor()

    @door.command(name)
    def stopped() -> None:
        raise KeyboardInterrupt

    assert isinstance(stopped, click.Command)
    result = CliRunner().invoke(door, [name])
    assert (result.exit_code, result.output) == (130, said)
