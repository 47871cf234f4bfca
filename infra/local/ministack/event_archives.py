"""CloudFormation's AWS::Events::Archive, of which MiniStack has the API only."""

from __future__ import annotations

import json
from typing import Any

from ministack.services import eventbridge
from ministack.services.cloudformation.provisioners import _physical_name

# Of an archive's name (botocore, events ``ArchiveName``).
MOST_CHARACTERS = 48


def create(logical_id: str, props: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
    """Raises ValueError when EventBridge refuses it."""
    name = props.get("ArchiveName") or _physical_name(stack, logical_id, max_len=MOST_CHARACTERS)
    status, _, body = eventbridge._create_archive(_request(name, props))
    answer = json.loads(body)
    if status != 200:
        raise ValueError(f"AWS::Events::Archive {logical_id}: {answer.get('message')}")
    return name, {"Arn": answer["ArchiveArn"]}


def update(
    physical_id: str, old: dict[str, Any], new: dict[str, Any], stack: str
) -> tuple[str, dict[str, str]]:
    """Another name or bus makes another archive."""
    del stack
    if any(old.get(key) != new.get(key) for key in ("ArchiveName", "SourceArn")):
        raise ValueError("AWS::Events::Archive: replacement is not imitated")
    _, _, body = eventbridge._update_archive(_request(physical_id, new))
    return physical_id, {"Arn": json.loads(body)["ArchiveArn"]}


def delete(physical_id: str, props: dict[str, Any]) -> None:
    del props
    eventbridge._delete_archive({"ArchiveName": physical_id})


PROVISIONER = {"create": create, "update": update, "delete": delete}


def _request(name: str, props: dict[str, Any]) -> dict[str, Any]:
    pattern = props.get("EventPattern")
    return {
        "ArchiveName": name,
        "EventSourceArn": props["SourceArn"],
        "Description": props.get("Description", ""),
        "EventPattern": json.dumps(pattern) if isinstance(pattern, dict) else pattern or "",
        "RetentionDays": int(props.get("RetentionDays", 0)),
    }
