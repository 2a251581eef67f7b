"""Download whole files: resume broken transfers, check length and checksum, leave no partial file under their name."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import urllib3

from wfc3tvb.archive.http import UNCOMPRESSED, HttpClient
from wfc3tvb.archive.responses import (
    BrokenBodyError,
    check_fits_file,
    check_fits_start,
    check_holds_file,
    check_status,
    range_of,
    reading_body,
    stated_length,
)
from wfc3tvb.errors import ShortDownloadError
from wfc3tvb.system.files import atomic_write, checksum

_CHUNK = 1 << 16
_MD5 = re.compile(r"[0-9a-f]{32}")


def download(client: HttpClient, url: str, path: Path, *, service: str) -> Path:
    """Download a whole FITS file and return its path; a broken transfer is resumed if the server supports that.

    A response of status 200 is no proof of a file: only a body that is FITS, and complete, is given the file's name.

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
    BadDownloadError
        If every response was something else than the file.
    MissingProductError, ServiceError
        See `wfc3tvb.archive.responses.check_status` and `wfc3tvb.archive.responses.translate_errors`.
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
        self.length: int | None = None
        self.received = 0
        self._tag = self._md5 = ""

    def __call__(self) -> None:
        rest = {"Range": f"bytes={self.received}-", "If-Range": self._tag} if self.received and self._tag else {}
        with self.client.request("GET", self.url, headers=UNCOMPRESSED | rest) as response:
            if response.status == 416:
                self.received, self._tag = 0, ""
                raise BrokenBodyError("the file is shorter than what arrived of it")
            check_status(self.service, self.url, response.status)
            check_holds_file(response)
            self._begin(response)
            with self.part.open("r+b" if self.received else "wb") as file:
                file.seek(self.received)
                chunks = response.stream(_CHUNK, decode_content=False)
                while chunk := self._next(chunks):
                    file.write(chunk)
                    self.received += len(chunk)
        if self.length is not None and self.received != self.length:
            raise BrokenBodyError("the length differs from the announced one")
        self._check()

    def _check(self) -> None:
        """Check a body that has arrived; one that is wrong is not resumed but fetched anew."""
        received, self.received = self.received, 0
        if self._md5 and checksum(self.part, "md5") != self._md5:
            raise BrokenBodyError("the checksum differs from the announced one")
        if self.length is None:
            check_fits_file(self.part)
        else:  # as long as announced: whoever reads it says what else is wrong
            with self.part.open("rb") as file:
                check_fits_start(file.read(200))
        self.received = received

    def _begin(self, response: urllib3.BaseHTTPResponse) -> None:
        """Note length and version of the file, and start over if the server did not resume."""
        if response.status == 206:
            match = range_of(response)
            if not match or int(match[1]) != self.received:
                self._tag = ""
                raise BrokenBodyError("the range differs from the requested one")
            return
        self.received = 0
        self.length = stated_length(response)
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
