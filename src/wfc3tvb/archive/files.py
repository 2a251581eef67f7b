"""The two places that give files: the public bucket (S3) and MAST, both over HTTPS and by ranges."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote
from xml.etree import ElementTree

import requests

from wfc3tvb.archive.http import download, harden
from wfc3tvb.archive.http_ranges import Wire
from wfc3tvb.archive.sparse_file import Files
from wfc3tvb.config import Services
from wfc3tvb.errors import MissingProductError, ServiceError
from wfc3tvb.identifiers import bucket_key, product_url, split_filename

log = logging.getLogger(__name__)

T = TypeVar("T")
#: The archive's public bucket; anonymous requests are plain HTTPS.
BUCKET = "stpubdata"
BUCKET_URL = f"https://{BUCKET}.s3.us-east-1.amazonaws.com"
#: Files that S3 lacks are remembered, not to be asked for at every step; so many of them.
_REMEMBERED = 1000


class MastFiles:
    """Files from MAST over HTTPS, ranges of them several at a time."""

    service = "MAST"

    def __init__(self, services: Services) -> None:
        self._services = services
        self._wire = Wire(services)

    def fetch(self, rootname: str, suffix: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return ranges of a file; see `wfc3tvb.archive.sparse_file.Files`."""
        return self._wire.fetch(self.service, product_url(self._services.mast, rootname, suffix), ranges)

    def download(self, rootname: str, suffix: str, folder: Path) -> Path:
        """Fetch a file whole; see `wfc3tvb.archive.mast.Mast.download`."""
        from wfc3tvb.archive.mast import mast_of  # astroquery takes long to import, and most files are had without

        return mast_of(self._services).download(rootname, suffix, folder)


class BucketFiles:
    """Files from the public bucket ``stpubdata``, anonymously."""

    service = "S3"

    def __init__(self, services: Services) -> None:
        self._services = services
        # Another endpoint gets the bucket's name in the path, as every client of S3 writes it.
        self._url = f"{services.s3.rstrip('/')}/{BUCKET}" if services.s3 else BUCKET_URL
        self._wire = Wire(services)
        self._moved: dict[str, str] = {}

    def fetch(self, rootname: str, suffix: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return ranges of a file; see `wfc3tvb.archive.sparse_file.Files`."""
        name = _name(rootname, suffix)
        try:
            return self._wire.fetch(self.service, self._place(name), ranges)
        except MissingProductError:
            return self._wire.fetch(self.service, self._look_for(name), ranges)

    def download(self, rootname: str, suffix: str, folder: Path) -> Path:
        """Fetch a file whole; see `wfc3tvb.archive.sparse_file.Files`."""
        name = _name(rootname, suffix)
        path = Path(folder) / name
        with harden(requests.Session(), self._services) as session:
            try:
                download(session, self._place(name), path, service=self.service, services=self._services)
            except MissingProductError:
                download(session, self._look_for(name), path, service=self.service, services=self._services)
        return path

    def _place(self, name: str) -> str:
        rootname, suffix = split_filename(name)
        return self._moved.get(name) or f"{self._url}/{bucket_key(rootname, suffix)}"

    def _look_for(self, name: str) -> str:
        """Return where a file is whose folder is not named after it, as a few in the bucket are."""
        query = f"?list-type=2&prefix={quote(f'hst/public/{name[:4]}/{name[:7]}', safe='')}"
        listing = self._wire.get(self.service, self._url + query)
        try:
            keys = [key.text or "" for key in ElementTree.fromstring(listing).iterfind(".//{*}Contents/{*}Key")]
        except ElementTree.ParseError as error:
            raise ServiceError(self.service, "its listing is no XML") from error
        for key in keys:
            if key.rpartition("/")[2] == name:
                self._moved[name] = f"{self._url}/{quote(key)}"
                return self._moved[name]
        raise MissingProductError(self.service, f"has no file {name}", "check the name, or use --source mast")


class PublicFiles:
    """Files from the public bucket; those few that are not there come from MAST."""

    service = "S3"

    def __init__(self, services: Services) -> None:
        self._bucket, self._mast = BucketFiles(services), MastFiles(services)
        self._absent: set[tuple[str, str]] = set()

    def fetch(self, rootname: str, suffix: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return ranges of a file; see `wfc3tvb.archive.sparse_file.Files`."""
        return self._first(rootname, suffix, lambda files: files.fetch(rootname, suffix, ranges))

    def download(self, rootname: str, suffix: str, folder: Path) -> Path:
        """Fetch a file whole; see `wfc3tvb.archive.sparse_file.Files`."""
        return self._first(rootname, suffix, lambda files: files.download(rootname, suffix, folder))

    def _first(self, rootname: str, suffix: str, work: Callable[[Files], T]) -> T:
        """Let the bucket do it, or MAST where the bucket has no such file."""
        if (rootname, suffix) not in self._absent:
            try:
                return work(self._bucket)
            except MissingProductError as error:
                log.info("%s; asking MAST", error)
                if len(self._absent) >= _REMEMBERED:
                    self._absent.clear()
                self._absent.add((rootname, suffix))
        return work(self._mast)


def _name(rootname: str, suffix: str) -> str:
    """Return the name of a file; raises BadArgumentError if such a file cannot be."""
    name = f"{rootname.lower()}_{suffix}.fits"
    split_filename(name)
    return name


Place = TypeVar("Place", MastFiles, BucketFiles, PublicFiles)
_clients: dict[object, Files] = {}
_lock = threading.Lock()


def files_of(kind: type[Place], services: Services) -> Place:
    """Return this process's client of a kind, made once; all its threads share the connections."""
    key = (kind, services, os.getpid())
    with _lock:
        if key not in _clients:
            _clients[key] = kind(services)
        found = _clients[key]
    assert isinstance(found, kind)
    return found
