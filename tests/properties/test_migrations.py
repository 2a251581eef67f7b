"""Stored tables of any older version compared with the schema: nothing is taken for damage, no name is lost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.properties.draw import texts
from wfc3tvb.schema import TABLES, Column, Table, migrations
from wfc3tvb.schema.migrations import Change, StoredSchema, compare, earlier_names, parse_version

numbers = st.integers(0, 10**6)
versions = st.tuples(numbers, numbers)
names = st.lists(st.text("abcdef", min_size=1, max_size=6), min_size=1, max_size=6, unique=True)


@given(versions, versions)
def test_versions_are_ordered_as_numbers(one: tuple[int, int], other: tuple[int, int]) -> None:
    texts = [f"{major}.{minor}" for major, minor in (one, other)]
    assert [parse_version(text) for text in texts] == [one, other]


@given(texts)
def test_a_text_is_a_version_or_an_error(text: str) -> None:
    try:
        major, minor = parse_version(text)
    except ValueError as error:
        assert "is not a schema version" in str(error)
    else:
        assert major >= 0
        assert minor >= 0


@given(st.data(), names)
def test_a_column_is_read_under_all_names_it_ever_had(data: st.DataObject, chain: Sequence[str]) -> None:
    """Renamed once in each major version; a stored table has the name of its version, or several."""
    *old, new = chain
    table = Table(
        "table", "thing", ("the_key",), (Column("the_key", "str", "", "key"), Column(new, "int", "", "")), "1.0"
    )
    steps = enumerate(pairwise(chain), 1)
    changes = tuple(Change(f"{k}.0", f"{k + 1}.0", "table", a, b) for k, (a, b) in steps)
    others = (Change("1.0", "2.0", "other", "zz", new), Change("1.0", "2.0", None, "zz", new))
    present = data.draw(st.lists(st.sampled_from(chain), min_size=1, unique=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "CHANGES", changes + others)
        assert earlier_names(new, "table") == tuple(reversed(old))
        found = compare(table, StoredSchema("1.0", "", {"the_key": "str", **dict.fromkeys(present, "int")}))
    assert found.sources[new] == tuple(name for name in reversed(chain) if name in present)
    assert (found.unknown, found.faults) == ((), ())
    assert found.added == (() if new in present else (new,))


@given(st.data(), st.sampled_from(sorted(TABLES)), st.dictionaries(texts, st.sampled_from(["str", "int"]), max_size=3))
def test_a_table_of_an_older_minor_version_has_no_fault(
    data: st.DataObject, name: str, foreign: dict[str, str]
) -> None:
    table = TABLES[name]
    version = data.draw(st.sampled_from(sorted({parse_version(c.since) for c in table.columns})))
    stored = {c.name: c.type for c in table.columns if parse_version(c.since) <= version}
    own = {key: kind for key, kind in foreign.items() if key not in table.names}
    found = compare(table, StoredSchema("{}.{}".format(*version), "", stored | own))
    assert found.faults == ()
    assert found.unknown == tuple(own)
    assert set(found.added) == set(table.names) - set(stored)
    lost = data.draw(st.sampled_from(sorted(stored)))
    del stored[lost]
    assert compare(table, StoredSchema("{}.{}".format(*version), "", stored)).faults == (f"column {lost} is missing",)
