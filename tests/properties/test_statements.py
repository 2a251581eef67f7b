"""Statements of users: whatever is written, only what reads is run, and texts stay texts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.helpers import known
from tests.properties.draw import examples, texts
from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.catalog.sql.statements import check_statement
from wfc3tvb.catalog.views import literal
from wfc3tvb.errors import InputError, QueryError, TvbError
from wfc3tvb.repair.choose import choose
from wfc3tvb.repair.reprocess import ReprocessSettings
from wfc3tvb.web.listings import EXPOSURES, PROGRAMS, VISITS
from wfc3tvb.web.search import Search

WRITING = (
    "INSERT INTO t VALUES (2)", "DELETE FROM t", "UPDATE t SET a = 2", "DROP TABLE t", "CREATE TABLE u AS FROM t",
    "COPY t TO 'x.csv'", "ATTACH 'x.db'", "EXPORT DATABASE 'x'", "SET threads = 1", "PRAGMA enable_profiling",
    "CHECKPOINT", "INSTALL httpfs", "LOAD httpfs", "VACUUM", "CALL pragma_version()", "CREATE MACRO m() AS 1",
    "ALTER TABLE t ADD b INT",
    "WITH x AS (FROM t) INSERT INTO t FROM x", "EXPLAIN ANALYZE FROM t", "SELECT * FROM query('DROP TABLE t')",
    "SELECT write_log('x')", "BEGIN", "USE memory", "RESET threads", "DETACH x", "TRUNCATE t", "EXECUTE p",
)  # fmt: skip
READING = ("FROM t", "SELECT a + 1 FROM t", "WITH x AS (FROM t) FROM x", "VALUES (1)", "DESCRIBE t", "EXPLAIN FROM t")
#: What may stand around words without a meaning of its own.
blanks = st.text("/*-\n\t ;(", max_size=6) | st.sampled_from(["/* x */", "-- x\n", "/**/ ", "\n", " "])
WORDS = (
    "select from where with as t a b 1 'x' , ( ) ; insert into values copy to pivot on explain analyze union all x = *"
    " query read_csv('x') json drop table -- /* */ \" $1 unpivot delete create"
)
words = st.sampled_from(WORDS.split())


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("CREATE TABLE t AS SELECT 1 AS a")
        yield opened


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    folder = tmp_path_factory.mktemp("known") / "catalog"
    known.make(folder).close()
    with open_catalog(folder) as opened:
        yield opened


@pytest.mark.parametrize("n", [251, 100_000])
def test_brackets_within_brackets_are_refused_at_once(connection: duckdb.DuckDBPyConnection, n: int) -> None:
    """The parser takes a time that grows with the square of their number."""
    began = time.perf_counter()
    with pytest.raises(QueryError, match="more than 250 brackets"):
        check_statement(connection, f"SELECT {'(' * n}1{')' * n}")
    assert time.perf_counter() - began < 1
    assert check_statement(connection, f"SELECT {'(' * 250}1{')' * 250}").tree is not None
    assert check_statement(connection, f"SELECT {'(1)+' * n}1" if n < 1000 else "SELECT 1").tree is not None


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def is_refused(connection: duckdb.DuckDBPyConnection, text: str) -> bool:
    try:
        check_statement(connection, text)
    except (QueryError, duckdb.Error):
        return True
    return False


@given(st.sampled_from(WRITING), blanks, blanks, st.sampled_from([*READING, ""]), st.booleans())
def test_what_writes_is_refused_wherever_it_stands(
    connection: duckdb.DuckDBPyConnection, statement: str, before: str, after: str, other: str, first: bool
) -> None:
    text = f"{before}{statement}{after}" if not other else ";".join((statement, other) if first else (other, statement))
    for written in (text, text.lower(), text.upper()):
        # A comment may have swallowed it, and nothing or only what reads is left.
        if not is_refused(connection, written):
            assert other or "--" in before or "/*" in before or "/*" in after
            assert is_harmless(connection, written)


@given(st.lists(words | texts, max_size=12).map(" ".join))
@example("WITH x AS (COPY t TO 'x') FROM x")
def test_any_text_is_a_statement_that_reads_or_one_error(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    if not is_refused(connection, text):
        assert is_harmless(connection, text)


def is_harmless(connection: duckdb.DuckDBPyConnection, text: str) -> bool:
    """Run what was let through, on a connection that may write, and return whether nothing has changed."""
    with duckdb.connect() as open_to_all:
        open_to_all.execute("CREATE TABLE t AS SELECT 1 AS a")
        before = state(open_to_all)
        checked = check_statement(connection, text)
        with suppress(duckdb.Error):
            open_to_all.execute(checked.sql)
        return state(open_to_all) == before


def state(connection: duckdb.DuckDBPyConnection) -> object:
    names = "SELECT table_name FROM duckdb_tables() UNION ALL SELECT database_name FROM duckdb_databases() ORDER BY 1"
    return connection.execute(names).fetchall(), connection.execute("FROM t").fetchall(), sorted(Path().iterdir())


@given(texts)
@example("'; DROP TABLE t; --")
def test_a_text_in_a_statement_is_that_text(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    assume("\0" not in text)
    with connection.cursor() as cursor:
        assert cursor.execute(f"SELECT {literal(text)}").fetchall() == [(text,)]


@examples(0.4)
@given(st.sampled_from([EXPOSURES, VISITS, PROGRAMS]), texts | st.sampled_from(["ibohbf", "12442", "<b>", "%", "'"]))
def test_a_search_finds_the_same_as_its_statement(catalog: Catalog, listing: object, text: str) -> None:
    search = Search.from_query({"text": text}, listing)  # type: ignore[arg-type]
    assert search.text == text.strip()
    count = catalog.fetch(search.count(), search.values()).to_pylist()[0]["n"]
    assert catalog.fetch(search.sql(100), search.values()).num_rows == count
    assert catalog.fetch(search.statement()).num_rows == count


CLAUSES = (
    "true", "false", "tvb_class = 'severe'", "sky_mean > 1", "rootname LIKE 'iboh%'", "ra IS NULL", "-- all", "1)",
    "(1", "true) OR (true", "true); DROP VIEW exposures", "/*", "*/", "ORDER BY 1", "LIMIT 0", "flagged", "NOT flagged",
    "$1", "(true", "'", "",
)  # fmt: skip


@examples(0.6)
@given(st.lists(st.sampled_from([*CLAUSES, "AND", "OR", "NOT", "(", ")", "\n"]), max_size=5).map(" ".join) | texts)
@example("true) OR (true")
@example("tvb_class = 'severe' -- the worst")
@example("true) OR rootname IN (SELECT rootname FROM exposures")
def test_a_condition_selects_among_the_flagged(catalog: Catalog, tmp_path: Path, where: str) -> None:
    """It is one condition: nothing in it ends the brackets around it, and a comment ends with it."""
    settings = ReprocessSettings(outdir=tmp_path)
    try:
        chosen = choose(catalog, ids=[], where=where, settings=settings)
    except (QueryError, InputError, TvbError) as error:
        assert str(error)
        return
    # The clause alone is one, too.
    alone = catalog.sql(f"SELECT DISTINCT dataset FROM (FROM exposures WHERE flagged) WHERE {where or 'true'}\n")
    assert {repair.dataset for repair in chosen.due} <= {dataset for (dataset,) in alone.fetchall()}
