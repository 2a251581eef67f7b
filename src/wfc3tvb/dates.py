"""Dates as the catalog stores them: Modified Julian Dates, UTC.

Every day has 86,400 s here: on the few days with a leap second a date may be off by up to one second. No measured value
depends on these dates. `astropy.time` is avoided because importing it takes longer than most commands run.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

#: Seconds of a day.
DAY = 86400.0
#: J2000, and the day from which the telescope's clock counts [MJD].
MJD_2000, MJD_1985 = 51544.5, 46066.0

_ZERO = datetime(1858, 11, 17, tzinfo=UTC)


def mjd_of(moment: datetime) -> float:
    """Return a date [MJD, UTC]; one without time zone is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _ZERO) / timedelta(days=1)


def mjd_now() -> float:
    """Return the current time [MJD, UTC]."""
    return mjd_of(datetime.now(UTC))


def moment_of(mjd: float) -> datetime:
    """Return a date [MJD, UTC] as a `datetime`, to the nearest millisecond, about the resolution of an MJD."""
    return _ZERO + timedelta(milliseconds=round(mjd * 86_400_000))
