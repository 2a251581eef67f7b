"""The two places that give files: the public bucket (S3) and MAST over HTTPS."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import requests

from wfc3tvb.config import Services
from wfc3tvb.errors import BadArgumentError, MissingProductError, ServiceUnreachableError, ShortDownloadError
from wfc3tvb.io.http import answers, get_range, harden, persistently
from wfc3tvb.io.mast import mast_of
from wfc3tvb.names import bucket_key, split_filename

#: The archive's public bucket, and where it is.
BUCKET, REGION = "stpubdata", "us-east-1"
S3_EXTRA = "S3 needs the s3fs package: pip install 'wfc3tvb[s3]'"


def has_s3() -> bool:
    """Say whether what S3 needs is installed."""
    return find_spec("s3fs") is not None


class MastFiles:
    """Files from MAST over HTTPS, ranges of them several at a time."""

    service = "MAST"

    def __init__(self, services: Services) -> None:
        self._services = services
        self._pool = ThreadPoolExecutor(services.connections, thread_name_prefix="mast")
        self._own = threading.local()

    def fetch(self, rootname: str, suffix: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return ranges of a file; see `wfc3tvb.io.sparse.Files`."""
        url = mast_of(self._services).url(rootname, suffix)

        def one(limits: tuple[int, int]) -> bytes:
            with answers(self.service):
                return persistently(lambda: get_range(self._session(), url, *limits), self._services)

        if len(ranges) == 1:
            return [one(ranges[0])]
        return list(self._pool.map(one, ranges))

    def download(self, rootname: str, suffix: str, folder: Path) -> Path:
        """Fetch a file whole; see `wfc3tvb.io.mast.Mast.download`."""
        return mast_of(self._services).download(rootname, suffix, folder)

    def _session(self) -> requests.Session:
        """Return this thread's session."""
        session: requests.Session | None = getattr(self._own, "session", None)
        if session is None:
            session = self._own.session = harden(requests.Session(), self._services)
        return session


class BucketFiles:
    """Files from the public bucket ``stpubdata``, anonymously.

    Raises
    ------
    BadArgumentError
        If s3fs is not installed.
    """

    service = "S3"

    def __init__(self, services: Services) -> None:
        if not has_s3():
            raise BadArgumentError(S3_EXTRA)
        from s3fs import S3FileSystem

        self._services = services
        patience = {
            "connect_timeout": services.timeout,
            "read_timeout": services.timeout,
            "retries": {"total_max_attempts": services.retries + 1, "mode": "standard"},
            "max_pool_connections": services.connections,
        }
        self._bucket = S3FileSystem(
            anon=True,
            endpoint_url=services.s3,
            client_kwargs={"region_name": REGION},
            config_kwargs=patience,
            use_listings_cache=False,
            skip_instance_cache=True,
        )
        self._bucket.retries = services.retries + 1
        self._moved: dict[tuple[str, str], str] = {}

    def fetch(self, rootname: str, suffix: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return ranges of a file; see `wfc3tvb.io.sparse.Files`."""
        try:
            return self._fetch(self._path(rootname, suffix), ranges)
        except MissingProductError:
            return self._fetch(self._look_for(rootname, suffix), ranges)

    def download(self, rootname: str, suffix: str, folder: Path) -> Path:
        """Fetch a file whole; see `wfc3tvb.io.sparse.Files`."""
        path = Path(folder) / f"{rootname.lower()}_{suffix}.fits"
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            try:
                self._get(self._path(rootname, suffix), part)
            except MissingProductError:
                self._get(self._look_for(rootname, suffix), part)
            return part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def _path(self, rootname: str, suffix: str) -> str:
        name = f"{rootname.lower()}_{suffix}.fits"
        split_filename(name)
        return self._moved.get((rootname, suffix)) or f"{BUCKET}/{bucket_key(rootname.lower(), suffix)}"

    def _fetch(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        starts, stops = zip(*ranges, strict=True)
        options = {"batch_size": self._services.connections, "on_error": "return"}
        found: list[Any] = self._bucket.cat_ranges([path] * len(ranges), list(starts), list(stops), **options)
        return [self._bytes(path, answer) for answer in found]

    def _bytes(self, path: str, answer: bytes | Exception) -> bytes:
        if isinstance(answer, bytes):
            return answer
        # What S3 calls InvalidRange: the file ends before the range begins.
        if isinstance(answer, OSError) and answer.errno == errno.EINVAL and "range" in str(answer).lower():
            return b""
        with _reaching(path):
            raise answer

    def _get(self, path: str, part: Path) -> None:
        """Fetch a file whole, and check its length."""
        with _reaching(path):
            length = self._bucket.info(path)["size"]
            self._bucket.get_file(path, str(part))
        received = part.stat().st_size
        if received != length:
            name = path.rpartition("/")[2]
            raise ShortDownloadError(self.service, f"{name} came short, {received} of {length} bytes")

    def _look_for(self, rootname: str, suffix: str) -> str:
        """Return where a file is whose folder is not named after it, as a few in the bucket are."""
        name = f"{rootname.lower()}_{suffix}.fits"
        prefix = f"{BUCKET}/hst/public/{name[:4]}/{name[:7]}"
        with _reaching(f"{BUCKET}/{name}"):
            folder, _, start = prefix.rpartition("/")
            for path in self._bucket.find(folder, prefix=start):
                if path.rpartition("/")[2] == name:
                    self._moved[rootname, suffix] = path
                    return str(path)
        raise MissingProductError("S3", f"has no file {name}", "check the name, or use --source mast")


Place = TypeVar("Place", MastFiles, BucketFiles)
_own = threading.local()


def files_of(kind: type[Place], services: Services) -> Place:
    """Return this thread's client of a kind, made once; a process that was forked makes its own."""
    clients: dict[object, Any] = _own.__dict__.setdefault("clients", {})
    key = (kind, services, os.getpid())
    if key not in clients:
        clients[key] = kind(services)
    found: Place = clients[key]
    return found


@contextmanager
def _reaching(path: str) -> Iterator[None]:
    """Turn what s3fs raises in the block into one line that names S3."""
    from aiohttp import ClientError as ConnectionLost
    from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

    name = path.rpartition("/")[2]
    try:
        yield
    except FileNotFoundError as error:
        raise MissingProductError("S3", f"has no file {name}", "check the name, or use --source mast") from error
    except PermissionError as error:
        raise MissingProductError("S3", f"does not give out {name}", "use --source mast with MAST_API_TOKEN") from error
    except (OSError, BotoCoreError, ClientError, ConnectionLost) as error:
        remedy = "check the network, try again later, or use --source mast"
        raise ServiceUnreachableError("S3", f"did not give {name} ({type(error).__name__})", remedy) from error
