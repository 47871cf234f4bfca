"""Findings of cdk-nag that stand: acknowledged beside their cause, each with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk

if TYPE_CHECKING:
    from constructs import IConstruct


def acknowledge(construct: IConstruct, finding: str, reason: str) -> None:
    """Let a finding, for example ``AwsSolutions-SQS3``, stand at a construct."""
    cdk.Validations.of(construct).acknowledge(cdk.Acknowledgment(id=finding, reason=reason))


def as_written(stack: cdk.Stack, value: str) -> str:
    """A partition, Region or account as findings write it: itself, or the parameter it is."""
    resolved = stack.resolve(value)
    return resolved if isinstance(resolved, str) else f"<{resolved['Ref']}>"
