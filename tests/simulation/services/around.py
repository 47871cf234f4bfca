"""S3, EventBridge, SNS, Step Functions and STS in memory: what Rollcall's requests need of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from infra.local.wire.http import Response
from tests.simulation.services.reply import Asked, Errors, Refusal
from tests.simulation.services.wire import Json, Query

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra.local.wire.http import Request
    from tests.simulation.machine import Execution, StateMachines

# Executions on a page.
_PAGE = 3
_XML = {"Content-Type": "application/xml"}


class S3:
    """One bucket; ``objects`` are their texts by key."""

    errors = Errors(
        throttled=("SlowDown", 503), failed=("InternalError", 500), denied=("AccessDenied", 403)
    )

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket
        self.objects: dict[str, str] = {}

    def ask(self, operation: str, request: Request) -> Asked:
        path = unquote(request.path).removeprefix("/")
        host = request.headers["host"]
        if host.startswith(f"{self._bucket}."):
            key = path
        else:
            _, _, key = path.partition("/")
        chunked = request.headers.get("content-encoding") == "aws-chunked"
        body = (_unchunked(request.body) if chunked else request.body).decode()

        def do() -> Mapping[str, Any]:
            if operation == "PutObject":
                self.objects[key] = body
                return {}
            if key not in self.objects:
                # As to every caller without s3:ListBucket (S3 API reference, GetObject).
                raise Refusal("AccessDenied", "Access Denied", 403)
            return {"Body": self.objects[key]}

        return Asked(frozenset({f"s3:{operation}"}), (f"arn:aws:s3:::{self._bucket}/{key}",), do)

    def answer(self, _: str, result: Mapping[str, Any]) -> Response:
        return Response(200, {"ETag": '"0"'}, str(result.get("Body", "")).encode())

    def refuse(self, refusal: Refusal) -> Response:
        text = f"<Error><Code>{refusal.code}</Code><Message>{refusal.message}</Message></Error>"
        return Response(refusal.status, _XML, text.encode())


class EventBridge(Json):
    """``put`` is told every entry of PutEvents."""

    errors = Errors(throttled=("ThrottlingException", 400), failed=("InternalException", 500))

    def __init__(self, bus_arn: str, put: Callable[[Mapping[str, Any]], object]) -> None:
        self._bus_arn = bus_arn
        self._put = put
        self._count = 0

    def ask(self, operation: str, request: Request) -> Asked:
        entries = json.loads(request.body)["Entries"]

        def do() -> Mapping[str, Any]:
            told = []
            for entry in entries:
                self._put(entry)
                self._count += 1
                told.append({"EventId": f"event-{self._count}"})
            return {"FailedEntryCount": 0, "Entries": told}

        def share() -> Mapping[str, Any]:
            failed = {"ErrorCode": "ThrottlingException", "ErrorMessage": "Rate exceeded"}
            return {"FailedEntryCount": len(entries), "Entries": [failed for _ in entries]}

        return Asked(frozenset({f"events:{operation}"}), (self._bus_arn,), do, share)


class Sns(Query):
    """``sent`` is told every message."""

    errors = Errors(
        throttled=("Throttling", 400),
        failed=("InternalError", 500),
        denied=("AuthorizationError", 403),
    )

    def __init__(self, sent: Callable[[Mapping[str, Any]], object]) -> None:
        self._sent = sent
        self._count = 0

    def ask(self, operation: str, request: Request) -> Asked:
        form = _form(request)

        def do() -> Mapping[str, Any]:
            self._sent(form)
            self._count += 1
            return {"MessageId": f"message-{self._count}"}

        return Asked(frozenset({f"sns:{operation}"}), (form["TopicArn"],), do)


class StepFunctions(Json):
    errors = Errors(throttled=("ThrottlingException", 400), failed=("InternalServerError", 500))

    def __init__(self, machines: StateMachines) -> None:
        self._machines = machines

    def ask(self, operation: str, request: Request) -> Asked:
        given = json.loads(request.body)
        resource = given.get("executionArn") or given["stateMachineArn"]

        def do() -> Mapping[str, Any]:
            match operation:
                case "StartExecution":
                    return self._start(given)
                case "ListExecutions":
                    return self._list(resource, given["statusFilter"], given.get("nextToken"))
            return self._describe(resource)

        return Asked(frozenset({f"states:{operation}"}), (resource,), do)

    def _start(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        machine, name, document = given["stateMachineArn"], given["name"], given["input"]
        arn = f"{machine.replace(':stateMachine:', ':execution:')}:{name}"
        before = self._machines.executions.get(arn)
        if before is None:
            self._machines.start(machine, name, json.loads(document))
            before = self._machines.executions[arn]
        elif before.ended_at is not None or before.input != json.loads(document):
            raise Refusal("ExecutionAlreadyExists", f"Execution Already Exists: '{arn}'")
        return {"executionArn": arn, "startDate": before.started_at}

    def _describe(self, arn: str) -> Mapping[str, Any]:
        found = self._machines.executions.get(arn)
        if found is None:
            raise Refusal("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        why = {"error": found.error, "cause": found.cause}
        given = {"input": json.dumps(found.input)}
        return self._told(found) | given | {k: v for k, v in why.items() if v is not None}

    def _list(self, machine: str, status: str, token: str | None) -> Mapping[str, Any]:
        found = [
            each
            for each in self._machines.executions.values()
            if (each.machine_arn, each.status) == (machine, status)
        ]
        found.sort(key=lambda each: each.started_at, reverse=True)
        start = int(token or 0)
        end = start + _PAGE
        more = {"nextToken": str(end)} if end < len(found) else {}
        return {"executions": [self._told(each) for each in found[start:end]], **more}

    def _told(self, execution: Execution) -> dict[str, Any]:
        ended = {} if execution.ended_at is None else {"stopDate": execution.ended_at}
        return {
            "executionArn": execution.arn,
            "stateMachineArn": execution.machine_arn,
            "name": execution.name,
            "status": execution.status,
            "startDate": execution.started_at,
            **ended,
        }


class Sts(Query):
    """``may_assume`` is asked about an account, a role's ARN and an external id."""

    errors = Errors(
        throttled=("Throttling", 400), failed=("InternalFailure", 500), denied=("AccessDenied", 403)
    )

    def __init__(
        self, now: Callable[[], float], may_assume: Callable[[str, str, str | None], bool]
    ) -> None:
        self._now = now
        self._may_assume = may_assume

    def ask(self, operation: str, request: Request) -> Asked:
        form = _form(request)
        arn = form["RoleArn"]
        account_id = arn.split(":")[4]

        def do() -> Mapping[str, Any]:
            if not self._may_assume(account_id, arn, form.get("ExternalId")):
                text = f"User is not authorized to perform: sts:AssumeRole on resource: {arn}"
                raise Refusal("AccessDenied", text, 403)
            until = datetime.fromtimestamp(self._now() + int(form["DurationSeconds"]), UTC)
            return {
                "Credentials": {
                    "AccessKeyId": account_id,
                    "SecretAccessKey": "local",
                    "SessionToken": "local",
                    "Expiration": until.isoformat(timespec="seconds"),
                },
                "AssumedRoleUser": {"AssumedRoleId": "A:rollcall", "Arn": arn},
            }

        return Asked(frozenset({f"sts:{operation}"}), (arn,), do)


def _unchunked(body: bytes) -> bytes:
    """A body in the encoding aws-chunked: the length of each chunk comes before it."""
    whole = b""
    while True:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            return whole
        whole, body = whole + rest[:length], rest[length + 2 :]


def _form(request: Request) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(request.body.decode()).items()}
