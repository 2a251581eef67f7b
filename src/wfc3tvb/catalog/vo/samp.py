"""Send tables to other programs on this desktop (TOPCAT, Aladin, ...) through SAMP, the protocol of the IVOA."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa

from wfc3tvb.catalog.export import write_table
from wfc3tvb.errors import ServiceError

#: Message by which a program loads a VOTable.
_LOAD = "table.load.votable"
_START = "start TOPCAT or Aladin and try again"


def send_table(rows: pa.Table, name: str, *, timeout: int = 30) -> list[str]:
    """Send a table to every program that a SAMP hub knows and that loads VOTables.

    Parameters
    ----------
    rows : pyarrow.Table
        The table.
    name : str
        Its name in the other programs.
    timeout : int, optional
        Longest time that a program may take to load it [s].

    Returns
    -------
    list of str
        Names of the programs.

    Raises
    ------
    ServiceError
        If there is no hub, or no such program, or one did not load the table.
    """
    from pyvo.samp import SAMPHubError, SAMPIntegratedClient, SAMPProxyError  # 0.2 s

    client = SAMPIntegratedClient("wfc3tvb", "Time-variable background of WFC3/IR", addr="127.0.0.1")
    try:
        client.connect()
    except (SAMPHubError, OSError) as error:
        raise ServiceError("SAMP", "no hub is running on this machine", _START) from error
    try:
        with tempfile.TemporaryDirectory(prefix="wfc3tvb-") as folder:
            path = write_table(rows, Path(folder) / "table.vot", "votable")
            return _send(client, path, name, timeout)
    except (SAMPProxyError, OSError) as error:
        raise ServiceError("SAMP", f"the hub did not pass the table on ({error})", _START) from error
    finally:
        with contextlib.suppress(SAMPProxyError, SAMPHubError, OSError):  # the hub has stopped
            client.disconnect()


def _send(client: Any, path: Path, name: str, timeout: int) -> list[str]:
    """Send a file to every program, wait until it is loaded, and return the names of the programs."""
    found = client.get_subscribed_clients(_LOAD)
    if not found:
        raise ServiceError("SAMP", "no program that loads tables is connected to the hub", _START)
    parameters = {"url": path.as_uri(), "table-id": f"wfc3tvb-{name}", "name": name}
    message = {"samp.mtype": _LOAD, "samp.params": parameters}
    names = []
    for program in found:
        label = str(client.get_metadata(program).get("samp.name", program))
        answer = client.call_and_wait(program, message, str(timeout))
        if answer.get("samp.status") != "samp.ok":
            reason = answer.get("samp.error", {}).get("samp.errortxt", "without a reason")
            raise ServiceError("SAMP", f"{label} did not load the table ({reason})")
        names.append(label)
    return names
