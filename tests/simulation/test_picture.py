"""The picture of a run is what ``rollcall watch`` writes to a terminal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.simulation.picture import PICTURE, picture

if TYPE_CHECKING:
    import pytest


def test_the_picture_is_what_a_terminal_shows(
    template: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PICTURE.read_text(encoding="utf-8") == picture(template, monkeypatch), (
        "draw it anew: make picture"
    )


def test_the_picture_needs_no_network() -> None:
    drawing = PICTURE.read_text(encoding="utf-8")

    assert re.findall(r"""[a-z]+:/+[^"' ]*|url\(|@import|href""", drawing) == [
        "http://www.w3.org/2000/svg"
    ]
