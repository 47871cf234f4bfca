"""The table as the stack makes it."""

from __future__ import annotations

import copy
from collections import defaultdict
from typing import TYPE_CHECKING

from moto.dynamodb.models.table import Table as MotoTable

from functions.aws.rows import Rows

if TYPE_CHECKING:
    import pytest
    from mypy_boto3_dynamodb import DynamoDBClient


def copy_tables_cheaply(monkeypatch: pytest.MonkeyPatch) -> None:
    """moto copies a table for every transaction, to put it back. Our transactions replace items and
    change none, so that a copy may share them."""

    def shared(table: MotoTable, _: object) -> MotoTable:
        copied = copy.copy(table)
        copied.items = defaultdict(dict, {k: dict(v) for k, v in table.items.items()})
        return copied

    monkeypatch.setattr(MotoTable, "__deepcopy__", shared, raising=False)


def create_table(client: DynamoDBClient, name: str = "rollcall") -> Rows:
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
            {"AttributeName": "kind", "AttributeType": "S"},
            {"AttributeName": "started_at", "AttributeType": "N"},
        ],
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-time",
                "KeySchema": [
                    {"AttributeName": "kind", "KeyType": "HASH"},
                    {"AttributeName": "started_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    return Rows(client, name)
