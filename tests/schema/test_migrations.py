"""Stored tables compared with the schema: added, renamed and removed columns are not taken for damage."""

from __future__ import annotations

import pytest

from wfc3tvb.schema import OLDEST_VERSION, SCHEMA_VERSION, TABLES, Column, Table, migrations
from wfc3tvb.schema.migrations import Change, StoredSchema, compare, earlier_names, parse_version

KEY = Column("key", "str", "", "key")
RATE = Column("rate", "float", "electron/s", "rate")
LATER = Column("later", "int", "", "added in 1.1", since="1.1")
TABLE = Table("table", "thing", ("key",), (KEY, RATE, LATER), "1.0")
STORED = {"key": "str", "rate": "float"}


def test_versions_compare_as_numbers() -> None:
    assert parse_version("1.10") > parse_version("1.9") > parse_version("1.0")
    assert parse_version("2.0") > parse_version("1.10")


@pytest.mark.parametrize("text", ["", "1", "1.0.0", "1.x", "v1.0", " 1.0"])
def test_what_is_not_a_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a schema version"):
        parse_version(text)


def test_an_added_column_reads_as_null_and_a_lost_one_is_a_fault() -> None:
    old = compare(TABLE, StoredSchema("1.0", "0.1.0", STORED))
    assert (old.added, old.sources["later"], old.faults) == (("later",), (), ())
    assert compare(TABLE, StoredSchema("1.1", "0.2.0", STORED)).faults == ("column later is missing",)
    lost = compare(TABLE, StoredSchema("1.0", "0.1.0", {"key": "str"}))
    assert lost.faults == ("column rate is missing",)


def test_another_type_is_a_fault_and_an_unknown_column_is_not() -> None:
    found = compare(TABLE, StoredSchema("1.1", "0.2.0", {"key": "str", "rate": "str", "later": "int", "mine": "str"}))
    assert found.faults == ("column rate has type str instead of float",)
    assert found.unknown == ("mine",)


def test_a_table_without_a_version_is_a_fault() -> None:
    assert compare(TABLE, StoredSchema("", "", STORED)).faults == ("no schema version is recorded",)


def test_a_column_renamed_twice_is_read_under_every_name(monkeypatch: pytest.MonkeyPatch) -> None:
    changes = (
        Change("1.0", "2.0", "table", "level", "flux"),
        Change("2.0", "3.0", "table", "flux", "rate"),
        Change("2.0", "3.0", "table", "gone", None),
        Change("2.0", "3.0", "other", "flux", "glow"),
    )
    monkeypatch.setattr(migrations, "CHANGES", changes)
    assert earlier_names("rate", "table") == ("flux", "level")
    found = compare(TABLE, StoredSchema("1.0", "0.1.0", {"key": "str", "level": "float", "gone": "str"}))
    assert found.sources == {"key": ("key",), "rate": ("level",), "later": ()}
    assert (found.added, found.unknown, found.faults) == (("rate", "later"), (), ())
    both = compare(TABLE, StoredSchema("3.0", "0.3.0", STORED | {"level": "float", "later": "int"}))
    assert both.sources["rate"] == ("rate", "level")


def test_no_version_is_ahead_of_the_schema() -> None:
    newest = parse_version(SCHEMA_VERSION)
    assert parse_version(OLDEST_VERSION) <= newest
    for table in TABLES.values():
        assert parse_version(table.since) <= newest
        assert {c.name for c in table.columns if parse_version(c.since) > newest} == set()
    assert [change for change in migrations.CHANGES if parse_version(change.to_version) > newest] == []


def test_no_key_column_was_renamed() -> None:
    keys = {(name, key) for name, table in TABLES.items() for key in table.key}
    assert [change for change in migrations.CHANGES if (change.table, change.new) in keys] == []
