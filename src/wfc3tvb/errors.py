"""Errors of the package: one class per cause, carrying the data that its message names.

Every error that comes from the user's input or from the outside world derives from `TvbError`; any other exception is a
bug and stops the run. `exit_code` is the command line's exit status; `retryable` says whether the same command may
succeed when it is run again.
"""

from __future__ import annotations

import errno
import os
import re
import signal
from pathlib import Path

from wfc3tvb.suggest import command

#: How a message names a parameter, and how the command line then names the option.
_OPTIONS = {
    re.compile(r"pass (\w+)=True"): r"add --\1",
    re.compile(r"pass (\w+)='(\w+)'"): r"add --\1 \2",
    re.compile(r"\(parameter (\w+)\)"): r"(--\1)",
}


def _in_shell(message: str, parameter: re.Pattern[str], option: str) -> str:
    """Return a message with an option in place of a parameter."""
    return parameter.sub(lambda found: found.expand(option).replace("_", "-"), message)


class TvbError(Exception):
    """Error that comes from the user's input, or from files or services; the base class of all others."""

    exit_code = 1
    retryable = False
    #: Step of the pipeline at which it happened (column `stage` of the table `failures`); set by the code that runs it.
    stage: str | None = None

    def for_shell(self) -> str:
        """Return the message with options of the command line in place of parameters of functions."""
        message = str(self)
        for parameter, option in _OPTIONS.items():
            message = _in_shell(message, parameter, option)
        return message


# --- the user's input --------------------------------------------------------------------------------------------


class InputError(TvbError):
    """The input cannot be used as it is."""

    exit_code = 2


class BadFileError(InputError):
    """A file cannot be used: not FITS, truncated, another instrument's, or with a header that contradicts its data."""

    def __init__(self, path: str | Path, problem: str, remedy: str = "") -> None:
        super().__init__(path, problem, remedy)
        self.path, self.problem, self.remedy = str(path), problem, remedy

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}" + (f"; {self.remedy}" if self.remedy else "")


class NotFitsError(BadFileError):
    """A file is not a FITS file."""


class TruncatedFileError(BadFileError):
    """A FITS file is shorter than its headers say."""


class WrongInstrumentError(BadFileError):
    """A file is not a WFC3/IR MULTIACCUM exposure."""


class MissingKeywordError(BadFileError):
    """A required header keyword is absent."""

    def __init__(self, path: str | Path, keyword: str, extension: str = "primary header") -> None:
        super().__init__(path, f"keyword {keyword} is missing from the {extension}", "check the copy")
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
        message = f"{self.keyword} {self.name}: {self.problem}" + (f"; {self.remedy}" if self.remedy else "")
        return f"{self.exposure}: {message}" if self.exposure else message


class MissingReferenceError(ReferenceFileError):
    """A reference file named in a header cannot be opened."""


class UnsuitableReferenceError(ReferenceFileError):
    """A reference file was opened but does not match the exposure."""


class OutputExistsError(InputError):
    """An output file exists already, and overwriting was not requested."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self.path = str(path)

    def __str__(self) -> str:
        return f"{self.path} exists already; move it away or pass overwrite=True"


class UnknownDatasetError(InputError):
    """The archive (or the catalog) has no such association, dataset or rootname."""

    def __init__(self, dataset: str, where: str, remedy: str = "check the name") -> None:
        super().__init__(dataset, where, remedy)
        self.dataset, self.where, self.remedy = dataset, where, remedy

    def __str__(self) -> str:
        hint = f"{self.remedy} (nine characters, e.g. IBOHBF040; a visit: six)"
        return f"{self.dataset or 'an empty name'} is not known to {self.where}; {hint}"


class RefusedError(InputError):
    """A request that this package declines, with the reason."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name, self.reason = name, reason

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


class BadArgumentError(InputError):
    """An invalid argument or option value."""


# --- the archive and other services ------------------------------------------------------------------------------


class ServiceError(TvbError):
    """A service (MAST, S3, CRDS) failed to answer a request correctly."""

    retryable = True

    def __init__(self, service: str, problem: str, remedy: str = "try again later") -> None:
        super().__init__(service, problem, remedy)
        self.service, self.problem, self.remedy = service, problem, remedy

    def __str__(self) -> str:
        return f"{self.service}: {self.problem}" + (f"; {self.remedy}" if self.remedy else "")


class ServiceUnreachableError(ServiceError):
    """A service cannot be reached, or answered every attempt with a 5xx status."""


class SlowServiceError(ServiceUnreachableError):
    """A service did not finish an answer in time; a smaller request may succeed."""


class FailingServiceError(ServiceUnreachableError):
    """A service answered HTTP 500 on every attempt: it fails, on this request or in general."""


class RejectedQueryError(ServiceError):
    """A service rejected a query as invalid."""


class TruncatedQueryError(ServiceError):
    """A service returned fewer rows than it announced."""

    retryable = False


class ShortDownloadError(ServiceError):
    """A download ended before the announced length."""


class BadDownloadError(ServiceError):
    """A service answered a request for a file or a list with something else (a page, nothing), or a damaged copy."""


class UnexpectedAnswerError(ServiceError):
    """A service answered, but not in the form that is relied on; the message names the field."""


class MissingProductError(ServiceError):
    """The archive does not have a file, or denies access to it (`refused`)."""

    retryable = False
    refused = False


# --- calibration and drizzling -----------------------------------------------------------------------------------


class EngineMissingError(TvbError):
    """calwf3 was requested and is not on the PATH."""

    exit_code = 2

    def __str__(self) -> str:
        return "calwf3.e is not on the PATH; install hstcal (conda-forge: hstcal) or pass engine='native'"


class CalibrationError(TvbError):
    """The calibration of an exposure failed."""

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
    """updatewcs or AstroDrizzle failed; `log` is the end of its output, `killed` is true where a signal ended it."""

    def __init__(self, product: str, problem: str, log: str = "", killed: bool = False) -> None:
        super().__init__(product, problem, log, killed)
        self.product, self.problem, self.log, self.killed = product, problem, log, killed

    def __str__(self) -> str:
        return f"{self.product}: {self.problem}"


class DiskFullError(TvbError):
    """A file cannot be written because the disk is full."""

    retryable = True

    def __str__(self) -> str:
        remedy = "free some space, or choose another folder (TMPDIR for temporary files), and run the command again"
        return f"no space is left on the disk; {remedy}"


class StorageError(TvbError):
    """A disk or a network file system failed while a file was read or written."""

    retryable = True

    def __init__(self, path: str | Path, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = str(path), problem

    def __str__(self) -> str:
        return f"{self.path}: the disk cannot read or write it ({self.problem}); check the disk or its connection"


class UnsupportedSystemError(TvbError):
    """The package does not run on this operating system, which the error names."""

    exit_code = 2

    def __str__(self) -> str:
        return f"the package runs on Linux and macOS, not on {self.args[0]}; use WSL there (wsl --install)"


class WorkerDiedError(TvbError):
    """A worker process ended without an error of its own (killed, out of memory)."""

    retryable = True

    def __str__(self) -> str:
        return (
            "a worker process was killed, perhaps for lack of memory; try again with fewer processes (parameter jobs)"
        )


class ReportError(TvbError):
    """A page of the report cannot be written.

    Parameters
    ----------
    visit : str
        The first visit of those whose pages were being written.
    problem : str
        What went wrong.
    """

    def __init__(self, visit: str, problem: str) -> None:
        super().__init__(visit, problem)
        self.visit, self.problem = visit, problem

    def __str__(self) -> str:
        return f"the page of visit {self.visit} or of the next ones was not written: {self.problem}"


# --- the catalog -------------------------------------------------------------------------------------------------


class CatalogError(TvbError):
    """The catalog cannot be used."""

    exit_code = 2


class NoCatalogError(CatalogError):
    """A folder does not contain a catalog."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self.path = str(path)

    def __str__(self) -> str:
        return f"no catalog in {self.path}; create one with: wfc3tvb.open_catalog({self.path!r}, mode='a')"

    def for_shell(self) -> str:
        """Return the message with the command that creates a catalog."""
        create = command("survey", "--asn", "IBOHBF040", catalog=self.path)
        return f"no catalog in {self.path}; create one with: {create}"


class CatalogNotWritableError(CatalogError):
    """The catalog's folder cannot be written (permission, full disk)."""

    def __init__(self, path: str | Path, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = str(path), problem

    def __str__(self) -> str:
        remedy = self._remedies().get(self.problem, "make it writable, or")
        return f"cannot write the catalog in {self.path}: {self.problem}; {remedy} choose another folder"

    @staticmethod
    def _remedies() -> dict[str, str]:
        full = dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free some space and run the command again, or")
        failing = dict.fromkeys((errno.EIO, errno.EINTR, errno.ESTALE), "check the disk, and run the command again, or")
        return {os.strerror(number): remedy for number, remedy in (full | failing).items()}


class QueryError(CatalogError):
    """An SQL statement that DuckDB rejects, with its message."""


class UnknownQueryError(CatalogError):
    """There is no documented query of that name."""

    def __init__(self, name: str, near: tuple[str, ...] = ()) -> None:
        super().__init__(name, near)
        self.name, self.near = name, near

    def __str__(self) -> str:
        hint = f"did you mean {' or '.join(self.near)}?" if self.near else "see: wfc3tvb queries"
        return f"there is no query named {self.name}; {hint}"


class QueryParameterError(CatalogError):
    """A parameter of a documented query is missing, unknown or invalid."""


class SchemaMismatchError(CatalogError):
    """Rows or files do not have the columns of the schema."""


class DamagedCatalogError(CatalogError):
    """Files, tables or columns of the catalog are missing or damaged."""

    def __init__(self, path: str | Path, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = str(path), problem

    def __str__(self) -> str:
        return f"{self.path} is damaged: {self.problem}; see: {command('verify', catalog=self.path)}"


class NewerCatalogError(CatalogError):
    """A newer version wrote the catalog, and this one cannot read or write it.

    `schema_version` and `package_version` are those of the catalog, `known` is the schema version of this program.
    """

    def __init__(self, path: str | Path, schema_version: str, package_version: str, known: str, use: str) -> None:
        super().__init__(path, schema_version, package_version, known, use)
        self.path, self.schema_version, self.package_version = str(path), schema_version, package_version
        self.known, self.use = known, use

    def __str__(self) -> str:
        writer = f"{self.path} was written by wfc3tvb {self.package_version} (schema {self.schema_version})"
        remedy = f"pip install 'wfc3tvb>={self.package_version}'"
        return f"{writer}; this version (schema {self.known}) cannot {self.use} it; {remedy}"


class OldCatalogError(CatalogError):
    """The catalog's schema is too old for this version to read."""

    def __init__(self, path: str | Path, schema_version: str, oldest: str) -> None:
        super().__init__(path, schema_version, oldest)
        self.path, self.schema_version, self.oldest = str(path), schema_version, oldest

    def __str__(self) -> str:
        remedy = "read it with the version that wrote it, or survey into a new folder"
        return f"{self.path} has schema {self.schema_version}; this version reads {self.oldest} and later; {remedy}"


class ReadOnlyCatalogError(CatalogError):
    """A catalog that was opened for reading cannot be written."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self.path = str(path)

    def __str__(self) -> str:
        return f'{self.path} was opened for reading; open it with open_catalog({self.path!r}, mode="r+")'


class CatalogExistsError(CatalogError):
    """A new catalog cannot be created where there is one already."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self.path = str(path)

    def __str__(self) -> str:
        return f'{self.path} contains a catalog already; open it with mode "a", or choose another folder'
