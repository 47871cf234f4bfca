"""Words of the command line that must be among known ones: refused with the nearest of them."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from functions.enrolment.errors import InvalidInput
from functions.enrolment.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

# Of two Regions in one part of the world, such as eu-north-1 and eu-west-1, neither is meant.
_NEAR = 0.8
_LONGEST = 80


def check_word(option: str, word: str, known: Iterable[str]) -> None:
    """Refuse a word that is not known.

    Raises:
        InvalidInput: the message has the known words, the one given, and the nearest.
    """
    words = sorted(known)
    if word not in words:
        raise InvalidInput(option, f"takes one of {', '.join(words)}, {but_not(word, words)}")


def but_not(word: str, known: Iterable[str]) -> str:
    """The end of a refusal: the word that was given, and the nearest of those that are known."""
    return f"not {one_line(word, _LONGEST)}{nearest(word, known)}"


def nearest(word: str, known: Iterable[str]) -> str:
    """A question that names the known word nearest to another, "" if none is near."""
    words = {_plain(each): each for each in known}
    found = difflib.get_close_matches(_plain(word), words, n=1, cutoff=_NEAR)
    return f" (did you mean {words[found[0]]}?)" if found else ""


def _plain(word: str) -> str:
    return "".join(word.lower().split())
