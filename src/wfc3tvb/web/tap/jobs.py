"""Asynchronous queries of TAP: the jobs, in memory, and their documents (UWS 1.1, REC-UWS-1.1-20161024).

A job's result is a file in a temporary folder. Jobs are forgotten a day after they were made, or when the server stops;
where there are many, the oldest go first.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from wfc3tvb.errors import BadArgumentError, UnknownDatasetError

#: Jobs that are kept, and for how long.
LARGEST_NUMBER, KEPT = 50, timedelta(days=1)
_ENDED = ("COMPLETED", "ERROR", "ABORTED")
_NAMES = (
    'xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" xmlns:xlink="http://www.w3.org/1999/xlink"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


@dataclass
class Job:
    """A query that runs beside the requests of its client.

    Attributes
    ----------
    id : str
        Its name in addresses, which cannot be guessed.
    pairs : list
        Parameters as they were given.
    seconds : int
        Longest time of the query.
    phase : str
        PENDING, QUEUED, EXECUTING, COMPLETED, ERROR or ABORTED.
    result : Path or None
        File of the result.
    media_type : str
        Media type of the result.
    error : bytes
        Document of the error; empty where there is none.
    interrupt : callable or None
        Stops its query, while that runs.
    """

    id: str
    pairs: list[tuple[str, str]]
    seconds: int
    created: datetime
    destruction: datetime
    phase: str = "PENDING"
    started: datetime | None = None
    ended: datetime | None = None
    result: Path | None = None
    media_type: str = ""
    error: bytes = b""
    message: str = ""
    interrupt: Callable[[], None] | None = None

    @property
    def has_ended(self) -> bool:
        """True if its phase does not change any more."""
        return self.phase in _ENDED

    def finish(self, phase: str) -> None:
        """Set its last phase, unless it has one; an aborted query stops."""
        if self.has_ended:
            return
        self.phase, self.ended = phase, datetime.now(UTC)
        if phase == "ABORTED" and self.interrupt is not None:
            self.interrupt()


@dataclass(eq=False)
class Jobs:
    """The jobs of a service.

    Attributes
    ----------
    seconds : int
        Longest time of a query.
    """

    seconds: int
    _jobs: dict[str, Job] = field(default_factory=dict)
    _folder: Path | None = None

    def add(self, pairs: Sequence[tuple[str, str]]) -> Job:
        """Add a job with its parameters, and remove those whose time is over."""
        now = datetime.now(UTC)
        for job in [job for job in self._jobs.values() if job.destruction < now]:
            self.remove(job)
        n_too_many = max(0, len(self._jobs) - LARGEST_NUMBER + 1)
        for job in [job for job in self._jobs.values() if job.has_ended][:n_too_many]:
            self.remove(job)
        if len(self._jobs) >= LARGEST_NUMBER:
            raise BadArgumentError(f"{LARGEST_NUMBER} jobs are waiting or running; try again later")
        job = Job(secrets.token_hex(8), list(pairs), self.seconds, now, now + KEPT)
        self._jobs[job.id] = job
        return job

    def find(self, name: str) -> Job:
        """Return a job.

        Raises
        ------
        UnknownDatasetError
            If there is none.
        """
        if name not in self._jobs:
            raise UnknownDatasetError(name, "the jobs of this service")
        return self._jobs[name]

    def every(self) -> list[Job]:
        """Return all jobs, the oldest first."""
        return list(self._jobs.values())

    def remove(self, job: Job) -> None:
        """Forget a job; its query stops where it runs."""
        job.finish("ABORTED")
        self._jobs.pop(job.id, None)
        if job.result is not None:
            job.result.unlink(missing_ok=True)

    def path(self, job: Job) -> Path:
        """Return the file for a result."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="wfc3tvb-tap-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)  # also when the program ends
        return self._folder / job.id


def time_text(when: datetime) -> str:
    """Return a time as UWS writes it (UTC)."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def job_document(job: Job, address: str) -> str:
    """Return the document of a job; `address` is its own."""
    times = "".join(
        _element(name, None if when is None else time_text(when))
        for name, when in (("creationTime", job.created), ("startTime", job.started), ("endTime", job.ended))
    )
    error = f'<uws:errorSummary type="fatal" hasDetail="true">{_element("message", job.message)}</uws:errorSummary>'
    return (
        f'{_HEAD}<uws:job version="1.1" {_NAMES}>{_element("jobId", job.id)}{_element("ownerId", None)}'
        f"{_element('phase', job.phase)}{_element('quote', None)}{times}"
        f"{_element('executionDuration', str(job.seconds))}{_element('destruction', time_text(job.destruction))}"
        f"{_parameters(job)}{_results(job, address)}{error if job.phase == 'ERROR' else ''}</uws:job>\n"
    )


def parameters_document(job: Job) -> str:
    """Return the document of a job's parameters."""
    return _HEAD + _parameters(job, _NAMES) + "\n"


def results_document(job: Job, address: str) -> str:
    """Return the document of a job's results."""
    return _HEAD + _results(job, address, _NAMES) + "\n"


def list_document(jobs: Sequence[Job], address: str) -> str:
    """Return the document of all jobs; `address` is that of the list."""
    rows = "".join(
        f'<uws:jobref id="{job.id}" xlink:href={quoteattr(f"{address}/{job.id}")}>{_element("phase", job.phase)}'
        f"{_element('creationTime', time_text(job.created))}</uws:jobref>"
        for job in jobs
    )
    return f'{_HEAD}<uws:jobs version="1.1" {_NAMES}>{rows}</uws:jobs>\n'


def _parameters(job: Job, names: str = "") -> str:
    rows = "".join(f"<uws:parameter id={quoteattr(name)}>{escape(value)}</uws:parameter>" for name, value in job.pairs)
    return f"<uws:parameters {names}>{rows}</uws:parameters>"


def _results(job: Job, address: str, names: str = "") -> str:
    link = f'<uws:result id="result" xlink:href={quoteattr(f"{address}/results/result")}/>'
    return f"<uws:results {names}>{link if job.phase == 'COMPLETED' else ''}</uws:results>"


def _element(name: str, value: str | None) -> str:
    if value is None:
        return f'<uws:{name} xsi:nil="true"/>'
    return f"<uws:{name}>{escape(value)}</uws:{name}>"
