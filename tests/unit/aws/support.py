"""A session without AWS, and an onboarding."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import boto3

from tests.support import builders
from tests.support.builders import NOW

if TYPE_CHECKING:
    from functions.enrolment.records import OnboardingRecord

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
    return builders.an_onboarding(id=onboarding_id, **{"lease_until": NOW + LEASE} | changes)


def watch(client: Any) -> list[str]:
    """The IAM actions of the calls this client will have made."""
    actions: list[str] = []

    def note(model: Any, **_: object) -> None:
        actions.append(f"{model.service_model.signing_name}:{model.name}")

    client.meta.events.register("provide-client-params", note)
    return actions
