"""Tables of results: headings have units, and numbers the digits that they deserve."""

from __future__ import annotations

import pyarrow as pa

from wfc3tvb.report.fitted_table import FittedTable
from wfc3tvb.report.result_table import relation


def column(table: FittedTable, number: int) -> list[str]:
    return [cell.plain for cell in table.columns[number].cells]


def test_headings_have_units_in_a_line_of_their_own() -> None:
    table = relation(pa.table({"rootname": ["a"], "sky_mean": [1.0], "expstart": [56298.5], "tvb_score": [1.0]}))
    assert [each.heading for each in table.columns] == ["rootname", "sky_mean\n[e-/s]", "expstart\n[d]", "tvb_score"]


def test_numbers_have_the_decimals_of_their_unit_and_a_typical_value_three_digits() -> None:
    rows = pa.table({"sky_mean": [1.0354123, 0.44435], "noise_pipeline": [0.16041, 0.030432], "ra": [189.228621, 0.5],
                     "expstart": [56298.785203, 56299.0], "tvb_score": [6.302384, 0.1162], "sun_alt": [5.34539, 72.31],
                     "exptime": [1599.234, 27.7]})  # fmt: skip
    table = relation(rows)
    assert column(table, 0) == ["1.035", "0.444"]
    assert column(table, 1) == ["0.1604", "0.0304"]
    assert column(table, 2) == ["189.22862", "0.50000"]
    assert column(table, 3) == ["56298.78520", "56299.00000"]
    assert column(table, 4) == ["6.30", "0.12"]
    assert column(table, 5) == ["5.3", "72.3"]
    assert column(table, 6) == ["1599.2", "27.7"]


def test_an_error_decides_how_many_digits_are_shown() -> None:
    table = relation(pa.table({"rate": [0.365812, 0.5], "rate_err": [0.0123456, 0.02]}))
    assert column(table, 0) == ["0.366", "0.500"]
    assert column(table, 1) == ["0.012", "0.020"]


def test_digits_that_a_query_rounded_away_are_not_shown() -> None:
    schema = pa.schema([pa.field("x", pa.float64())], {b"wfc3tvb.noted": b"1"})
    assert column(relation(pa.table({"x": [0.0201, 0.1635, 0.02]}, schema)), 0) == ["0.0201", "0.1635", "0.0200"]


def test_computed_columns_have_four_digits_whole_numbers_none_and_nothing_is_minus_zero() -> None:
    schema = pa.schema([pa.field(name, pa.float64()) for name in "abcd"], {b"wfc3tvb.noted": b"1"})
    rows = pa.table({"a": [0.123456, 0.2], "b": [3.0, 4000.0], "c": [-1e-9, 1.0], "d": [56298.78520, None]}, schema)
    table = relation(rows)
    assert column(table, 0) == ["0.1235", "0.2000"]
    assert column(table, 1) == ["3", "4000"]
    assert column(table, 2) == ["-1.0e-09", "1"]
    assert column(table, 3) == ["56298.78520", ""]
    assert column(relation(pa.table({"x": [-0.0, 0.5]})), 0) == ["0.0", "0.5"]
