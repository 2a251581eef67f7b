"""Archives over HTTPS: MAST, the public bucket (S3), and the bucket with MAST as fallback; lists come from MAST."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Self, TypeVar
from urllib.parse import quote

from wfc3tvb.archive.costs import cost_of
from wfc3tvb.config import MeasureSettings, Selection, Services
from wfc3tvb.errors import BadDownloadError, MissingProductError
from wfc3tvb.identifiers import bucket_key, file_name, product_url, split_filename
from wfc3tvb.models import OrbitElements, ReadCube, Row
from wfc3tvb.system.supported import check_docstrings

log = logging.getLogger(__name__)

T = TypeVar("T")
#: Works on a file, given the name of the service and the file's address.
Work = Callable[[str, str], T]
#: The archive's public bucket; anonymous access is plain HTTPS.
BUCKET = "stpubdata"
BUCKET_URL = f"https://{BUCKET}.s3.us-east-1.amazonaws.com"
#: Fewest requests in flight per worker, however many workers there are.
LEAST_CONNECTIONS = 2
#: Addresses of files whose folder in the bucket has another name, and files that the bucket lacks (as many as
#: `_REMEMBERED`): they are looked up once. Kept per process, not in the archive, which is pickled.
_moved: dict[tuple[Services, str], str] = {}
_absent: set[tuple[Services, str]] = set()
_REMEMBERED = 1000


@dataclass(frozen=True)
class MastArchive:
    """MAST: its lists and, by ranges or whole, its files.

    It is pickled for the workers, so it is small; each process opens its own connections.

    Attributes
    ----------
    services : Services
        Addresses, timeouts and retries.
    """

    services: Services = field(default_factory=Services)
    name: ClassVar[str] = "mast"
    #: Two exposures are fetched while a third is measured, so that a link with long latency is never idle.
    prefetch: ClassVar[int] = 2
    #: Requests in flight that the host can take, as a multiple of the usual number.
    connection_factor: ClassVar[int] = 1

    def shared_by(self, n_workers: int) -> Self:
        """Return the archive for one of `n_workers` workers, which share the requests in flight."""
        each = max(self.connection_factor * self.services.connections // n_workers, LEAST_CONNECTIONS)
        return replace(self, services=replace(self.services, connections=each))

    def datasets(self, selection: Selection) -> Iterable[Row]:
        """Yield the datasets that match a selection; see `wfc3tvb.archive.mast.Mast.datasets`."""
        check_docstrings()
        from wfc3tvb.archive.mast import mast_of  # imported here: workers, which list nothing, need no astroquery

        return mast_of(self.services).datasets(selection)

    def read(self, rootname: str, settings: MeasureSettings) -> tuple[ReadCube, OrbitElements | None]:
        """Return the reads of an exposure and the orbit; see `wfc3tvb.archive.byte_ranges.read_exposure`."""
        from wfc3tvb.archive.byte_ranges import read_exposure  # imported here: only workers read files

        return read_exposure(self, rootname, settings)

    def ranges(self, rootname: str, suffix: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return ranges ``[start, stop)`` of a file; one past the end comes back shorter.

        Raises
        ------
        NoRangesError
            If the server sends whole files only.
        MissingProductError, ServiceError
            If there is no such file, or no answer.
        """
        from wfc3tvb.archive.http import client_of

        client = client_of(self.services)
        return self._find(file_name(rootname, suffix), lambda service, url: client.ranges(service, url, ranges))

    def download(self, rootname: str, suffix: str, folder: Path) -> Path:
        """Download a whole file into `folder` and return its path; a partial file never has that name.

        Raises
        ------
        MissingProductError
            If the archive has no such file, or refuses access to it.
        ShortDownloadError
            If it was incomplete on every attempt.
        ServiceUnreachableError
            If there is no answer.
        """
        from wfc3tvb.archive.downloads import download
        from wfc3tvb.archive.http import client_of

        client, name = client_of(self.services), file_name(rootname, suffix)
        path = Path(folder) / name
        return self._find(name, lambda service, url: download(client, url, path, service=service))

    def cost(
        self, rootname: str, settings: MeasureSettings, *, aperture: str | None, n_reads: float
    ) -> tuple[float, float]:
        """Return the requests and bytes needed for an exposure; see `wfc3tvb.archive.costs.cost_of`."""
        return cost_of(aperture, settings, n_reads)

    def changed_at(self, rootname: str) -> float | None:
        """Return None: only the list has the times of change."""
        return None

    def _find(self, name: str, work: Work[T]) -> T:
        """Call `work` with the address of a file, or with each in turn if there may be several."""
        return work("MAST", product_url(self.services.mast, *split_filename(name)))


@dataclass(frozen=True)
class BucketArchive(MastArchive):
    """The public bucket ``stpubdata``, accessed anonymously; it has no lists, so MAST's are used."""

    name: ClassVar[str] = "s3"
    connection_factor: ClassVar[int] = 2

    @property
    def url(self) -> str:
        """Address of the bucket; with another endpoint the bucket's name goes into the path, as S3 clients do."""
        return f"{self.services.s3.rstrip('/')}/{BUCKET}" if self.services.s3 else BUCKET_URL

    def _find(self, name: str, work: Work[T]) -> T:
        try:
            return work("S3", _moved.get((self.services, name)) or f"{self.url}/{bucket_key(*split_filename(name))}")
        except MissingProductError:
            return work("S3", self._look_for(name))

    def _look_for(self, name: str) -> str:
        """Return the address of one of the few files whose folder in the bucket is not named after them."""
        from xml.etree import ElementTree

        from wfc3tvb.archive.http import client_of

        prefix = quote(f"hst/public/{name[:4]}/{name[:7]}", safe="")
        listing = client_of(self.services).get("S3", f"{self.url}?list-type=2&prefix={prefix}")
        try:
            keys = [key.text or "" for key in ElementTree.fromstring(listing).iterfind(".//{*}Contents/{*}Key")]
        except ElementTree.ParseError as error:
            raise BadDownloadError("S3", "the bucket's listing is not XML") from error
        found = next((key for key in keys if key.rpartition("/")[2] == name), None)
        if found is None:
            raise MissingProductError(
                "S3", f"has no file {name}", "check the name, or take it from mast (parameter source)"
            )
        _moved[self.services, name] = f"{self.url}/{quote(found)}"
        return _moved[self.services, name]


@dataclass(frozen=True)
class PublicArchive(BucketArchive):
    """The public bucket, and MAST for the few files that the bucket lacks or answers with something else."""

    def _find(self, name: str, work: Work[T]) -> T:
        if (self.services, name) not in _absent:
            try:
                return super()._find(name, work)
            except (MissingProductError, BadDownloadError) as error:
                log.info("%s; asking MAST", error)
                if len(_absent) >= _REMEMBERED:
                    _absent.clear()
                _absent.add((self.services, name))
        return MastArchive._find(self, name, work)
