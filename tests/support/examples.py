"""The examples in docs/events.md."""

from __future__ import annotations

import re
from pathlib import Path

_PAGE = Path(__file__).parents[2] / "docs" / "events.md"


def example(kind: str) -> str:
    """The JSON of the one example of a kind: ``event-pattern`` or ``filter-policy``."""
    (found,) = re.findall(rf"```json {kind}\n(.*?)```", _PAGE.read_text(), re.DOTALL)
    return str(found)
