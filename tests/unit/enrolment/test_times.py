from __future__ import annotations

import pytest

from functions.enrolment.times import duration, iso


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (45, "45 s"),
        (59.6, "1 min"),
        (3900, "1 h 5 min"),
        (1209600, "14 d"),
        (90061, "1 d 1 h"),
    ],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_times_are_in_utc_and_to_the_second_where_that_is_enough() -> None:
    assert iso(1_800_000_000.0125) == "2027-01-15T08:00:00.012Z"
    assert iso(1_800_000_000.0125, "seconds") == "2027-01-15T08:00:00Z"
