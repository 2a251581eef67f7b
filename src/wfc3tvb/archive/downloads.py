"""Download whole files: resume broken transfers, check length and checksum, leave no partial file under their name."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import urllib3

from wfc3tvb.archive.http import (
    CONTENT_RANGE,
    UNCOMPRESSED,
    BrokenBodyError,
    HttpClient,
    check_status,
    reading_body,
)
from wfc3tvb.errors import ShortDownloadError
from wfc3tvb.system.files import atomic_write, checksum

_CHUNK = 1 << 16
_MD5 = re.compile(r"[0-9a-f]{32}")


def download(client: HttpClient, url: str, path: Path, *, service: str) -> Path:
    """Download a whole file and return its path; a broken transfer is resumed if the server supports that.

    Parameters
    ----------
    client : HttpClient
        Client that sends the requests.
    url : str
        Address of the file.
    path : Path
        Path to write to; its folder is created.
    service : str
        Name of the server in error messages.

    Raises
    ------
    ShortDownloadError
        If the file was incomplete or damaged on every attempt.
    MissingProductError, ServiceError
        See `wfc3tvb.archive.http.check_status` and `wfc3tvb.archive.http.translate_errors`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as part:
        transfer = _Transfer(client, service, url, part)
        try:
            client.complete(service, transfer)
        except ShortDownloadError as error:
            expected = transfer.length or "an unknown number of"
            problem = f"{path.name} is incomplete: {transfer.received} of {expected} bytes arrived"
            if "checksum" in error.problem:
                problem = f"{path.name} arrived damaged: its checksum differs from the announced one"
            raise ShortDownloadError(service, problem) from error
    return path


class _Transfer:
    """A download that resumes where it broke off when it is called again."""

    def __init__(self, client: HttpClient, service: str, url: str, part: Path) -> None:
        self.client, self.service, self.url, self.part = client, service, url, part
        self.length = self.received = 0
        self._tag = self._md5 = ""

    def __call__(self) -> None:
        rest = {"Range": f"bytes={self.received}-", "If-Range": self._tag} if self.received and self._tag else {}
        with self.client.request("GET", self.url, headers=UNCOMPRESSED | rest) as response:
            check_status(self.service, self.url, response.status)
            self._begin(response)
            with self.part.open("r+b" if self.received else "wb") as file:
                file.seek(self.received)
                chunks = response.stream(_CHUNK)
                while chunk := self._next(chunks):
                    file.write(chunk)
                    self.received += len(chunk)
        if self.length and self.received != self.length:
            raise BrokenBodyError("the length differs from the announced one")
        if self._md5 and checksum(self.part, "md5") != self._md5:
            self.received = 0
            raise BrokenBodyError("the checksum differs from the announced one")

    def _begin(self, response: urllib3.BaseHTTPResponse) -> None:
        """Note length and version of the file, and start over if the server did not resume."""
        match = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if response.status == 206 and (not match or int(match[1]) != self.received):
            self._tag = ""
            raise BrokenBodyError("the range differs from the requested one")
        if response.status != 206:
            self.received = 0
            self.length = int(response.headers.get("Content-Length", 0))
            self._tag, self._md5 = response.headers.get("ETag", ""), _stated_md5(response)

    @staticmethod
    def _next(chunks: Iterator[bytes]) -> bytes:
        """Return the next bytes of the body; none at its end.

        Only reading is guarded: a full disk, met when the bytes are written, must not count as a broken body.
        """
        with reading_body():
            return next(chunks, b"")


def _stated_md5(response: urllib3.BaseHTTPResponse) -> str:
    """Return the MD5 that a server gives for a whole file (Content-MD5; the ETag of S3), in hexadecimal."""
    if stated := response.headers.get("Content-MD5"):
        try:
            return base64.b64decode(stated, validate=True).hex()
        except ValueError:
            return ""
    tag = response.headers.get("ETag", "").strip('"')
    plain = "x-amz-server-side-encryption-aws-kms-key-id" not in response.headers
    # The ETag of a file uploaded in parts has a dash and is not its MD5.
    return tag if response.headers.get("Server") == "AmazonS3" and plain and _MD5.fullmatch(tag) else ""
