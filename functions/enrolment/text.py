"""Prepares text from other sources for logging, storing and publishing."""

from __future__ import annotations

import json
import re

MOST_OF_A_KEY = 64
# GuardDuty and Detective take no longer ones (botocore).
MOST_OF_AN_EMAIL = 64

_PART = r"[^\s@<>()\[\]{}\"'=:;,]"
# Matching starts only at the start of a part and never backtracks into it, so that the time is
# linear in the length of the text, not quadratic. RFC 5322 allows the last character before the @
# to be one that ends a part here, such as '.
_EMAIL = re.compile(rf"(?:(?<!{_PART}){_PART}++|[^\s@])(?:@{_PART}++)+")

# Detective's pattern (botocore ``detective.EmailAddress``), without the lone surrogates that UTF-8
# cannot encode.
_ADDRESS = re.compile(
    r"[^\n\ud800-\udfff]+@(?:(?:(?!-)[A-Za-z0-9-]{1,62})?[A-Za-z0-9]\.)+[A-Za-z]{2,63}"
)


def is_email(text: str) -> bool:
    """Whether every service takes the text as an e-mail address."""
    return len(text) <= MOST_OF_AN_EMAIL and _ADDRESS.fullmatch(text) is not None


def redact(text: str) -> str:
    """``text`` with every e-mail address replaced by "(e-mail)"."""
    return _EMAIL.sub("(e-mail)", text)


def one_line(text: str, most: int) -> str:
    """``text`` as one line of at most ``most`` characters, with "?" for unprintable ones.

    Lone surrogates, which UTF-8 cannot encode, count as unprintable.
    """
    words = " ".join(text.split())
    line = "".join(character if character.isprintable() else "?" for character in words)
    return line if len(line) <= most else line[: most - 1] + "…"


def parsed(text: str | bytes) -> object:
    """The value of a JSON text; None if it is not JSON, or nested too deeply to be read."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def printable_key(key: str) -> str:
    """A key of a JSON object for use in messages: one short line without e-mail addresses."""
    return one_line(redact(key), MOST_OF_A_KEY) or "(empty)"
