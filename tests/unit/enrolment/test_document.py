"""Refusals name fields by keys that others wrote: those are cleaned, and no value is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.document import (
    Document,
    a_boolean,
    a_duration,
    a_list,
    a_map,
    a_region,
    a_string,
    a_whole_number,
    one_of,
)
from functions.enrolment.errors import InvalidInput
from functions.enrolment.scope import an_account_id, read_scope

if TYPE_CHECKING:
    from collections.abc import Callable

KEYS = {
    "x" * 200_000: "x" * 63 + "…",
    "\ud800": "?",
    "two\nlines": "two lines",
    "\x1b[31m": "?[31m",
    "root@example.com": "(e-mail)",
    "": "(empty)",
}
# pytest escapes what is not ASCII again if a process collects twice (``make mutants``).
IDS = [shown.replace("…", "...") for shown in KEYS.values()]
VALUE = "o-told value\nroot@example.com"


def refusal(read: Callable[[], object]) -> InvalidInput:
    with pytest.raises(InvalidInput) as refused:
        read()
    return refused.value


@pytest.mark.parametrize(("key", "shown"), KEYS.items(), ids=IDS)
def test_an_unknown_field_is_refused_by_its_cleaned_name(key: str, shown: str) -> None:
    document = Document({"known": True, key: 1}, "place")
    document.optional("known", a_boolean, default=False)
    document.optional("absent", a_boolean, default=False)

    refused = refusal(document.close)

    assert str(refused) == f"place.{shown}: is not known here; known are absent, known"
    assert refused.field == f"place.{shown}"
    assert refused.takes == "is not known here; known are absent, known"


@pytest.mark.parametrize(("key", "shown"), KEYS.items(), ids=IDS)
def test_a_required_field_and_what_is_in_it_are_refused_by_its_cleaned_name(
    key: str, shown: str
) -> None:
    document = Document({key: {"inner": 1}})

    def read(value: object, path: str) -> bool:
        return Document(value, path).required("inner", a_boolean)

    refused = refusal(lambda: document.required(key, read))

    assert str(refused) == f"{shown}.inner: takes true or false"


@pytest.mark.parametrize(("key", "shown"), KEYS.items(), ids=IDS)
def test_a_maps_field_is_refused_by_its_cleaned_name(key: str, shown: str) -> None:
    refused = refusal(lambda: a_map(a_boolean, 3)({key: 1}, "map"))

    assert str(refused) == f"map.{shown}: takes true or false"


@pytest.mark.parametrize("key", KEYS, ids=IDS)
def test_a_map_keeps_its_keys_as_they_are(key: str) -> None:
    assert a_map(a_boolean, 3)({key: True}, "map") == {key: True}


# Each is made when it is called: what makes a reader is part of what is tested.
READERS: dict[str, Callable[[object, str], Any]] = {
    "object": lambda value, path: Document(value, path).close(),
    "string": lambda value, path: a_string(5)(value, path),
    "boolean": a_boolean,
    "whole number": lambda value, path: a_whole_number(1, 5)(value, path),
    "duration": a_duration,
    "Region": a_region,
    "choice": lambda value, path: one_of({"a": 1, "b": 2})(value, path),
    "list": lambda value, path: a_list(a_boolean, 5)(value, path),
    "map": lambda value, path: a_map(a_boolean, 5)(value, path),
    "account id": an_account_id,
    "scope": read_scope,
    "scope's path": lambda value, path: read_scope({"include_paths": [value]}, path),
}


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        ("string", "x"),
        ("string", "x" * 5),
        ("whole number", 1),
        ("whole number", 5),
        ("map", {"a": True}),
        ("map", dict.fromkeys("abcde", True)),
    ],
)
def test_a_value_may_be_as_small_or_as_large_as_is_said(reader: str, value: object) -> None:
    assert READERS[reader](value, "field") == value


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1),
        ("90s", 90),
        ("15m", 900),
        ("1h", 3600),
        ("14d", 1_209_600),
        ("365d", 31_536_000),
        ("31536000s", 31_536_000),
    ],
)
def test_a_duration_is_read_in_seconds(text: str, seconds: int) -> None:
    assert a_duration(text, "field") == seconds


REFUSED: list[tuple[str, list[object], str]] = [
    ("string", ["", "x" * 6, 5, None, ["x"]], "takes a string of 1 to 5 characters"),
    ("whole number", [0, 6, True, 2.0, "2", None], "takes a whole number from 1 to 5"),
    (
        "duration",
        ["0s", "31536001s", "366d", "1w", "1.5h", "-1s", "15", "", 900, None],
        "takes a duration such as 90s, 15m, 1h or 14d, a year at most",
    ),
    (
        "map",
        [{}, dict.fromkeys("abcdef", True), [True], None],
        "takes a JSON object of 1 to 5 fields",
    ),
]


@pytest.mark.parametrize(
    ("reader", "value", "takes"),
    [(reader, value, takes) for reader, values, takes in REFUSED for value in values],
)
def test_any_other_value_is_refused_by_what_the_reader_takes(
    reader: str, value: object, takes: str
) -> None:
    assert str(refusal(lambda: READERS[reader](value, "field"))) == f"field: {takes}"


@pytest.mark.parametrize(("path", "shown"), [("", "input"), ("scope", "scope")])
def test_a_document_is_an_object(path: str, shown: str) -> None:
    assert str(refusal(lambda: Document([], path))) == f"{shown}: takes a JSON object"


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "wrap", [lambda v: v, lambda v: [v], lambda v: {"a": v}, lambda v: {"a": [v]}]
)
def test_a_refused_value_is_not_told(reader: str, wrap: Callable[[str], object]) -> None:
    refused = refusal(lambda: READERS[reader](wrap(VALUE), "field"))

    assert "told" not in str(refused)
    assert "example.com" not in str(refused)


def test_a_refusal_is_one_short_line_whatever_it_is_made_of() -> None:
    refused = InvalidInput("field" * 500, "takes\n\ud800")

    assert str(refused).isprintable()
    assert len(str(refused)) == 1000
