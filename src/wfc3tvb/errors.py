"""The error tree: one class per fact, carrying the data that the message names.

Everything a user can cause or the outside world can do derives from `TvbError`; whatever else is raised is a bug
and stops the run. `exit_code` is what the command line returns, `retryable` whether a rerun may succeed unchanged.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Sequence
from pathlib import Path


class TvbError(Exception):
    """Something outside this package's control went wrong."""

    exit_code = 1
    retryable = False
    #: Step of the pipeline at which it happened (column `stage` of the table `failures`); set by who runs the step.
    stage: str | None = None


# --- what the user handed over -----------------------------------------------------------------------------------


class InputError(TvbError):
    """The input cannot be used as it is."""

    exit_code = 2


class BadFileError(InputError):
    """A file is not what it should be (not FITS, cut short, wrong instrument, a lying header)."""

    def __init__(self, path: str | Path, problem: str, remedy: str = "") -> None:
        super().__init__(path, problem, remedy)
        self.path, self.problem, self.remedy = str(path), problem, remedy

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}" + (f"; {self.remedy}" if self.remedy else "")


class NotFitsError(BadFileError):
    """A file is not a FITS file."""


class TruncatedFileError(BadFileError):
    """A FITS file ends before its data do."""


class WrongInstrumentError(BadFileError):
    """A file is not a WFC3/IR MULTIACCUM exposure."""


class MissingKeywordError(BadFileError):
    """A required header keyword is absent."""

    def __init__(self, path: str | Path, keyword: str, extension: str = "primary header") -> None:
        super().__init__(path, f"keyword {keyword} is missing from the {extension}", "fetch the file again")
        self.keyword, self.extension = keyword, extension

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        return type(self), (self.path, self.keyword, self.extension)


class ReferenceFileError(InputError):
    """A reference file is missing or does not fit the exposure, which `exposure` names where it is known."""

    exposure = ""

    def __init__(self, keyword: str, name: str, problem: str, remedy: str = "") -> None:
        super().__init__(keyword, name, problem, remedy)
        self.keyword, self.name, self.problem, self.remedy = keyword, name, problem, remedy

    def __str__(self) -> str:
        told = f"{self.keyword} {self.name}: {self.problem}" + (f"; {self.remedy}" if self.remedy else "")
        return f"{self.exposure}: {told}" if self.exposure else told


class MissingReferenceError(ReferenceFileError):
    """A reference file named in a header cannot be opened."""


class UnsuitableReferenceError(ReferenceFileError):
    """A reference file was opened but does not match the exposure."""


class OutputExistsError(InputError):
    """An output file is already there and overwriting was not asked for."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self.path = str(path)

    def __str__(self) -> str:
        return f"{self.path} exists already; move it away or pass --overwrite"


class UnknownDatasetError(InputError):
    """The archive (or the catalog) knows no such association, dataset or rootname."""

    def __init__(self, dataset: str, where: str, remedy: str = "check the name") -> None:
        super().__init__(dataset, where, remedy)
        self.dataset, self.where, self.remedy = dataset, where, remedy

    def __str__(self) -> str:
        hint = f"{self.remedy} (nine characters, e.g. IBOHBF040; a visit: six)"
        return f"{self.dataset or 'an empty name'} is not known to {self.where}; {hint}"


class RefusedError(InputError):
    """A thing that this package does not do, with the reason."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name, self.reason = name, reason

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


class BadArgumentError(InputError):
    """An argument or option value that makes no sense."""


# --- the archive and other services ------------------------------------------------------------------------------


class ServiceError(TvbError):
    """A service (MAST, S3, CRDS) did not deliver."""

    retryable = True

    def __init__(self, service: str, problem: str, remedy: str = "try again later") -> None:
        super().__init__(service, problem, remedy)
        self.service, self.problem, self.remedy = service, problem, remedy

    def __str__(self) -> str:
        return f"{self.service}: {self.problem}" + (f"; {self.remedy}" if self.remedy else "")


class ServiceUnreachableError(ServiceError):
    """No connection to a service, or it answered 5xx to every try."""


class TruncatedQueryError(ServiceError):
    """A service returned fewer rows than it counted."""

    retryable = False


class ShortDownloadError(ServiceError):
    """A download ended before its length was reached."""


class MissingProductError(ServiceError):
    """The archive lists no such file, or refuses it."""

    retryable = False


# --- calibration and drizzling -----------------------------------------------------------------------------------


class EngineMissingError(TvbError):
    """calwf3 was asked for and is not on the PATH."""

    exit_code = 2

    def __str__(self) -> str:
        return "calwf3.e is not on the PATH; install hstcal (conda-forge: hstcal) or use --engine native"


class CalibrationError(TvbError):
    """An engine failed on an exposure."""

    exit_code = 2

    def __init__(self, rootname: str, problem: str, returncode: int | None = None, trailer: str = "") -> None:
        super().__init__(rootname, problem, returncode, trailer)
        self.rootname, self.problem, self.returncode, self.trailer = rootname, problem, returncode, trailer

    def __str__(self) -> str:
        where = f"; see {self.trailer}" if self.trailer else ""
        return f"{self.rootname}: {self.problem}{_status(self.returncode)}{where}"


def _status(returncode: int | None) -> str:
    """Return how a program ended, as its exit status or the signal that killed it."""
    if not returncode:
        return ""
    if returncode > 0:
        return f" (exit status {returncode})"
    names = {each.value: each.name for each in signal.Signals}
    return f" (killed by signal {-returncode}, {names.get(-returncode, 'unknown')})"


class DrizzleError(TvbError):
    """updatewcs or AstroDrizzle failed; `log` is the end of what it printed, `killed` whether a signal ended it."""

    def __init__(self, product: str, problem: str, log: str = "", killed: bool = False) -> None:
        super().__init__(product, problem, log, killed)
        self.product, self.problem, self.log, self.killed = product, problem, log, killed

    def __str__(self) -> str:
        return f"{self.product}: {self.problem}"


class DiskFullError(TvbError):
    """A file cannot be written for want of room."""

    retryable = True

    def __str__(self) -> str:
        remedy = "make room, or give another folder (TMPDIR for temporary files), and run the command again"
        return f"no space is left on the disk; {remedy}"


class WorkerDiedError(TvbError):
    """A worker process ended without a word (killed, out of memory)."""

    retryable = True

    def __str__(self) -> str:
        return "a worker process was killed, perhaps for want of memory; give fewer --jobs and run the command again"


# --- the catalog -------------------------------------------------------------------------------------------------


class CatalogError(TvbError):
    """The catalog cannot be used."""

    exit_code = 2


class NoCatalogError(CatalogError):
    """There is no catalog in that folder."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self.path = str(path)

    def __str__(self) -> str:
        return f"no catalog in {self.path}; make one with: wfc3tvb survey --asn IBOHBF040 --catalog {self.path}"


class MissingTableError(CatalogError):
    """A catalog is there, and one of its tables is not."""

    def __init__(self, path: str | Path, tables: Sequence[str]) -> None:
        super().__init__(path, tables)
        self.path, self.tables = str(path), tuple(tables)

    def __str__(self) -> str:
        gone = f"table {self.tables[0]} is" if len(self.tables) == 1 else f"tables {', '.join(self.tables)} are"
        remedy = f"put a copy of the catalog in its place; wfc3tvb verify --catalog {self.path} says what is left"
        return f"{self.path} is damaged: the {gone} gone; {remedy}"


class CatalogNotWritableError(CatalogError):
    """The catalog's folder cannot be written (permission, full disk)."""

    def __init__(self, path: str | Path, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = str(path), problem

    def __str__(self) -> str:
        full = self.problem in (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))
        remedy = "make room and run the command again, or" if full else "make it writable, or"
        return f"cannot write the catalog in {self.path}: {self.problem}; {remedy} give another folder with --catalog"


class QueryError(CatalogError):
    """An SQL statement that DuckDB refuses, with what it said."""


class UnknownQueryError(CatalogError):
    """No documented query has that name."""

    def __init__(self, name: str, near: tuple[str, ...] = ()) -> None:
        super().__init__(name, near)
        self.name, self.near = name, near

    def __str__(self) -> str:
        hint = f"did you mean {' or '.join(self.near)}?" if self.near else "see: wfc3tvb queries"
        return f"no query is called {self.name}; {hint}"


class QueryParameterError(CatalogError):
    """A documented query was given a wrong, or not given a needed, parameter."""


class SchemaMismatchError(CatalogError):
    """Rows or files do not have the columns that the schema names."""
