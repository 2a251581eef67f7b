"""Dates agree with astropy's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from astropy.time import Time

from wfc3tvb.dates import mjd_now, mjd_of, moment_of
from wfc3tvb.report.terminal import date


@pytest.mark.parametrize("text", ["2009-05-14T18:01:56", "2013-01-06T18:23:01.250", "2024-02-29T23:59:59.999"])
def test_a_moment_has_the_mjd_that_astropy_gives_and_comes_back(text: str) -> None:
    moment = datetime.fromisoformat(text)
    mjd = Time(text, scale="utc").mjd
    assert mjd_of(moment) == pytest.approx(mjd, abs=1e-10)
    assert moment_of(float(mjd)) == moment.replace(tzinfo=UTC)


def test_time_zones_count_and_now_is_now() -> None:
    east = datetime(2013, 1, 6, 2, tzinfo=timezone(timedelta(hours=2)))
    assert mjd_of(east) == 56298.0
    assert mjd_now() == pytest.approx(Time.now().mjd, abs=1e-3)


def test_what_is_no_date_is_shown_as_the_number_it_is() -> None:
    assert date(56298.76598379630) == "2013-01-06 18:23:01"
    assert date(1e12) == "1000000000000.0"
