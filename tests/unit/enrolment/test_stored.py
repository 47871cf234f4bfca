"""The readers of what is stored: what each takes, and what it says of anything else."""

from __future__ import annotations

import math
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.errors import Unreadable
from functions.enrolment.stored import (
    a_flag,
    a_list,
    a_map,
    a_number,
    a_text,
    a_time,
    an_object,
    one_of,
    optional,
    reading,
    required,
    row_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Word(StrEnum):
    YES = "yes"
    NO = "no"


def a_word(value: Any) -> Word:
    return one_of(Word)(value)


def texts(value: Any) -> tuple[str, ...]:
    return a_list(a_text)(value)


def numbers(value: Any) -> dict[str, int]:
    return a_map(a_number)(value)


YEAR_10_000 = 253_402_300_800
TAKEN: list[tuple[Callable[[Any], Any], Any, Any]] = [
    (a_text, "", ""),
    (a_flag, False, False),
    (a_number, Decimal(3), 3),
    (a_number, 3.0, 3),
    (a_number, -1, -1),
    (a_time, 0, 0.0),
    (a_time, Decimal("0.5"), 0.5),
    (a_time, YEAR_10_000 - 1, YEAR_10_000 - 1.0),
    (an_object, {"a": 1}, {"a": 1}),
    (a_word, "no", Word.NO),
    (texts, ["a", "b"], ("a", "b")),
    (texts, ("a",), ("a",)),
    (numbers, {"a": Decimal(1)}, {"a": 1}),
]
REFUSED: list[tuple[Callable[[Any], Any], list[Any], str]] = [
    (a_text, [1, None, b"x"], "takes a text"),
    (a_flag, [0, 1, "true", None], "takes true or false"),
    (
        a_number,
        ["3", "", True, 1.5, None, math.nan, math.inf, Decimal("NaN")],
        "takes a whole number",
    ),
    (
        a_time,
        ["5", True, False, None, -1, YEAR_10_000, math.nan, math.inf, Decimal("sNaN"), 10**400],
        "takes a time in epoch seconds",
    ),
    (an_object, [[], None, "x"], "takes an object"),
    (a_word, ["YES", None, ["yes"], Decimal(1)], "takes one of yes, no"),
    (texts, ["ab", {}, None, 3], "takes a list"),
    (numbers, [[], None], "takes an object"),
]


@pytest.mark.parametrize(("read", "value", "expected"), TAKEN)
def test_a_reader_takes_its_kind_of_value(
    read: Callable[[Any], Any], value: Any, expected: Any
) -> None:
    found = read(value)

    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("read", "value", "takes"),
    [(read, value, takes) for read, values, takes in REFUSED for value in values],
)
def test_a_reader_refuses_any_other_and_says_what_it_takes(
    read: Callable[[Any], Any], value: Any, takes: str
) -> None:
    with pytest.raises(Unreadable) as caught:
        read(value)

    assert (caught.value.field, caught.value.takes, caught.value.place) == ("", takes, "")
    assert str(caught.value) == takes


def test_a_field_that_must_be_there_is_named_where_it_is_not() -> None:
    assert required({"a": None}, "a", lambda value: value) is None
    with pytest.raises(Unreadable, match=r"^a: is required$"):
        required({"b": 1}, "a", a_number)


def test_a_field_that_may_be_missing_has_a_default() -> None:
    assert optional({}, "a", a_text, "default") == "default"
    assert optional({"a": None}, "a", a_text, "default") == "default"
    assert optional({"a": ""}, "a", a_text, "default") == ""
    with pytest.raises(Unreadable, match=r"^a: takes a text$"):
        optional({"a": 0}, "a", a_text, "default")


def test_the_path_of_a_field_is_that_from_the_outermost() -> None:
    document = {"groups": [{"accounts": ["1"]}, {"accounts": ["1", 2]}]}

    with pytest.raises(Unreadable) as caught:
        required(
            document, "groups", a_list(lambda value: required(value, "accounts", a_list(a_text)))
        )

    assert str(caught.value) == "groups[1].accounts[1]: takes a text"


def test_an_unprintable_name_of_a_field_is_printed_as_text() -> None:
    with pytest.raises(Unreadable) as caught:
        a_map(a_number)({"a\nb": "x"})

    assert str(caught.value).isprintable()


def test_the_row_or_document_is_named_before_the_field() -> None:
    with pytest.raises(Unreadable) as caught, reading("row a b"):
        required({"at": "now"}, "at", a_time)

    error = caught.value
    assert str(error) == "row a b: at: takes a time in epoch seconds"
    assert (error.place, error.field) == ("row a b", "at")
    assert error.within("x").place == "row a b"


def test_a_message_has_no_address() -> None:
    error = Unreadable("a@b.example", "takes a text", "row c@d.example")

    assert str(error) == "row (e-mail): (e-mail): takes a text"


def test_a_message_is_one_line_of_limited_length() -> None:
    text = str(Unreadable("field\n" * 1000, "takes a text"))

    assert len(text) <= 1000
    assert text.isprintable()


@pytest.mark.parametrize(
    ("item", "name"),
    [
        ({"pk": "account#1", "sk": "membership#guardduty"}, "row account#1 membership#guardduty"),
        ({"pk": "lock"}, "row lock"),
        ({}, "row"),
    ],
)
def test_a_row_is_named_by_its_keys(item: dict[str, str], name: str) -> None:
    assert row_of(item) == name
