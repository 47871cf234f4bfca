"""A subscriber to the published results."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.cli.local.deployment import Deployment
    from infra.local.process import LocalAws


class Subscriber:
    """One queue subscribed to the topic and one as the target of a rule on the bus."""

    def __init__(self, aws: LocalAws, account_id: str, region: str, deployment: Deployment) -> None:
        self._sqs = aws.client("sqs", account_id, region)
        self._queues = {
            channel: self._sqs.create_queue(QueueName=f"rollcall-results-from-{channel}")[
                "QueueUrl"
            ]
            for channel in ("topic", "bus")
        }
        aws.client("sns", account_id, region).subscribe(
            TopicArn=deployment.topic_arn,
            Protocol="sqs",
            Endpoint=self._arn("topic"),
            Attributes={"RawMessageDelivery": "true"},
        )
        events = aws.client("events", account_id, region)
        place = {"Rule": "rollcall-results", "EventBusName": deployment.bus_name}
        events.put_rule(
            Name=place["Rule"],
            EventBusName=place["EventBusName"],
            EventPattern=json.dumps({"source": ["rollcall"]}),
        )
        events.put_targets(**place, Targets=[{"Id": "queue", "Arn": self._arn("bus")}])

    def receive(
        self, is_wanted: Callable[[dict[str, Any]], bool], *, seconds: float
    ) -> dict[str, dict[str, Any]]:
        """The wanted result, by each channel on which it arrived in time; others are dropped."""
        give_up = time.monotonic() + seconds
        received: dict[str, dict[str, Any]] = {}
        while len(received) < len(self._queues) and time.monotonic() < give_up:
            for channel, url in self._queues.items():
                response = self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
                for message in response.get("Messages", []):
                    body = json.loads(message["Body"])
                    result = body["detail"] if channel == "bus" else body
                    if is_wanted(result):
                        received[channel] = result
            time.sleep(0.1)
        return received

    def _arn(self, channel: str) -> str:
        attributes = self._sqs.get_queue_attributes(
            QueueUrl=self._queues[channel], AttributeNames=["QueueArn"]
        )
        arn: str = attributes["Attributes"]["QueueArn"]
        return arn
