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

    from mypy_boto3_dynamodb import DynamoDBClient

    from functions.aws.rows import Rows


@pytest.fixture
def dynamodb() -> Iterator[DynamoDBClient]:
    with mock_aws():
        yield Clients(a_session()).client("dynamodb", REGION)


@pytest.fixture
def rows(dynamodb: DynamoDBClient) -> Rows:
    return create_table(dynamodb)


@pytest.fixture
def ledger(rows: Rows) -> Ledger:
    return Ledger(rows, registry.SERVICES)
