"""Acknowledged findings of cdk-nag, each with its reason, next to the construct that causes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk

if TYPE_CHECKING:
    from constructs import IConstruct


def acknowledge(construct: IConstruct, finding: str, reason: str) -> None:
    """Acknowledge a finding, for example ``AwsSolutions-SQS3``, of a construct."""
    cdk.Validations.of(construct).acknowledge(cdk.Acknowledgment(id=finding, reason=reason))


def as_written(stack: cdk.Stack, value: str) -> str:
    """A partition, Region or account as findings contain it: its value, or ``<parameter>``."""
    resolved = stack.resolve(value)
    return resolved if isinstance(resolved, str) else f"<{resolved['Ref']}>"
