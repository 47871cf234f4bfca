"""One local AWS for all tests of this tier; each keeps to accounts of its own."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from infra.local.process import LocalAws, local_aws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_numbers = count(1001)


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with local_aws(tmp_path_factory.mktemp("aws") / "aws.log", wait_scale=0.01) as running:
        yield running


@pytest.fixture
def new_account() -> Callable[[], str]:
    """Gives ids of accounts no other test has."""
    return lambda: f"{next(_numbers)}" * 3
