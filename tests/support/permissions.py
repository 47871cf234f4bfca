"""Which role makes which call: every request of a session, as the IAM actions that it takes."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import boto3
    from botocore.model import OperationModel

MEMBER_ROLE = "member role"
# The parts of a transaction (DynamoDB guide, "Using IAM with DynamoDB transactions").
_PARTS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}


class UsedActions:
    """``each`` action that a role has used; a step's role is named after its module."""

    def __init__(self, session: boto3.Session, administrator: str) -> None:
        self.each: set[tuple[str, str]] = set()
        self._administrator = administrator
        self._current = threading.local()
        self._of_pools: str | None = None
        session.events.register("before-call", self._note)

    @contextmanager
    def of(self, step: str) -> Iterator[None]:
        """Note what this thread and pools of threads call meanwhile as the step's; other calls are
        the tests' own. Steps with pools run alone.
        """
        self._current.step = self._of_pools = step
        try:
            yield
        finally:
            self._current.step = self._of_pools = None

    def _note(
        self, model: OperationModel, params: dict[str, Any], request_signer: Any, **_: object
    ) -> None:
        pooled = threading.current_thread().name.startswith("ThreadPoolExecutor")
        step = self._of_pools if pooled else getattr(self._current, "step", None)
        if step is not None:
            # The local services know accounts by the access key.
            mine = request_signer._credentials.access_key == self._administrator
            role = step if mine else MEMBER_ROLE
            self.each |= {(role, action) for action in _actions(model, params)}


def _actions(model: OperationModel, request: dict[str, Any]) -> set[str]:
    operations = {model.name}
    if model.name == "TransactWriteItems":
        parts = json.loads(request["body"])["TransactItems"]
        operations = {_PARTS[kind] for part in parts for kind in part}
    # For the services that are called, IAM's prefix is the name that requests are signed with.
    return {f"{model.service_model.signing_name}:{operation}" for operation in operations}
