"""A session without AWS, and an onboarding."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import boto3

from functions.enrolment.records import OnboardingRecord
from tests.support.builders import ACCOUNT, NOW

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
