"""One headless Chromium for all tests of this tier."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.chromium import chromium, page_in, runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.chromium import Browser, Page

VARIABLE = "ROLLCALL_CHROMIUM"
PINNED = Path(__file__).parent / "node_modules/.chromium/chromium"


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = Path(os.environ.get(VARIABLE) or PINNED)
    if not runs(program):
        pytest.skip(f"{program} does not run on this machine; {VARIABLE} takes another Chromium")
    with chromium(program, tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with page_in(browser) as opened:
        opened.emulate(1280, 900)
        yield opened
