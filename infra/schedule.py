"""How far apart reconciles are by their schedule, and when one is overdue."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from functions.enrolment.configuration import OFF
from functions.enrolment.reconcile import awaiting_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from functions.enrolment.configuration import Configuration

HOUR, DAY = 3600, 86400
# How late Scheduler may start a reconcile: its window, and how long it tries a start again.
WINDOW_SECONDS = 15 * 60
LONGEST_DELAY_SECONDS = HOUR
# What a reconcile does beside awaiting its runs: looking up the Regions of 50,000 accounts takes
# three hours, and retrying each of its four steps half an hour.
_WORKING_SECONDS = 6 * HOUR
# Of an alarm with periods of an hour or longer (botocore, cloudwatch PutMetricAlarm, ``Period``).
MOST_HOURS = 7 * 24
_UNITS = {"minute": 60, "hour": HOUR, "day": DAY}
# Whatever the days, the calendar of these years has every distance that there can be.
_FIRST_DAY, _LAST_DAY = dt.date(2026, 1, 1), dt.date(2055, 12, 31)


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of a cron expression: its least and greatest value, and names for them in order."""

    least: int
    greatest: int
    names: Sequence[str] = ()


_MINUTES, _HOURS, _DAYS = _Field(0, 59), _Field(0, 23), _Field(1, 31)
_MONTHS = _Field(
    *(1, 12),
    ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"),
)
_WEEKDAYS = _Field(1, 7, ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))
_PART = re.compile(r"(?:([*?])|(\w+)(?:-(\w+))?)(?:/([1-9][0-9]?))?", re.ASCII)


def overdue_hours(configuration: Configuration) -> int | None:
    """After how many hours without the end of a reconcile one is overdue.

    The sum of the longest time between two starts, of the delay of a start and of the length of a
    reconcile. That holds, too, if one reconcile is refused because the one before still runs. An
    alarm's periods are whole hours, the newest of which has only begun: so one more. None if there
    is no schedule, if its times are unknown, or if no alarm can look back that far.
    """
    schedule = configuration.reconcile.schedule
    gap = None if schedule == OFF else longest_gap(schedule)
    if gap is None:
        return None
    delay = WINDOW_SECONDS + LONGEST_DELAY_SECONDS
    length = _WORKING_SECONDS + awaiting_seconds(configuration.timing, 0)
    hours = -(-(gap + delay + length) // HOUR) + 1
    return hours if hours <= MOST_HOURS else None


def longest_gap(expression: str) -> int | None:
    """The most seconds from one start to the next of ``rate(…)`` or ``cron(…)``; None if unknown.

    What is not understood counts as no start, and so does what is given by ``L``, ``W`` or ``#``:
    both can only make the result longer. (EventBridge Scheduler user guide, "Schedule types".)
    """
    kind, _, fields = expression.rstrip(")").partition("(")
    given = fields.split()
    if kind == "rate":
        number, unit = given
        return int(number) * _UNITS[unit.rstrip("s")]
    # Years end at some time.
    if len(given) != 6 or given[5] != "*":
        return None
    minutes, hours, days, months, weekdays = (
        _values(text, field)
        for text, field in zip(given, (_MINUTES, _HOURS, _DAYS, _MONTHS, _WEEKDAYS), strict=False)
    )
    times = [60 * (60 * hour + minute) for hour in sorted(hours) for minute in sorted(minutes)]
    starting = [
        number
        for number in range(_FIRST_DAY.toordinal(), _LAST_DAY.toordinal() + 1)
        if _is_in(dt.date.fromordinal(number), days, months, weekdays)
    ]
    if not times or len(starting) < 2:
        return None
    overnight = _most_apart(starting) * DAY + times[0] - times[-1]
    return max(overnight, _most_apart(times))


def _is_in(
    day: dt.date, days: frozenset[int], months: frozenset[int], weekdays: frozenset[int]
) -> bool:
    # Sunday is 1 in an expression, and 7 of ISO 8601.
    return day.day in days and day.month in months and day.isoweekday() % 7 + 1 in weekdays


def _most_apart(values: Iterable[int]) -> int:
    return max((later - before for before, later in pairwise(values)), default=0)


def _values(text: str, field: _Field) -> frozenset[int]:
    return frozenset(value for part in text.split(",") for value in _part(part, field))


def _part(text: str, field: _Field) -> range:
    """``*``, ``?``, a value or a range, each with an increment or without."""
    match = _PART.fullmatch(text)
    if match is None:
        return range(0)
    every, first, last, increment = match.groups()
    begin = field.least if every else _value(first, field)
    end = field.greatest if every or (increment and not last) else _value(last or first, field)
    if begin is None or end is None:
        return range(0)
    return range(begin, end + 1, int(increment or 1))


def _value(text: str, field: _Field) -> int | None:
    if text.upper() in field.names:
        return field.least + field.names.index(text.upper())
    value = int(text) if text.isdigit() else -1
    return value if field.least <= value <= field.greatest else None
