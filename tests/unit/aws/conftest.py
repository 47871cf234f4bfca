from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from moto import mock_aws

from functions.aws.ledger import Ledger
from functions.aws.sessions import Clients
from functions.services import registry
from tests.support.tables import create_table
from tests.unit.aws.support import REGION, a_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb.service_resource import Table


@pytest.fixture
def table() -> Iterator[Table]:
    with mock_aws():
        clients = Clients(a_session())
        yield create_table(clients.table("rollcall", REGION))


@pytest.fixture
def ledger(table: Table) -> Ledger:
    return Ledger(table, registry.SERVICES)
