"""Text from elsewhere: its e-mail addresses are redacted, and what is shown of it is short."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.enrolment.text import one_line, printable_key, redact

# Surrogates, control characters and line separators are among them.
ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("no address", "no address"),
        ("root@example.com", "(e-mail)"),
        ("{'Email': 'root@example.com'}", "{'Email': '(e-mail)'}"),
        ("email=root@example.com, id=1", "email=(e-mail), id=1"),
        ("<root@example.com> <ops+aws@example.org>", "<(e-mail)> <(e-mail)>"),
        ("root@gateway@example.com", "(e-mail)"),
        ("root=@example.com", "root(e-mail)"),
        ("at 3 @ 5, user@, @here", "at 3 @ 5, user@, @here"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_addresses_are_redacted_and_nothing_else(text: str, redacted: str) -> None:
    assert redact(text) == redacted


@given(st.emails(), ANY_TEXT, ANY_TEXT)
def test_an_address_is_redacted_whatever_stands_around_it(
    email: str, before: str, after: str
) -> None:
    assert email not in redact(before + email + after)


@given(ANY_TEXT)
def test_redacted_text_stays_as_it_is(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", ["a", "@", "a@", "'@", "a "])
def test_a_long_text_does_not_take_long(piece: str) -> None:
    text = piece * 250_000

    assert len(redact(text)) <= len(text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain", "plain"),
        (" two\r\n\tlines\u2028more ", "two lines more"),
        ("\x00\x1b[31m\ud800\u202e", "??[31m??"),
        ("Zürich \U0001f600", "Zürich \U0001f600"),
        ("x" * 20, "x" * 20),
        ("x" * 21, "x" * 19 + "…"),
    ],
)
def test_one_line_is_printable_and_short(text: str, line: str) -> None:
    assert one_line(text, 20) == line


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("accounts", "accounts"),
        ("x" * 65, "x" * 63 + "…"),
        ("\ud800", "?"),
        ("a\nb", "a b"),
        ("root@example.com", "(e-mail)"),
        ("", "(empty)"),
        ("\n", "(empty)"),
    ],
)
def test_a_key_is_shown_so_that_it_can_be_recognised(key: str, shown: str) -> None:
    assert printable_key(key) == shown


@given(ANY_TEXT, st.emails(), st.integers(0, 80))
def test_a_key_is_short_printable_and_no_address(text: str, email: str, padding: int) -> None:
    for key in (text, email, f"{'x' * padding} {email}", f"{'x' * padding}{email}{text}"):
        shown = printable_key(key)

        assert 1 <= len(shown) <= 64
        assert shown.isprintable()
        assert not re.search(r"[^\s@]@\w", shown)
