"""The page about the local AWS is what the services say."""

from __future__ import annotations

from infra.local.operations import PAGE, page


def test_the_page_is_what_the_services_say() -> None:
    assert PAGE.read_text() == page(), "generate it again: python -m infra.local.operations"
