"""The page about reasons is the table of reasons."""

from __future__ import annotations

from infra.reasons_page import PAGE, reasons_page


def test_the_page_is_what_the_table_says() -> None:
    assert PAGE.read_text() == reasons_page(), "make it anew: python -m infra.reasons_page"


def test_the_page_shows_no_template() -> None:
    assert "{" not in reasons_page()
