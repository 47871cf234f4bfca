"""The archive of the events about accounts, from which they can be replayed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_cdk import aws_events as events
from constructs import Construct

from infra.organization import archived_pattern

if TYPE_CHECKING:
    from collections.abc import Mapping


class EventArchive(Construct):
    """Keeps for ``days`` what ``patterns`` match, and nothing else that is on the bus.

    A replayed event is the event with a field ``replay-name`` more: the rules match it again. It is
    not archived again (EventBridge user guide, "Archiving and replaying events").
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        bus: events.IEventBus,
        patterns: Mapping[str, Mapping[str, Any]],
        days: int,
    ) -> None:
        super().__init__(scope, construct_id)
        archive = events.CfnArchive(
            self,
            "Archive",
            source_arn=bus.event_bus_arn,
            description="Rollcall: events about accounts, to be replayed after an outage",
            event_pattern=archived_pattern(patterns),
            retention_days=days,
        )
        self.arn = archive.attr_arn
