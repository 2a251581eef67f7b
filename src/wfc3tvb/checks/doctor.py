"""Checks of the installation and of the connections to the services: ``wfc3tvb doctor``."""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from wfc3tvb import __version__
from wfc3tvb.archive.http import client_of
from wfc3tvb.archive.remote import BUCKET_URL, BucketArchive, MastArchive
from wfc3tvb.archive.responses import check_status
from wfc3tvb.config import Selection, Services
from wfc3tvb.display import counted
from wfc3tvb.errors import BadArgumentError, ServiceError, TvbError
from wfc3tvb.fits.blocks import BLOCK
from wfc3tvb.references.crds import check_observatory, check_profile

_PACKAGES = (
    "astropy", "astroquery", "numpy", "scipy", "numba", "duckdb", "deltalake", "crds", "drizzlepac", "stwcs",
)  # fmt: skip
#: Association and exposure that the live services are queried for; both have been public since 2013.
ASSOCIATION, EXPOSURE = "ibohbf040", "ibohbfb9q"
#: Seconds to wait for a connection, and bytes on the disk that a visit and its repair need.
_CONNECT_TIMEOUT, _DISK_SPACE = 5.0, 5e9


@dataclass(frozen=True)
class Finding:
    """Result of one check.

    Attributes
    ----------
    name : str
        What is checked.
    ok : bool
        Whether it passed.
    detail : str
        What was found, with the remedy.
    optional : bool
        Whether the package works without it.
    """

    name: str
    ok: bool
    detail: str
    optional: bool = False


def examine(*, live: bool = False, services: Services | None = None) -> list[Finding]:
    """Check the installation, and whether the services are reachable.

    Parameters
    ----------
    live : bool, optional
        Make one small query to each service, and check that the answer has the form that the package relies on.
    services : Services, optional
        Addresses of the services.

    Returns
    -------
    list of Finding
        Results of the ten checks.
    """
    services = services or Services()
    installed = [_python(), _packages(), _calwf3(), _dask(), _disk(), _references(services), _cache(services)]
    return installed + list(_check_answers(services) if live else _check_connections(services))


def _python() -> Finding:
    return Finding("wfc3tvb", True, f"{__version__}, Python {platform.python_version()}, {platform.system()}")


def _packages() -> Finding:
    found, missing = [], []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("packages", False, f"not installed: pip install {' '.join(missing)}")
    return Finding("packages", True, ", ".join(found))


def _calwf3() -> Finding:
    path = shutil.which("calwf3.e")
    absent = "not on the PATH; only --engine calwf3 needs it (to install it: conda install -c conda-forge hstcal)"
    return Finding("calwf3.e", path is not None, path or absent, optional=True)


def _dask() -> Finding:
    try:
        return Finding("Dask", True, f"distributed {version('distributed')}, for --cluster", optional=True)
    except PackageNotFoundError:
        return Finding("Dask", False, "for --cluster: pip install 'wfc3tvb[cluster]'", optional=True)


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    note = "" if free > _DISK_SPACE else f"; a visit and its repair take up to {_DISK_SPACE / 1e9:.0f} GB"
    writable = os.access(Path.cwd(), os.W_OK)
    if not writable:
        note += "; this folder is not writable"
    return Finding("disk", free > _DISK_SPACE and writable, f"{free / 1e9:.0f} GB free here{note}", optional=writable)


def _references(services: Services) -> Finding:
    detail = "not set: calibrate needs it; reprocess sets it itself" if services.iref is None else str(services.iref)
    return Finding("iref", services.iref is not None, detail, optional=True)


def _cache(services: Services) -> Finding:
    path = services.crds_path
    detail = str(path) if path.is_dir() else f"{path}: created when needed"
    return Finding("CRDS cache", path.is_dir(), detail, optional=True)


def _addresses(services: Services) -> dict[str, str]:
    return {"MAST": services.mast, "S3": services.s3 or BUCKET_URL, "CRDS": services.crds}


def _check_connections(services: Services) -> Iterator[Finding]:
    """Check that each service accepts a connection; they are optional, because local files need none of them."""
    for name, url in _addresses(services).items():
        parts = urlsplit(url)
        try:
            if name == "CRDS":
                check_profile(services)
            port = parts.port or (443 if parts.scheme == "https" else 80)
            with closing(socket.create_connection((parts.hostname or "", port), _CONNECT_TIMEOUT)):
                yield Finding(name, True, f"{url} is reachable", optional=True)
        except BadArgumentError as error:
            yield Finding(name, False, str(error), optional=True)
        except OSError as error:
            yield Finding(name, False, f"{url} is not reachable ({error.strerror or error})", optional=True)


def _check_answers(services: Services) -> Iterator[Finding]:
    """Make a small query to each service, unless it accepts no connection: clients would retry that for a minute."""
    queries: dict[str, Callable[[Services], str]] = {"MAST": _query_mast, "S3": _query_s3, "CRDS": _query_crds}
    addresses = _addresses(services)
    for connection in _check_connections(services):
        name, url = connection.name, addresses[connection.name]
        if not connection.ok and not getproxies():  # with a proxy, a direct connection may fail and a query succeed
            yield replace(connection, optional=False)
            continue
        try:
            yield Finding(name, True, f"{url} {queries[name](services)}")
        except TvbError as error:
            yield Finding(name, False, f"{url}: {error}")


def _query_mast(services: Services) -> str:
    row = next(iter(MastArchive(services).datasets(Selection(ids=(ASSOCIATION,)))))
    if not row["members"] or row["generation_date"] is None or row["start_time"] is None:
        raise ServiceError("MAST", f"lists {ASSOCIATION} without members or dates", "report this")
    return f"lists {counted(len(row['members']), 'exposure')} of {ASSOCIATION}"


def _query_s3(services: Services) -> str:
    (start,) = BucketArchive(services).ranges(EXPOSURE, "ima", [(0, BLOCK)])
    if len(start) != BLOCK or not start.startswith(b"SIMPLE"):
        raise ServiceError("S3", f"returns no FITS header for {EXPOSURE}_ima.fits", "report this")
    return f"serves ranges of {EXPOSURE}_ima.fits"


def _query_crds(services: Services) -> str:
    check_profile(services)
    query: dict[str, Any] = {"jsonrpc": "1.0", "method": "get_server_info", "params": [], "id": 1}
    url = f"{services.crds.rstrip('/')}/json/get_server_info/1/"
    headers = {"Content-Type": "application/json"}
    response, body = client_of(services).send("CRDS", "POST", url, body=json.dumps(query), headers=headers)
    check_status("CRDS", url, response.status)
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ServiceError("CRDS", "the answer is not JSON") from error
    result = answer.get("result") if isinstance(answer, dict) else None
    if not isinstance(result, dict) or not ({"operational_context", "crds_payload"} & set(result)):
        raise ServiceError("CRDS", "the answer to get_server_info has an unexpected form", "report this")
    if "operational_context" in result:
        check_observatory(str(result["operational_context"]), services)
    return f"answers; its context is {result.get('operational_context', 'encoded')}"
