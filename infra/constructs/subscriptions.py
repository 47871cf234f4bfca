"""Subscriptions of a topic, as configured."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from aws_cdk import aws_sns as sns
from constructs import Construct

if TYPE_CHECKING:
    from collections.abc import Iterable

    from infra.notifications import Subscriber


class Subscriptions(Construct):
    """What a queue or function itself must allow is its owner's part."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        topic: sns.ITopic,
        subscribers: Iterable[Subscriber],
    ) -> None:
        super().__init__(scope, construct_id)
        for subscriber in subscribers:
            # By a digest of the endpoint: with an index, removing one subscriber would replace the
            # subscriptions after it and end one that is still wanted.
            digest = hashlib.sha256(subscriber.endpoint.encode()).hexdigest()[:12]
            sns.CfnSubscription(
                self,
                f"{subscriber.protocol} {digest}",
                topic_arn=topic.topic_arn,
                protocol=subscriber.protocol,
                endpoint=subscriber.endpoint,
                # The document itself; functions and URLs receive it in SNS's envelope.
                raw_message_delivery=True if subscriber.protocol == "sqs" else None,
            )
