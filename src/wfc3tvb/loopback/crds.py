"""Serve CRDS over loopback: JSON-RPC calls, mappings and reference files, as its unmodified client reads them."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from wfc3tvb.loopback.crds_mappings import CONTEXT, make_mappings
from wfc3tvb.loopback.faults import Faults
from wfc3tvb.loopback.files import file_response
from wfc3tvb.system.files import checksum

#: Path of the service; the client reads the observatory from it.
PREFIX = "/hst-crds"


class Crds:
    """Handlers of the requests to CRDS.

    Parameters
    ----------
    references : Path
        Folder of reference files, flat.
    cache : Path
        Folder to write the mappings into.
    faults : Faults
        Faults to simulate.
    """

    def __init__(self, references: Path, cache: Path, faults: Faults) -> None:
        self.faults, self._cache = faults, cache
        self.references = {path.name: path for path in sorted(references.glob("*.fits"))}
        self._methods: dict[str, Callable[..., Any]] = {
            "get_server_info": lambda: self._server_info,
            "get_default_context": lambda *_: CONTEXT,
            "get_context_by_date": lambda *_: CONTEXT,
            "get_mapping_names": lambda *_: sorted(self.mappings),
            "get_reference_names": lambda *_: sorted(self.references),
            "list_mappings": lambda *_: sorted(self.mappings),
            "list_references": lambda *_: sorted(self.references),
            "get_file_info_map": lambda *_: self._metadata,
        }
        self.url = ""

    @cached_property
    def mappings(self) -> dict[str, Path]:
        """Path of every mapping by its name."""
        paths = {}
        for name, text in make_mappings(self.references).items():
            paths[name] = self._cache / name
            paths[name].write_text(text)
        return paths

    async def call(self, request: Request) -> Response:
        """Answer a JSON-RPC call."""
        body = await request.json()
        method, params = self._methods.get(body["method"]), body.get("params") or ()
        if method is None:
            error = {"message": f"no method {body['method']}"}
            return JSONResponse({"error": error, "result": None, "id": body["id"]})
        return JSONResponse({"error": None, "result": method(*params), "id": body["id"]})

    async def get_file(self, request: Request) -> Response:
        """Answer GET of a mapping or a reference."""
        name = request.path_params["name"]
        path = self.references.get(name) or self.mappings.get(name)
        if path is None or name in self.faults.missing:
            return Response("not found", 404)
        return file_response(request, path, self.faults)

    @cached_property
    def _metadata(self) -> dict[str, dict[str, str]]:
        """Size and checksum of every file."""
        return {
            name: {"size": str(path.stat().st_size), "sha1sum": checksum(path, "sha1")}
            for name, path in (self.mappings | self.references).items()
        }

    @property
    def _server_info(self) -> dict[str, Any]:
        metadata = {name: dict(info) for name, info in self._metadata.items()}
        for name in metadata:
            if name in self.faults.wrong_checksum:
                metadata[name]["sha1sum"] = "0" * 40
            if name in self.faults.wrong_length:
                metadata[name]["size"] = "1"
        payload = base64.b64encode(gzip.compress(json.dumps(metadata).encode())).decode()
        return {
            "observatory": "hst", "latest_context": CONTEXT, "operational_context": CONTEXT, "edit_context": CONTEXT,
            "bad_files": "", "bad_files_list": [], "force_remote_mode": False, "last_synced": "2020-01-01 00:00:00",
            "mappings": sorted(self.mappings), "crds_version": {"str": "14.0.3"}, "max_headers_per_rpc": 1000,
            "mapping_url": {"unchecked": {"hst": f"{self.url}/mappings/hst/"}},
            "reference_url": {"unchecked": {"hst": f"{self.url}/references/hst/"}},
            "download_metadata": {"crds_encoded": "1.0", "crds_payload": payload},
        }  # fmt: skip
