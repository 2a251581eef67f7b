"""A SAMP hub on this machine, and a program that loads tables as TOPCAT does."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from astropy.table import Table
from pyvo.samp import SAMPHubServer, SAMPIntegratedClient


@contextmanager
def samp_hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run a hub that programs find through the environment variable SAMP_HUB."""
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:file://{folder}/samp")
    server = SAMPHubServer(web_profile=False, lockfile=str(folder / "samp"), addr="127.0.0.1")
    server.start()
    try:
        yield
    finally:
        server.stop()
        with warnings.catch_warnings():  # its clients leave connections to be closed by the garbage collector
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


@contextmanager
def viewer(*, status: str = "samp.ok") -> Iterator[list[tuple[str, Table]]]:
    """Connect a program that loads tables, or refuses them; yield the names and tables that it received."""
    received: list[tuple[str, Table]] = []
    client = SAMPIntegratedClient("viewer", addr="127.0.0.1")
    client.connect()

    def load(key: str, sender: str, call: str, mtype: str, parameters: dict[str, str], extra: Any) -> None:
        received.append((parameters["name"], Table.read(parameters["url"].removeprefix("file://"))))
        answer = {"samp.status": status, "samp.result": {}, "samp.error": {"samp.errortxt": "no memory"}}
        client.reply(call, answer)

    client.bind_receive_call("table.load.votable", load)
    try:
        yield received
    finally:
        client.disconnect()
