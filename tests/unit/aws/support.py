"""A session without AWS, and the table as the stack makes it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3

from functions.enrolment.records import OnboardingRecord
from tests.support.builders import ACCOUNT, NOW

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

REGION = "eu-west-1"
LEASE = 3600


@cache
def a_session() -> boto3.Session:
    """One for all tests: it keeps the service models it has read."""
    return boto3.Session(
        aws_access_key_id="testing",
        aws_secret_access_key="testing",  # noqa: S106 (a word for moto, no secret)
        region_name=REGION,
    )


def create_table(table: Table) -> Table:
    table.meta.client.create_table(
        TableName=table.name,
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
    return table


def an_onboarding(onboarding_id: str, **changes: Any) -> OnboardingRecord:
    """An onboarding that begins at ``NOW`` with a lease of an hour."""
    record = OnboardingRecord(
        id=onboarding_id,
        source="manual",
        automatic=False,
        dry_run=False,
        accounts=(ACCOUNT,),
        started_at=NOW,
        lease_until=NOW + LEASE,
    )
    return replace(record, **changes)


def watch(client: Any) -> list[str]:
    """The IAM actions of the calls this client will have made."""
    actions: list[str] = []

    def note(model: Any, **_: object) -> None:
        actions.append(f"{model.service_model.signing_name}:{model.name}")

    client.meta.events.register("provide-client-params", note)
    return actions
