"""TagResource and its siblings for the one taggable thing each member service has here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.api import Caller, Operation, ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.facts.state import Installation
    from infra.local.services.shared.members import Members


class TagOperations:
    """Tags of hubs, detectors and graphs, found by ARN; an absent one is ``missing``."""

    def __init__(self, members: Members, missing: str) -> None:
        self._members = members
        self._missing = missing

    @property
    def operations(self) -> Mapping[str, Operation]:
        return {
            "TagResource": self.tag_resource,
            "UntagResource": self.untag_resource,
            "ListTagsForResource": self.list_tags_for_resource,
        }

    def tag_resource(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        self._resource(who, params).tags.update(params["Tags"])
        return {}

    def untag_resource(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        tags = self._resource(who, params).tags
        for key in params["TagKeys"]:
            tags.pop(key, None)
        return {}

    def list_tags_for_resource(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return {"Tags": dict(self._resource(who, params).tags)}

    def _resource(self, who: Caller, params: dict[str, Any]) -> Installation:
        found = self._members.state.installation(self._members.name, who.account_id, who.region)
        if found is None or found.arn != params["ResourceArn"]:
            raise ServiceError(self._missing, f"Resource {params['ResourceArn']} does not exist")
        return found
