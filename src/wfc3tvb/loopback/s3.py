"""Serve the bucket ``stpubdata`` over loopback: path-style GET, HEAD, Range and ListObjectsV2."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response

from wfc3tvb.loopback.faults import Faults
from wfc3tvb.loopback.files import file_response
from wfc3tvb.loopback.index import Index

_MAX_KEYS = 1000


class Bucket:
    """Handlers of the requests to the public bucket."""

    def __init__(self, index: Index, faults: Faults) -> None:
        self.faults = faults
        folder = index.folder or Path()
        self.keys = {path.relative_to(folder).as_posix(): path for path in index.files.values()}

    async def list_objects(self, request: Request) -> Response:
        """Answer ListObjectsV2."""
        query = request.query_params
        prefix, after = query.get("prefix", ""), query.get("continuation-token", query.get("start-after", ""))
        delimiter = query.get("delimiter", "")
        keys, prefixes = [], set()
        for key in sorted(self.keys):
            if not key.startswith(prefix) or key <= after:
                continue
            rest = key[len(prefix) :]
            if delimiter and delimiter in rest:
                prefixes.add(prefix + rest.split(delimiter)[0] + delimiter)
            else:
                keys.append(key)
        limit = min(int(query.get("max-keys", _MAX_KEYS)), _MAX_KEYS)
        return Response(_listing(prefix, keys, sorted(prefixes), limit, self.keys), media_type="application/xml")

    async def get_object(self, request: Request) -> Response:
        """Answer GET and HEAD of a key."""
        key = request.path_params["key"]
        path = self.keys.get(key)
        absent = self.faults.missing | self.faults.proprietary | self.faults.not_in_bucket
        if path is None or path.name in absent:
            return error("NoSuchKey", 404)
        return file_response(request, path, self.faults)


def error(code: str, status: int, headers: dict[str, str] | None = None) -> Response:
    """Return an S3 error document."""
    text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
    return Response(text, status, headers, media_type="application/xml")


def _listing(prefix: str, keys: list[str], prefixes: list[str], limit: int, paths: dict[str, Path]) -> str:
    page = keys[:limit]
    items = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>2020-01-01T00:00:00.000Z</LastModified>"
        f'<ETag>"0"</ETag><Size>{paths[key].stat().st_size}</Size><StorageClass>STANDARD</StorageClass></Contents>'
        for key in page
    )
    common = "".join(f"<CommonPrefixes><Prefix>{escape(p)}</Prefix></CommonPrefixes>" for p in prefixes)
    more = len(keys) > limit
    token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
    return (
        "<?xml version='1.0'?><ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><Name>stpubdata</Name>"
        f"<Prefix>{escape(prefix)}</Prefix><KeyCount>{len(page)}</KeyCount><MaxKeys>{limit}</MaxKeys>"
        f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{items}{common}</ListBucketResult>"
    )
