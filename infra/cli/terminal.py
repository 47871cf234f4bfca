"""Writes what a verb has found: text, and documents of JSON.

The names of executions may be chosen by anybody who may start one, and contain e-mail addresses.
"""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console
from rich.text import Text

from functions.enrolment.text import redact
from infra.cli.story import printable


class Terminal(Console):
    """A console that writes texts without e-mail addresses and control characters."""

    def print(self, *objects: Any, **options: Any) -> None:
        """As that of ``Console``."""
        super().print(*map(_plain, objects), **options)


def print_document(document: dict[str, Any]) -> None:
    """Print a document as one line of JSON."""
    print(json.dumps(printable(document)))


def _plain(shown: Any) -> Any:
    """What is to be written; a text that has to be changed loses its colours."""
    if not isinstance(shown, (str, Text)):
        return shown
    text = str(shown)
    line = redact("".join(c if c.isprintable() or c == "\n" else "?" for c in text))
    if line == text:
        return shown
    return line if isinstance(shown, str) else Text(line)
