"""Which role makes which call: every request of a session, as the IAM actions that it takes."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from types import SimpleNamespace
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
    """``each`` action that a role has used; a step's role is named after its module.

    ``denied`` is an action that IAM denies to every role, None for none.
    """

    def __init__(self, session: boto3.Session, administrator: str) -> None:
        self.each: set[tuple[str, str]] = set()
        self.denied: str | None = None
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
    ) -> Any:
        """Nothing, so that the call is made, or the answer in its place if it is denied."""
        pooled = threading.current_thread().name.startswith("ThreadPoolExecutor")
        step = self._of_pools if pooled else getattr(self._current, "step", None)
        if step is not None:
            # The local services know accounts by the access key.
            mine = request_signer._credentials.access_key == self._administrator
            role = step if mine else MEMBER_ROLE
            actions = _actions(model, params)
            self.each |= {(role, action) for action in actions}
            if self.denied in actions:
                return _denial(model, self.denied)
        return None


def _denial(model: OperationModel, action: str | None) -> tuple[Any, dict[str, Any]]:
    """A response as botocore has parsed it (IAM user guide, "Troubleshoot access denied error
    messages"). Services that answer with XML leave "Exception" out of the code.
    """
    service = model.service_model
    in_xml = service.protocol in ("query", "rest-xml")
    status = 400 if service.protocol == "json" else 403
    words = (
        f"User: arn:aws:iam::111122223333:user/operator is not authorized to perform: {action}"
        f" because no identity-based policy allows the {action} action"
    )
    error = {"Code": "AccessDenied" if in_xml else "AccessDeniedException", "Message": words}
    parsed = {"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}
    return SimpleNamespace(status_code=status), parsed


def _actions(model: OperationModel, request: dict[str, Any]) -> set[str]:
    operations = {model.name}
    if model.name == "TransactWriteItems":
        parts = json.loads(request["body"])["TransactItems"]
        operations = {_PARTS[kind] for part in parts for kind in part}
    # For the services that are called, IAM's prefix is the name that requests are signed with.
    return {f"{model.service_model.signing_name}:{operation}" for operation in operations}
