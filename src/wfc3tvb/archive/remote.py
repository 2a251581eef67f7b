"""Archives over HTTPS: MAST, the public bucket (S3), and the bucket with MAST for what it lacks. Lists are MAST's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Self, TypeVar
from urllib.parse import quote

from wfc3tvb.archive.costs import cost_of
from wfc3tvb.config import MeasureSettings, Selection, Services
from wfc3tvb.errors import MissingProductError, ServiceError
from wfc3tvb.identifiers import bucket_key, file_name, product_url, split_filename
from wfc3tvb.models import OrbitElements, ReadCube, Row

log = logging.getLogger(__name__)

T = TypeVar("T")
#: Does something with a file, given the name of the service and the file's address.
Work = Callable[[str, str], T]
#: The archive's public bucket; anonymous requests are plain HTTPS.
BUCKET = "stpubdata"
BUCKET_URL = f"https://{BUCKET}.s3.us-east-1.amazonaws.com"
#: Requests in flight that every worker has, however many there are.
LEAST_CONNECTIONS = 2
#: Addresses of files whose folder in the bucket has another name, and files that the bucket lacks, which are not
#: looked for at every step; so many of these. They are this process's, not the archive's, which travels.
_moved: dict[tuple[Services, str], str] = {}
_absent: set[tuple[Services, str]] = set()
_REMEMBERED = 1000


@dataclass(frozen=True)
class MastArchive:
    """MAST: its lists and, by ranges or whole, its files.

    It travels to the workers and is light; connections are made, once a process, where it arrives.

    Attributes
    ----------
    services : Services
        Where it is, and how patient to be.
    """

    services: Services = field(default_factory=Services)
    name: ClassVar[str] = "mast"
    #: Two exposures come while a third is measured: a link of long latency never waits for the next first bytes.
    ahead: ClassVar[int] = 2
    #: How many times the usual requests in flight its host bears.
    connection_factor: ClassVar[int] = 1

    def shared_by(self, n_workers: int) -> Self:
        """Return the archive for each of so many workers: they share the requests in flight."""
        each = max(self.connection_factor * self.services.connections // n_workers, LEAST_CONNECTIONS)
        return replace(self, services=replace(self.services, connections=each))

    def datasets(self, selection: Selection) -> Iterable[Row]:
        """Yield the datasets that a selection asks for; see `wfc3tvb.archive.mast.Mast.datasets`."""
        from wfc3tvb.archive.mast import mast_of  # workers, who list nothing, start without astroquery

        return mast_of(self.services).datasets(selection)

    def read(self, rootname: str, settings: MeasureSettings) -> tuple[ReadCube, OrbitElements | None]:
        """Return the reads of an exposure and the orbit; see `wfc3tvb.archive.byte_ranges.read_exposure`."""
        from wfc3tvb.archive.byte_ranges import read_exposure  # what reads files is the workers' to import

        return read_exposure(self, rootname, settings)

    def ranges(self, rootname: str, suffix: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return ranges ``[start, stop)`` of a file; of one beyond its end, what there is.

        Raises
        ------
        NoRangesError
            If the server gives whole files only.
        MissingProductError, ServiceError
            If there is no such file, or no answer.
        """
        from wfc3tvb.archive.http import client_of

        client = client_of(self.services)
        return self._find(file_name(rootname, suffix), lambda service, url: client.ranges(service, url, ranges))

    def download(self, rootname: str, suffix: str, folder: Path) -> Path:
        """Fetch a file whole into `folder` and return its path; nothing partial is ever under that name.

        Raises
        ------
        MissingProductError
            If the archive has no such file, or does not give it out.
        ShortDownloadError
            If it came short at every try.
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
        """Return the requests and bytes that an exposure takes; see `wfc3tvb.archive.costs.cost_of`."""
        return cost_of(aperture, settings, n_reads)

    def changed_at(self, rootname: str) -> float | None:
        """Return None: only the list says when a file changed."""
        return None

    def _find(self, name: str, work: Work[T]) -> T:
        """Let `work` have the address of a file, or one after the other where it may be in several places."""
        return work("MAST", product_url(self.services.mast, *split_filename(name)))


@dataclass(frozen=True)
class BucketArchive(MastArchive):
    """The public bucket ``stpubdata``, anonymously; it has no lists, so these are MAST's."""

    name: ClassVar[str] = "s3"
    connection_factor: ClassVar[int] = 2

    @property
    def url(self) -> str:
        """The bucket's address; another endpoint gets its name in the path, as every client of S3 writes it."""
        return f"{self.services.s3.rstrip('/')}/{BUCKET}" if self.services.s3 else BUCKET_URL

    def _find(self, name: str, work: Work[T]) -> T:
        try:
            return work("S3", _moved.get((self.services, name)) or f"{self.url}/{bucket_key(*split_filename(name))}")
        except MissingProductError:
            return work("S3", self._look_for(name))

    def _look_for(self, name: str) -> str:
        """Return the address of a file whose folder is not named after it, as a few in the bucket are."""
        from xml.etree import ElementTree

        from wfc3tvb.archive.http import client_of

        prefix = quote(f"hst/public/{name[:4]}/{name[:7]}", safe="")
        listing = client_of(self.services).get("S3", f"{self.url}?list-type=2&prefix={prefix}")
        try:
            keys = [key.text or "" for key in ElementTree.fromstring(listing).iterfind(".//{*}Contents/{*}Key")]
        except ElementTree.ParseError as error:
            raise ServiceError("S3", "its listing is not XML") from error
        found = next((key for key in keys if key.rpartition("/")[2] == name), None)
        if found is None:
            raise MissingProductError("S3", f"has no file {name}", "check the name, or use --source mast")
        _moved[self.services, name] = f"{self.url}/{quote(found)}"
        return _moved[self.services, name]


@dataclass(frozen=True)
class PublicArchive(BucketArchive):
    """The public bucket, and MAST for those few files that are not there."""

    def _find(self, name: str, work: Work[T]) -> T:
        if (self.services, name) not in _absent:
            try:
                return super()._find(name, work)
            except MissingProductError as error:
                log.info("%s; asking MAST", error)
                if len(_absent) >= _REMEMBERED:
                    _absent.clear()
                _absent.add((self.services, name))
        return MastArchive._find(self, name, work)
