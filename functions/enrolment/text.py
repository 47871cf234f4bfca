"""Text that others wrote, made fit to be logged, kept and published."""

from __future__ import annotations

import re

MOST_OF_A_KEY = 64

_PART = r"[^\s@<>()\[\]{}\"'=:;,]"
# Matching starts only where a part starts and never backtracks into it, so that the time it takes
# grows with the text and not with its square. RFC 5322 allows an address's last character before
# the @ to be one that ends a part here, such as '.
_EMAIL = re.compile(rf"(?:(?<!{_PART}){_PART}++|[^\s@])(?:@{_PART}++)+")


def redact(text: str) -> str:
    """``text`` with "(e-mail)" in the place of every e-mail address."""
    return _EMAIL.sub("(e-mail)", text)


def one_line(text: str, most: int) -> str:
    """``text`` as one line of at most ``most`` characters, with "?" for what cannot be printed.

    Lone surrogates, which UTF-8 cannot encode, are among what cannot be printed.
    """
    words = " ".join(text.split())
    line = "".join(character if character.isprintable() else "?" for character in words)
    return line if len(line) <= most else line[: most - 1] + "…"


def printable_key(key: str) -> str:
    """A key of a JSON object as messages name it: one short line, and no e-mail address."""
    return one_line(redact(key), MOST_OF_A_KEY) or "(empty)"
