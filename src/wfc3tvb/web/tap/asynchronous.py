"""Routes of asynchronous queries: make a job, run it, look at it, fetch its result (UWS 1.1)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.errors import BadArgumentError, TvbError, UnknownDatasetError
from wfc3tvb.web.tap.jobs import (
    Job,
    Jobs,
    job_document,
    list_document,
    parameters_document,
    results_document,
    time_text,
)
from wfc3tvb.web.tap.parameters import read_parameters
from wfc3tvb.web.tap.request import TOO_LARGE, request_pairs
from wfc3tvb.web.tap.run import Limits, run_query
from wfc3tvb.web.tap.votable import MEDIA_TYPE, error_document

#: Longest time that a request waits for a job to change its phase [s].
_LONGEST_WAIT = 60.0
_XML = "text/xml"
Answer = Callable[[Request], Any]


class AsynchronousQueries:
    """Asynchronous queries of one catalog.

    Parameters
    ----------
    folder : Path
        The catalog's folder.
    limiter : CapacityLimiter
        Lets only a few queries run at the same time.
    limits : Limits
        Limits of a query.
    path : str
        Path of the list of jobs.
    """

    def __init__(self, folder: Path, limiter: CapacityLimiter, limits: Limits, path: str) -> None:
        self.folder, self.limiter, self.limits, self.path = folder, limiter, limits, path
        self.jobs = Jobs(round(limits.seconds))
        self._running: set[asyncio.Task[None]] = set()

    def routes(self) -> list[Route]:
        """Return the routes of the jobs."""
        job, both = f"{self.path}/{{job}}", ["GET", "POST"]
        return [
            Route(self.path, self._answer(self.index), methods=both),
            Route(job, self._answer(self.job), methods=[*both, "DELETE"]),
            Route(f"{job}/results/result", self._answer(self.result)),
            Route(f"{job}/{{part}}", self._answer(self.part), methods=both),
        ]

    async def index(self, request: Request) -> Response:
        """List the jobs, or make one."""
        if request.method == "GET":
            return Response(list_document(self.jobs.every(), self._address(request)), media_type=_XML)
        pairs = await request_pairs(request)
        job = self.jobs.add([pair for pair in pairs if pair[0].upper() != "PHASE"])
        self._change(job, pairs)
        return self._redirect(request, job)

    async def job(self, request: Request) -> Response:
        """Show a job, waiting for the end of its phase where asked to; or remove it."""
        job = self._find(request)
        pairs = {name.upper(): value for name, value in await request_pairs(request)}
        if request.method == "DELETE" or pairs.get("ACTION", "").upper() == "DELETE":
            self.jobs.remove(job)
            return RedirectResponse(self._address(request), 303)
        await _wait(job, pairs.get("WAIT", "0"), pairs.get("PHASE"))
        return Response(job_document(job, self._address(request, job)), media_type=_XML)

    async def part(self, request: Request) -> Response:
        """Show a part of a job, or change it."""
        job, name = self._find(request), request.path_params["part"]
        if request.method == "POST":
            self._change(job, await request_pairs(request))
            return self._redirect(request, job)
        address = self._address(request, job)
        documents = {"parameters": parameters_document(job), "results": results_document(job, address)}
        texts = {
            "phase": job.phase, "executionduration": str(job.seconds), "destruction": time_text(job.destruction),
            "quote": "", "owner": "",
        }  # fmt: skip
        if name in documents:
            return Response(documents[name], media_type=_XML)
        if name in texts:
            return PlainTextResponse(texts[name])
        if name == "error" and job.error:
            return Response(job.error, media_type=MEDIA_TYPE)
        raise UnknownDatasetError(name, f"job {job.id}")

    async def result(self, request: Request) -> Response:
        """Send the result of a job."""
        job = self._find(request)
        if job.result is None:
            raise UnknownDatasetError("result", f"job {job.id}, whose phase is {job.phase}")
        return FileResponse(job.result, media_type=job.media_type)

    def _change(self, job: Job, pairs: list[tuple[str, str]]) -> None:
        """Start or stop a job, or change its parameters or its times."""
        for name, value in pairs:
            key = name.upper()
            if key == "PHASE":
                self._set_phase(job, value.upper())
            elif key == "EXECUTIONDURATION" and value.strip().isdecimal():
                job.seconds = min(int(value.strip()[:9]) or self.jobs.seconds, self.jobs.seconds)
            elif key == "DESTRUCTION":
                job.destruction = min(job.destruction, _time(value))
            elif job.phase == "PENDING":
                job.pairs = [pair for pair in job.pairs if pair[0].upper() != key] + [(name, value)]

    def _set_phase(self, job: Job, phase: str) -> None:
        if phase == "RUN" and job.phase == "PENDING":
            job.phase = "QUEUED"
            task = asyncio.create_task(self._run(job))
            self._running.add(task)  # the loop itself keeps only weak references
            task.add_done_callback(self._running.discard)
        elif phase == "ABORT":
            job.finish("ABORTED")
        elif phase not in ("RUN", "ABORT"):
            raise BadArgumentError(f"PHASE={phase[:40]} is unknown; write RUN or ABORT")

    async def _run(self, job: Job) -> None:
        """Run the query of a job, and keep its result or its error."""
        try:
            await to_thread.run_sync(self._execute, job, limiter=self.limiter)
        except (TvbError, MemoryError) as error:
            if not job.has_ended:  # a query that was aborted has no error
                job.message = str(error) or TOO_LARGE
                job.error = error_document(job.message)
                job.finish("ERROR")
        finally:
            job.interrupt = None

    def _execute(self, job: Job) -> None:
        if job.has_ended:
            return
        job.phase, job.started = "EXECUTING", datetime.now(UTC)
        asked = read_parameters(job.pairs)

        def started(catalog: Catalog) -> None:
            job.interrupt = partial(_interrupt, catalog.connection)

        content = run_query(self.folder, asked, Limits(job.seconds, self.limits.memory), started=started)
        if not job.has_ended:
            path = self.jobs.path(job)
            path.write_bytes(content)
            job.result, job.media_type = path, asked.format.media_type
            job.finish("COMPLETED")

    def _find(self, request: Request) -> Job:
        return self.jobs.find(request.path_params["job"])

    def _address(self, request: Request, job: Job | None = None) -> str:
        base = str(request.base_url).rstrip("/") + self.path
        return base if job is None else f"{base}/{job.id}"

    def _redirect(self, request: Request, job: Job) -> Response:
        return RedirectResponse(self._address(request, job), 303)

    @staticmethod
    def _answer(function: Answer) -> Answer:
        """Return a route that answers errors of the package with a line of text."""

        async def answer(request: Request) -> Response:
            try:
                found: Response = await function(request)
            except TvbError as error:
                status = 404 if isinstance(error, UnknownDatasetError) else 400
                return PlainTextResponse(f"{error}\n", status)
            return found

        return answer


def _interrupt(connection: duckdb.DuckDBPyConnection) -> None:
    """Stop the statement of a connection, unless it has ended in this moment."""
    with suppress(duckdb.ConnectionException):
        connection.interrupt()


async def _wait(job: Job, text: str, phase: str | None) -> None:
    """Wait until the phase of a running job changes, as many seconds as asked for (-1: as long as possible)."""
    try:
        seconds = float(text)
    except ValueError:
        return
    left = min(_LONGEST_WAIT if seconds < 0 else seconds, _LONGEST_WAIT)
    before = job.phase
    while left > 0 and job.phase == before and before in ("QUEUED", "EXECUTING") and phase in (None, before):
        await asyncio.sleep(0.1)
        left -= 0.1


def _time(text: str) -> datetime:
    """Return a time of a request; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(text.strip()[:40])
    except ValueError as error:
        raise BadArgumentError(f"DESTRUCTION={text[:40]} is not a time; write 2026-01-31T12:00:00Z") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
