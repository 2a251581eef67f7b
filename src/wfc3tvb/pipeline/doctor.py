"""What is installed, and what is reachable."""

from __future__ import annotations

import os
import platform
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from wfc3tvb import __version__
from wfc3tvb.config import Services

_PACKAGES = (
    "astropy", "astroquery", "numpy", "numba", "duckdb", "deltalake", "crds", "drizzlepac", "stwcs", "wfc3tools",
)  # fmt: skip
#: Public bucket, and a small page of each service that answers without a login.
_S3_URL = "https://stpubdata.s3.amazonaws.com"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: whether it is well, a word about it, and whether the package works without it."""

    name: str
    ok: bool
    detail: str
    optional: bool = False


def examine(*, live: bool = False) -> list[Finding]:
    """Look at the installation, and with `live` at the services.

    Returns
    -------
    list of Finding
        In the order in which a person would ask.
    """
    findings = [Finding("wfc3tvb", True, f"{__version__}, Python {platform.python_version()}")]
    findings += [_package(name) for name in _PACKAGES]
    findings += [_calwf3(), _extra("s3", "s3fs"), _extra("cluster", "distributed"), *_references()]
    return findings + (list(_services()) if live else [])


def _package(name: str) -> Finding:
    try:
        return Finding(name, True, version(name))
    except PackageNotFoundError:
        return Finding(name, False, f"not installed: pip install {name}")


def _calwf3() -> Finding:
    path = shutil.which("calwf3.e")
    absent = "not on the PATH: the native engine is used (conda install -c conda-forge hstcal brings it)"
    return Finding("calwf3", path is not None, path or absent, optional=True)


def _extra(extra: str, module: str) -> Finding:
    found = find_spec(module) is not None
    detail = f"{module} {version(module)}" if found else f"pip install 'wfc3tvb[{extra}]'"
    return Finding(f"extra [{extra}]", found, detail, optional=True)


def _references() -> Iterator[Finding]:
    """Say where reference files come from."""
    iref = os.environ.get("iref")  # noqa: SIM112 (calwf3 knows it in lower case)
    detail = iref or "not set: calibrate needs it; reprocess sets it itself"
    yield Finding("iref", iref is not None, detail, optional=True)
    cache = Services().crds_path
    detail = str(cache) if cache.is_dir() else f"{cache}: made when needed"
    yield Finding("CRDS cache", cache.is_dir(), detail, optional=True)


def _services() -> Iterator[Finding]:
    services = Services()
    for name, url in (("MAST", services.mast), ("S3", services.s3 or _S3_URL), ("CRDS", services.crds)):
        yield _reach(name, url)


def _reach(name: str, url: str) -> Finding:
    """Ask a service's address; any answer means that it is there."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return Finding(name, True, f"{url} is there (answers {answer.status})")
    except urllib.error.HTTPError as error:
        return Finding(name, error.code < 500, f"{url} is there (answers {error.code})")
    except (urllib.error.URLError, TimeoutError) as error:
        return Finding(name, False, f"{url}: {error}; check the network, or try again later")
