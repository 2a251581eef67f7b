"""Query CRDS in a separate process: ``python -m wfc3tvb.references.crds_process job.json``.

crds keeps context, server and mappings for the life of a process and writes defaults into its environment, so each
query gets a new process. Its output is captured by the parent; the answer goes to ``<job>.answer``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from astropy.io import fits

from wfc3tvb.system.children import end_with_parent
from wfc3tvb.system.files import checksum
from wfc3tvb.system.network import use_socks

#: What crds raises for rules (mappings) that are not text, or not rules, besides its own errors.
_UNREADABLE = (
    SyntaxError, TypeError, ValueError, AttributeError, LookupError, ArithmeticError, AssertionError, RuntimeError,
    MemoryError,
)  # fmt: skip


def main(path: Path) -> None:
    """Run the job in a JSON file: name the context, or find and check the references of files."""
    use_socks()
    job: dict[str, Any] = json.loads(path.read_text())
    answer = {"context": context()} if not job["files"] else find(job)
    path.with_suffix(".answer").write_text(json.dumps(answer))


def context() -> str:
    """Return the context in use: the one of the environment, or the operational one."""
    from crds.core.heavy_client import get_context_name

    return str(get_context_name("hst"))


def find(job: Mapping[str, Any]) -> dict[str, Any]:
    """Write the best references into the headers of files, fetch the references, and compute their checksums."""
    from crds.bestrefs import BestrefsScript
    from crds.core.config import locate_file

    dropped = drop_damaged_mappings() if job.get("renew") else []
    argv = ["crds.bestrefs", "--files", *job["files"], "--new-context", job["context"], "--update-bestrefs"]
    errors = BestrefsScript([*argv, f"--sync-references={int(job['sync'])}"])()
    headers = {file: fits.getheader(file) for file in job["files"]}
    names = {file: references_of(header) for file, header in headers.items()}
    needed = sorted({name for each in names.values() for name in each.values()})
    published = checksums()
    found = {name: Path(locate_file(name, "hst")) for name in needed}
    return {
        "errors": int(errors),
        "dropped": dropped,
        "unassigned": [file for file, header in headers.items() if header.get("CRDS_CTX") != job["context"]],
        "names": names,
        "folders": {name: str(path.parent) for name, path in found.items()},
        "sha1": {name: checksum(path, "sha1") for name, path in found.items() if path.exists()},
        "published": {name: published.get(name, {}).get("sha1sum") for name in needed},
    }


def drop_damaged_mappings() -> list[str]:
    """Remove rules (mappings) that fail their own checksum from the cache, so that CRDS fetches them again."""
    from crds.core import rmap
    from crds.core.config import locate_mapping
    from crds.core.exceptions import CrdsError

    dropped = []
    for path in sorted(Path(locate_mapping("hst_0000.pmap")).parent.glob("*.[pir]map")):
        try:
            rmap.Mapping.from_file(str(path))
        except (CrdsError, *_UNREADABLE):
            path.unlink()
            dropped.append(path.name)
    return dropped


def references_of(header: Mapping[str, Any]) -> dict[str, str]:
    """Return the reference files that a header names, by keyword, without their ``iref$``."""
    keywords = ("BPIXTAB", "CCDTAB", "OSCNTAB", "CRREJTAB", "DARKFILE", "NLINFILE", "PFLTFILE", "DFLTFILE",
                "LFLTFILE", "IMPHTTAB", "IDCTAB", "MDRIZTAB")  # fmt: skip
    named = {keyword: str(header.get(keyword) or "").strip() for keyword in keywords}
    return {key: name.rpartition("$")[2] for key, name in named.items() if name and name.upper() != "N/A"}


def checksums() -> Mapping[str, Mapping[str, str]]:
    """Return the ``sha1sum`` and ``size`` that CRDS publishes, by name of the file; empty if it does not answer."""
    from crds.client import api
    from crds.core.exceptions import CrdsError

    try:
        return dict(api.get_download_metadata())
    except (CrdsError, KeyError):
        return {}


def local_references(header: Mapping[str, Any], folder: Path) -> Iterable[tuple[str, str, Path]]:
    """Yield keyword, name and path of the references that a header names, in a folder."""
    for keyword, name in references_of(header).items():
        yield keyword, name, folder / name


if __name__ == "__main__":
    end_with_parent()
    main(Path(sys.argv[1]))
