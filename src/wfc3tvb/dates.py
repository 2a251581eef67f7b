"""Dates as the catalog stores them: Modified Julian Dates, UTC.

A day has 86,400 s here, so that on the few days with a leap second a date may be off by up to one second; nothing that
is measured depends on these dates. `astropy.time` would take longer to import than most commands take to answer.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

#: Seconds of a day.
DAY = 86400.0
#: J2000, and the day that the telescope's clock counts from [MJD].
MJD_2000, MJD_1985 = 51544.5, 46066.0

_ZERO = datetime(1858, 11, 17, tzinfo=UTC)


def mjd_of(moment: datetime) -> float:
    """Return a date [MJD, UTC]; one without time zone is UTC."""
    known = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (known - _ZERO) / timedelta(days=1)


def mjd_now() -> float:
    """Return the time now [MJD, UTC]."""
    return mjd_of(datetime.now(UTC))


def moment_of(mjd: float) -> datetime:
    """Return a date [MJD, UTC] as a `datetime`, to the nearest millisecond: an MJD resolves no more."""
    return _ZERO + timedelta(milliseconds=round(mjd * 86_400_000))
