"""Find, fetch and check the reference files of exposures with CRDS, in a child process.

Only one process at a time can fetch into a cache (a second one fails at the lock of the first), so the references of
all exposures of a batch are requested together; workers then only read.
"""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from astropy.io import fits

from wfc3tvb.config import CRDS_URL, Services
from wfc3tvb.errors import BadArgumentError, MissingReferenceError, ReferenceFileError, ServiceError
from wfc3tvb.references.crds_process import local_references
from wfc3tvb.system.children import environment_of_child
from wfc3tvb.system.files import checksum, remove_old
from wfc3tvb.system.network import ca_environment, proxy_environment

_OBSERVATORY = "hst"
_OTHERS = ("jwst", "roman")
_LOG = logging.getLogger(__name__)
_MISSING = "the file is not in the cache, and CRDS did not send it", "check CRDS_PATH and the network"
_READ_ONLY = "the file is not in the cache, which CRDS_READONLY_CACHE says is read-only", "unset it, or fill the cache"
_CONTEXT = re.compile(r"[a-z0-9]\w{0,40}(?:[.-]\w{1,40})?")
#: Longest time for one batch; a dark of full frames is 300 MB, all references of an exposure are 405 MB [s].
_TIMEOUT = 3600.0
#: Beginning of the names of scratch folders, and age at which those of killed runs are removed [h].
_SCRATCH = "wfc3tvb-crds-"
_LEFT_HOURS = 24.0


@dataclass(frozen=True)
class References:
    """The reference files of one exposure.

    Attributes
    ----------
    context : str
        CRDS context that chose them.
    folder : Path
        Their folder, to which ``iref`` must point.
    names : mapping
        Name of the file by keyword (BPIXTAB ... MDRIZTAB); keywords without a file are left out.
    sha1 : mapping
        Checksum by keyword.
    verified : bool
        Whether every checksum was compared with the one that CRDS publishes.
    """

    context: str
    folder: Path
    names: Mapping[str, str]
    sha1: Mapping[str, str]
    verified: bool

    def as_json(self) -> str:
        """Return the value of the column `references`."""
        files = {key: {"name": name, "sha1": self.sha1[key]} for key, name in self.names.items()}
        return json.dumps(files, sort_keys=True)


def operational_context(services: Services | None = None) -> str:
    """Return the current operational context of CRDS; a batch asks for it once and keeps it.

    Raises
    ------
    ServiceError
        If CRDS does not answer, or not with the name of a context.
    """
    services = services or Services()
    answer = _ask({"files": []}, services)
    return checked_context(answer["context"], services)


def checked_context(context: object, services: Services) -> str:
    """Return the name of a context that CRDS answered, which becomes part of the names of files and addresses.

    Raises
    ------
    ServiceError
        If it is no such name.
    BadArgumentError
        See `check_observatory`.
    """
    if not isinstance(context, str) or not _CONTEXT.fullmatch(context):
        raise ServiceError("CRDS", f"{services.crds} answered with the context {str(context)[:40]!r}, which is no name")
    check_observatory(context, services)
    return context


def check_observatory(context: str, services: Services) -> None:
    """Check that a context is Hubble's: the settings of CRDS may be those of a user of JWST.

    Raises
    ------
    BadArgumentError
        If it is another observatory's; the message names the setting that is wrong.
    """
    if not context.startswith(_OBSERVATORY):
        where = f"{services.crds} is not Hubble's server of CRDS: its context is {context}"
        raise BadArgumentError(f"{where}; unset CRDS_SERVER_URL, or set it to {CRDS_URL}")


def check_profile(services: Services) -> None:
    """Check, before CRDS is asked, that the environment is not set for another observatory.

    Raises
    ------
    BadArgumentError
        If it is; the message names the variable.
    """
    context = os.environ.get("CRDS_CONTEXT", "").strip().lower()
    for other in _OTHERS:
        if context.startswith(other):
            problem = f"CRDS_CONTEXT={context} is a context of {other.upper()}"
            raise BadArgumentError(f"{problem}; unset it, or set it to one of the form hst_NNNN.pmap")
        if other in (urlsplit(services.crds).hostname or ""):
            problem = f"CRDS_SERVER_URL={services.crds} is the server of {other.upper()}"
            raise BadArgumentError(f"{problem}; unset it, or set it to {CRDS_URL}")


def best_references(
    raws: Sequence[Path], *, context: str, services: Services | None = None, sync: bool = True
) -> dict[Path, References]:
    """Find the references of raw files, fetch those that are missing, and verify their checksums.

    Parameters
    ----------
    raws : sequence of Path
        Raw files; only their headers are read.
    context : str
        CRDS context, e.g. ``hst_1234.pmap``.
    services : Services, optional
        Address of CRDS and folder of its cache.
    sync : bool
        Whether missing references may be fetched; not with CRDS_READONLY_CACHE, which forbids it.

    Raises
    ------
    BadArgumentError
        If `context` is not a context of CRDS.
    MissingReferenceError
        If a reference cannot be fetched.
    ReferenceFileError
        If one differs from its published checksum even after it was fetched again.
    ServiceError
        If CRDS does not answer.
    """
    services, sync = services or Services(), sync and not _is_read_only()
    if not (context.endswith(".pmap") and context.startswith(_OBSERVATORY)):
        raise BadArgumentError(f"context {context}: give a CRDS context of the form hst_NNNN.pmap")
    with tempfile.TemporaryDirectory(prefix=_SCRATCH) as scratch:
        headers = {str(_header_only(raw, Path(scratch))): raw for raw in raws}
        if sync:
            _remove_leftovers(services.crds_path)
        job = {"files": list(headers), "context": context, "sync": sync}
        answer = _ask(job, services)
        if sync and answer["unassigned"]:
            answer = _ask(job | {"renew": True}, services)
            for name in answer["dropped"]:
                _LOG.warning("%s: damaged, fetched again", name)
        if sync and (damaged := _damaged(answer)):
            for name in damaged:
                _path(answer, name).unlink(missing_ok=True)
                _LOG.warning("%s: differs from the file that CRDS published (sha1), fetched again", name)
            answer = _ask(job, services)
    _check(answer, context)
    return {headers[file]: _references(names, answer, context) for file, names in answer["names"].items()}


def header_references(raw: Path, folder: Path) -> References:
    """Return the references that a raw file's header names, in a folder (``iref``), without asking CRDS.

    Raises
    ------
    MissingReferenceError
        If one of them is not in the folder.
    """
    header = fits.getheader(raw)
    found = list(local_references(header, folder))
    for keyword, name, path in found:
        if not path.exists():
            raise MissingReferenceError(keyword, name, f"not in {folder}", "set iref, or let CRDS fetch it")
    return References(
        context=str(header.get("CRDS_CTX") or "header"),
        folder=folder,
        names={keyword: name for keyword, name, _ in found},
        sha1={keyword: _known_sha1(path, path.stat().st_mtime_ns) for keyword, _, path in found},
        verified=False,
    )


@lru_cache(maxsize=256)
def _known_sha1(path: Path, changed_at: int) -> str:
    """Return the checksum of a file, computed once per version of it, since exposures share their references."""
    return checksum(path, "sha1")


def cache_folder(services: Services | None = None) -> Path:
    """Return the folder of WFC3's references in the cache."""
    return cache_folder_of((services or Services()).crds_path)


def cache_folder_of(cache: Path) -> Path:
    """Return the folder of WFC3's references in a cache."""
    return cache / "references" / "hst" / "wfc3"


def _is_read_only() -> bool:
    """Return whether CRDS must not write into its cache, by its own reading of the variable."""
    return os.environ.get("CRDS_READONLY_CACHE", "").lower() in ("true", "t", "1")


def _header_only(raw: Path, folder: Path) -> Path:
    """Write a file with only the primary header of a raw file: the CRDS client rewrites whole files."""
    header = fits.getheader(raw)
    header["NEXTEND"] = 0
    path = folder / raw.name
    fits.PrimaryHDU(header=header).writeto(path, output_verify="silentfix")
    return path


def _remove_leftovers(cache: Path) -> None:
    """Remove what killed runs left: partial files in the cache, and folders of jobs."""
    for folder in (cache / "mappings" / "hst", cache_folder_of(cache)):
        remove_old(folder, ".tmp_*", hours=_LEFT_HOURS)
    remove_old(Path(tempfile.gettempdir()), f"{_SCRATCH}*", hours=_LEFT_HOURS)


def _ask(job: Mapping[str, Any], services: Services) -> dict[str, Any]:
    """Run the child process on a job and return its answer."""
    check_profile(services)
    with tempfile.TemporaryDirectory(prefix=_SCRATCH) as scratch:
        path = Path(scratch) / "job.json"
        path.write_text(json.dumps(job))
        command = [sys.executable, "-m", "wfc3tvb.references.crds_process", str(path)]
        try:
            done = subprocess.run(
                command, env=_environment(services), capture_output=True, text=True, timeout=_TIMEOUT, check=False,
                stdin=subprocess.DEVNULL, cwd=scratch, errors="replace",
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise ServiceError("CRDS", f"not finished after {_TIMEOUT:g} s") from error
        answer = path.with_suffix(".answer")
        if done.returncode or not answer.exists():
            raise _problem(done.stdout + done.stderr, services)
        return dict(json.loads(answer.read_text()))


def _environment(services: Services) -> dict[str, str]:
    settings = {
        "CRDS_SERVER_URL": services.crds,
        "CRDS_PATH": str(services.crds_path),
        "CRDS_OBSERVATORY": _OBSERVATORY,
        "CRDS_CLIENT_RETRY_COUNT": str(services.retries),
        "CRDS_CLIENT_RETRY_DELAY_SECONDS": str(max(1, round(services.backoff))),
        "CRDS_CLIENT_TIMEOUT_SECONDS": str(round(services.timeout)),
        "PYTHONWARNINGS": "ignore",
    }
    proxies = proxy_environment(services.crds)
    return os.environ | ca_environment() | proxies | settings | environment_of_child()


def _problem(log: str, services: Services) -> ServiceError | BadArgumentError:
    """Return the error, in one line, from the log of a child process that failed."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    line = next((line for line in reversed(lines) if "ERROR" in line or "Error" in line), lines[-1] if lines else "")
    reason = line.rpartition("ERROR -  ")[2].rpartition("Error: ")[2][:300]
    if ".pmap" in reason:
        return BadArgumentError(f"CRDS: {reason}; give an existing context (parameter context)")
    return ServiceError("CRDS", f"{services.crds} did not answer: {reason}", "check the network or CRDS_SERVER_URL")


def _path(answer: Mapping[str, Any], name: str) -> Path:
    return Path(answer["folders"][name]) / name


def _damaged(answer: Mapping[str, Any]) -> list[str]:
    """Return the files that differ from their published checksum."""
    published = answer["published"]
    return [name for name, found in answer["sha1"].items() if published[name] not in (None, found)]


def _check(answer: Mapping[str, Any], context: str) -> None:
    damaged = set(_damaged(answer))
    if answer["unassigned"]:
        names = ", ".join(sorted(Path(file).name for file in answer["unassigned"])[:3])
        raise BadArgumentError(
            f"CRDS context {context} selected no references for {names}; check that the context exists"
        )
    for names in answer["names"].values():
        for keyword, name in names.items():
            if name not in answer["sha1"]:
                raise MissingReferenceError(keyword, name, *(_READ_ONLY if _is_read_only() else _MISSING))
            if name in damaged:
                if not _is_read_only():
                    _path(answer, name).unlink(missing_ok=True)
                raise ReferenceFileError(
                    keyword, name, "its checksum differs from the one that CRDS publishes", "run the command again"
                )
            if name.upper().startswith("NOT FOUND"):
                raise MissingReferenceError(
                    keyword, name, "CRDS has no matching file", "give another context (parameter context)"
                )


def _references(names: Mapping[str, str], answer: Mapping[str, Any], context: str) -> References:
    folders = {answer["folders"][name] for name in names.values()}
    return References(
        context=context,
        folder=Path(folders.pop()),
        names=names,
        sha1={keyword: answer["sha1"][name] for keyword, name in names.items()},
        verified=all(answer["published"][name] for name in names.values()),
    )
