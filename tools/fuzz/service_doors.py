"""Doors for the answers of services: MAST's JSON, the listings and bodies of S3, CRDS.

An input is a response: a line with what it answers and the status, lines of headers, an empty line, the body. All other
requests get good answers.
"""

from __future__ import annotations

import io
import json
import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import urllib3
from tests.helpers.recorded import DATA
from tools.fuzz.judge import Door
from tools.fuzz.mutate_text import json_mutator, text_mutator

from wfc3tvb.archive import astroquery_session, remote
from wfc3tvb.archive import mast as mast_module
from wfc3tvb.archive.http import HttpClient, client_of
from wfc3tvb.archive.mast import Mast
from wfc3tvb.archive.mast_rows import COLUMNS
from wfc3tvb.archive.remote import BucketArchive
from wfc3tvb.config import Selection, Services
from wfc3tvb.references import crds, crds_process

ROOT = "ibohbfb9q"
_SERVICES = Services(mast="http://mast.invalid", s3="http://s3.invalid", crds="http://crds.invalid/hst-crds", retries=0)
_WORDS = (b"results", b"totalResults", b"products", b"dataset", b"filename", b"column_name", b"status", b"data",
b"200", b"206",
          b"404", b"500", b"503", b"Content-Range", b"Content-Length", b"Content-Encoding: gzip",
          b"Retry-After: 999999999",
          b"bytes 0-99/100", b"bytes */0")  # fmt: skip
_XML = (b"<Key>", b"</Key>", b"<Contents>", b"<!DOCTYPE a [<!ENTITY b 'bbbb'>]>", b"&b;", b"<![CDATA[",
b"<?xml version='1.0'?>",
        b"xmlns=''", b"&#0;")  # fmt: skip


def mast(_: Path) -> Door:
    """Return the door for MAST's answers: columns, searches, products, counts of CAOM."""
    good = {
        "column_list": (DATA / "archive" / "mission_columns.json").read_bytes(),
        "list_products": json.dumps({"products": [
            {"dataset": "IBOHBF040", "filename": "ibohbfb9q_ima.fits"}, {"dataset": "IBXY01Z8Q",
            "filename": "ibxy01z8q_raw.fits"},
        ]}).encode(),
        "search/hst": json.dumps({"results": [_dataset(name) for name in ("IBOHBF040", "IBXY01Z8Q")],
        "totalResults": 2}).encode(),
        "columnsconfig": (DATA / "archive" / "columnsconfig.json").read_bytes(),
        "invoke": (DATA / "archive" / "countsResp.json").read_bytes(),
    }  # fmt: skip
    seeds = tuple(_response(kind, "200", body) for kind, body in good.items())
    opened = ExitStack()
    # A query that is said to be still running is waited for.
    opened.enter_context(mock.patch.object(mast_module, "_CAOM_SECONDS", 0.2))
    opened.enter_context(mock.patch.object(astroquery_session, "_POLL", (0.01, 0.05)))

    def read(data: bytes) -> None:
        with answers(data, lambda url, _: next((kind for kind in good if kind in url), "search/hst"), good):
            client = Mast(_SERVICES)
            list(client.datasets(Selection(filters=("F105W",), start=56290.0, end=56300.0)))
            list(client.datasets(Selection(ids=("ibohbf040",))))

    return Door("mast", "answers of MAST (JSON)", seeds, json_mutator(_WORDS), read, close=opened.close)


def s3(folder: Path) -> Door:
    """Return the door for answers of the public bucket: its listing, ranges, whole files."""
    archive = BucketArchive(_SERVICES)
    name = f"{ROOT}_ima.fits"
    listing = (
        "<?xml version='1.0'?><ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><Contents>"
        f"<Key>hst/public/iboh/other/{name}</Key></Contents></ListBucketResult>"
    ).encode()
    cards = (
        b"SIMPLE  =                    T",
        b"BITPIX  =                    8",
        b"NAXIS   =                    0",
        b"END",
    )
    whole = b"".join(card.ljust(80) for card in cards).ljust(2880)
    part = whole[:100]
    range_headers = {"Content-Range": "bytes 0-99/2880", "Content-Length": "100", "ETag": "1"}
    seeds = (
        _response("listing", "200", listing), _response("part", "206", part, range_headers),
        _response("absent", "404", b"<Error><Code>NoSuchKey</Code></Error>"),
        _response("whole", "200", whole, {"Content-Length": "2880"}),
    )  # fmt: skip
    good = {"listing": listing, "part": part, "whole": whole, "absent": b""}
    usual = {"part": ("206", range_headers), "absent": ("404", {})}

    def kind(url: str, asked: Mapping[str, str]) -> str:
        found = "part" if "Range" in asked else "whole"
        return "listing" if "list-type" in url else found if "other" in url else "absent"

    def read(data: bytes) -> None:
        remote._moved.clear()
        with answers(data, kind, good, usual):
            archive.ranges(ROOT, "ima", [(0, 100)])
            archive.download(ROOT, "ima", folder)
            (folder / name).unlink()

    return Door("s3", "answers of the bucket (XML, ranges, files)", seeds, text_mutator((*_WORDS, *_XML)), read)


def crds_server(folder: Path) -> Door:
    """Return the door for answers of CRDS's server, and its rules (mappings), as the child process reads them."""
    opened = ExitStack()
    settings = {
        "CRDS_SERVER_URL": _SERVICES.crds, "CRDS_PATH": str(folder), "CRDS_OBSERVATORY": "hst",
        "CRDS_CLIENT_RETRY_COUNT": "1", "CRDS_CLIENT_RETRY_DELAY_SECONDS": "0",
    }  # fmt: skip
    opened.enter_context(mock.patch.dict(os.environ, settings))
    from crds.client import proxy
    from crds.core import log, utils

    log.set_verbose(-3)
    rule = folder / "mappings" / "hst" / "hst_0001.pmap"
    rule.parent.mkdir(parents=True)
    (folder / "config" / "hst").mkdir(parents=True)
    info = {"observatory": "hst", "operational_context": "hst_0001.pmap", "edit_context": "hst_0001.pmap",
    "bad_files": "",
            "bad_files_list": [], "force_remote_mode": False, "crds_version": {"str": "14.0.3"},
            "mapping_url": {"unchecked": {"hst": "http://crds.invalid/"}}, "last_synced": "2020-01-01 00:00:00",
            "download_metadata": {"a_drk.fits": {"size": "10", "sha1sum": "0" * 40}}}  # fmt: skip
    mapping = (
        b"header = {'derived_from': 'x', 'mapping': 'PIPELINE', 'name': 'hst_0001.pmap', 'observatory': 'HST',"
        b" 'parkey': ('INSTRUME',), 'sha1sum': 'da39a3ee5e6b4b0d3255bfef95601890afd80709'}\n"
        b"selector = {'WFC3': 'hst_wfc3_0001.imap'}\n"
    )
    reply = json.dumps({"error": None, "result": info, "id": "1"}).encode()
    seeds = (_response("rpc", "200", reply), _response("rule", "200", mapping))

    def read(data: bytes) -> None:
        kind, _, _, body = _parts(data)
        rule.write_bytes(body if kind == "rule" else mapping)
        utils.clear_function_caches()
        sent = body if kind == "rpc" else reply
        try:
            with mock.patch.object(proxy.request, "urlopen", lambda *_, **__: io.BytesIO(sent)):
                context, published = crds_process.context(), crds_process.checksums()
                published.get("a_drk.fits", {}).get("sha1sum")
        except (Exception, SystemExit):  # noqa: BLE001 (it ends the child process, whose output the parent reads)
            raise crds._problem(traceback.format_exc(), _SERVICES) from None
        crds_process.drop_damaged_mappings()
        crds.checked_context(context, _SERVICES)

    return Door(
        "crds",
        "answers of CRDS (JSON-RPC, mappings)",
        seeds,
        json_mutator((*_WORDS, b"hst_0001.pmap", b"sha1sum")),
        read,
        close=opened.close,
    )


def _dataset(name: str) -> dict[str, Any]:
    return dict.fromkeys(COLUMNS) | {
        "sci_data_set_name": name, "sci_asn_id": name if name.endswith("0") else "NONE",
        "sci_instrument_config": "WFC3/IR",
        "sci_spec_1234": "F105W", "sci_pep_id": 12099, "sci_start_time": "2013-01-06T18:00:00", "sci_sun_alt": 12.5,
    }  # fmt: skip


def _response(kind: str, status: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    lines = [f"{kind} {status}", *(f"{name}: {value}" for name, value in (headers or {}).items())]
    return "\n".join(lines).encode() + b"\n\n" + body


def _parts(data: bytes) -> tuple[str, int, dict[str, str], bytes]:
    """Return what an input answers, its status, headers and body."""
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.decode("latin-1").split("\n")
    kind, _, status = first.partition(" ")
    pairs = (line.partition(":") for line in lines)
    return kind, _number(status), {name.strip(): value.strip() for name, _, value in pairs if name.strip()}, body


def _number(text: str) -> int:
    return int(text) if len(text) == 3 and text.isascii() and text.isdigit() else 200


@contextmanager
def answers(
    data: bytes,
    kind_of: Callable[[str, Mapping[str, str]], str],
    good: Mapping[str, bytes],
    usual: Mapping[str, tuple[str, dict[str, str]]] | None = None,
) -> Iterator[None]:
    """Answer requests of the package's client in a block, of one kind by the input, of others by good answers."""
    kind, status, fields_of_input, body = _parts(data)

    @contextmanager
    def request(
        _: HttpClient, __: str, url: str, *, headers: Mapping[str, str] | None = None, **___: Any
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        asked = kind_of(url, headers or {})
        if asked == kind:
            found = body, status, fields_of_input
        else:
            code, fields = (usual or {}).get(asked, ("200", {}))
            found = good[asked], int(code), fields
        yield urllib3.HTTPResponse(
            io.BytesIO(found[0]), found[2], found[1], preload_content=False, request_method="GET", request_url=url
        )

    with mock.patch.object(HttpClient, "request", request):
        client_of(_SERVICES)._versions.clear()
        client_of(replace(_SERVICES, retries=0))
        yield
