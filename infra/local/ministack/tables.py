"""What CloudFormation sets on a table beside its keys, which MiniStack leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ministack.services import dynamodb

if TYPE_CHECKING:
    from collections.abc import Callable

    Made = tuple[str, dict[str, str]]


def set_expiry_and_recovery(create: Callable[..., Made]) -> Callable[..., Made]:
    """MiniStack's creation of an AWS::DynamoDB::Table, with time to live and recovery."""

    def create_table(logical_id: str, props: dict[str, Any], stack: str) -> Made:
        made = create(logical_id, props, stack)
        expiry = props.get("TimeToLiveSpecification")
        if expiry:
            dynamodb._update_ttl({"TableName": made[0], "TimeToLiveSpecification": expiry})
        recovery = props.get("PointInTimeRecoverySpecification")
        if recovery:
            dynamodb._update_continuous_backups(
                {"TableName": made[0], "PointInTimeRecoverySpecification": recovery}
            )
        return made

    return create_table
