"""Parameters of a TAP request (DALI 1.1): names in any case, languages, formats, and the number of rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from wfc3tvb.errors import BadArgumentError

#: Rows of a result by default, and at most.
MAXREC, LARGEST_MAXREC = 20_000, 1_000_000
#: Languages: name in LANG, versions.
LANGUAGES = {"ADQL": ("2.0", "2.1"), "DUCKDB": ("2.0",)}


@dataclass(frozen=True)
class Format:
    """Format of results: name in `catalog.export` (votable and tsv are written here), media type, aliases."""

    name: str
    media_type: str
    aliases: tuple[str, ...] = ()


FORMATS = (
    Format("votable", "application/x-votable+xml", ("votable", "votable/td", "text/xml")),
    Format("csv", "text/csv;header=present", ("csv", "text/csv")),
    Format("tsv", "text/tab-separated-values", ("tsv",)),
    Format("fits", "application/fits", ("fits",)),
    Format("parquet", "application/vnd.apache.parquet", ("parquet",)),
    Format("json", "application/json", ("json",)),
)


@dataclass(frozen=True)
class Parameters:
    """What a request asks for.

    Attributes
    ----------
    query : str
        Text of the query.
    language : str
        One of `LANGUAGES`.
    format : Format
        Format of the result.
    maxrec : int
        Rows at most.
    """

    query: str
    language: str
    format: Format
    maxrec: int


def read_parameters(pairs: Iterable[tuple[str, str]]) -> Parameters:
    """Read the parameters of a query.

    Parameters
    ----------
    pairs : iterable
        Names and values as in the request.

    Raises
    ------
    BadArgumentError
        If one is missing or has no value that is possible.
    """
    given: dict[str, str] = {}
    for name, value in pairs:
        if given.setdefault(name.upper(), value) != value:
            raise BadArgumentError(f"{name.upper()} was given twice")
    if given.get("REQUEST", "doQuery").lower() != "doquery":
        raise BadArgumentError(f"REQUEST={given['REQUEST'][:40]} is unknown; write doQuery")
    if given.get("UPLOAD"):
        raise BadArgumentError("UPLOAD is not supported; join in TOPCAT, or in Python with the result")
    if not given.get("QUERY", "").strip():
        raise BadArgumentError("QUERY is missing")
    form = given.get("RESPONSEFORMAT") or given.get("FORMAT") or "votable"
    return Parameters(given["QUERY"], _language(given.get("LANG", "ADQL")), _format(form), _maxrec(given.get("MAXREC")))


def _language(text: str) -> str:
    name, _, version = text.strip().upper().partition("-")
    if name not in LANGUAGES or (version and version not in LANGUAGES[name]):
        raise BadArgumentError(f"LANG={text[:40]} is unknown; write ADQL, or DUCKDB for DuckDB's SQL")
    return name


def _format(text: str) -> Format:
    wanted = text.strip().lower().replace(" ", "")
    bare = wanted.partition(";")[0]
    for each in FORMATS:
        if wanted == each.media_type or bare == each.media_type.partition(";")[0] or bare in each.aliases:
            return each
    names = ", ".join(each.name for each in FORMATS)
    raise BadArgumentError(f"RESPONSEFORMAT={text[:60]} is unknown; choose one of {names}")


def _maxrec(text: str | None) -> int:
    if text is None or not text.strip():
        return MAXREC
    if not text.strip().isdecimal():
        raise BadArgumentError(f"MAXREC={text[:40]} is not a number of rows")
    return min(int(text.strip()[:12]), LARGEST_MAXREC)
