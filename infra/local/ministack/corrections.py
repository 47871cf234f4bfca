"""Where MiniStack is unlike AWS in a way Rollcall depends on, put right at start-up.

The corrections reach into MiniStack, so they are for one version of it; each stands alone.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextvars import ContextVar
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

from ministack import app as ministack_app
from ministack.core import iam_evaluator, lambda_runtime
from ministack.services import (
    cloudtrail,
    dynamodb,
    ec2,
    eventbridge,
    iam,
    lambda_svc,
    stepfunctions,
    sts,
)
from ministack.services.cloudformation import provisioners

from infra.local.ministack import bus_policies, event_archives
from infra.local.ministack.admission import KnowsAccounts, admit_bucket_hosts, admit_callers
from infra.local.ministack.described_regions import describe_regions_of
from infra.local.ministack.event_history import answer_in_pages
from infra.local.ministack.event_targets import forward_anywhere, keep_undelivered
from infra.local.ministack.put_events import put_events_elsewhere
from infra.local.ministack.roles import refuse_untrusted_callers
from infra.local.ministack.service_linked_roles import name_service_linked_roles
from infra.local.ministack.tables import set_expiry_and_recovery
from infra.local.ministack.target_checks import (
    KnowsSwitches,
    check_bus_policies,
    put_targets_of_created_rules,
)
from infra.local.ministack.tested_events import require_whole_events
from infra.local.ministack.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from infra.local.ministack.shared_code import SharedCode

# requirements/local.in asks for the same.
WRITTEN_FOR = "1.5.33"

# The worker's answer for a handler that raised, and the same with what AWS reports of it. It says
# "ok" because to MiniStack "error" means the process must go; on AWS it outlives an exception.
_ANSWER = (
    '{"status": "error", "error": str(e), "trace": traceback.format_exc()}',
    '{"status": "ok", "result": None, "raised": {"errorMessage": str(e), '
    '"errorType": type(e).__name__, "stackTrace": traceback.format_tb(e.__traceback__)[1:]}}',
)

# How many functions run at once for executions. Since a function may itself wait for an execution
# with further ones, one more runs when none has begun or ended for this long.
_AT_ONCE = 3 * max(os.cpu_count() or 1, 2)
_TURN_SECONDS = 60.0

_raised: ContextVar[dict[str, Any] | None] = ContextVar("_raised", default=None)


class Outdated(RuntimeError):
    """Another MiniStack is installed than the one the corrections are written for."""


class KnowsFacts(KnowsAccounts, KnowsSwitches, Protocol):
    """What the corrections ask of the local world."""


def correct_ministack(facts: KnowsFacts, shared_code: SharedCode) -> None:
    """Apply every correction, once. Raises Outdated."""
    installed = version("ministack")
    if installed != WRITTEN_FOR:
        raise Outdated(
            f"MiniStack {installed} is installed, but its corrections in {__name__} are written "
            f"for {WRITTEN_FOR}"
        )
    name_handler_errors()
    cap_retry_delays()
    give_child_executions_their_own_context()
    run_functions_as_their_role()
    share_code_between_workers(shared_code)
    take_turns_in_executions()
    answer_without_waiting_for_logs()
    remember_transactions_without_their_items()
    _replace(ministack_app, "_dispatch_service_request", admit_callers(facts))
    _replace(ministack_app, "_handle_s3_vhost_request", admit_bucket_hosts(facts))
    _replace(sts, "handle_request", refuse_untrusted_callers(facts))
    # For aws:PrincipalOrgID.
    _replace(iam_evaluator, "_principal_org_id", lambda _: facts.organization_of)
    _replace_action(iam._IAM_HANDLERS, "CreateServiceLinkedRole", name_service_linked_roles)
    _replace_action(ec2._ACTION_MAP, "DescribeRegions", describe_regions_of(facts))
    _replace_action(cloudtrail._DISPATCH, "LookupEvents", answer_in_pages)
    _replace(eventbridge, "_test_event_pattern", require_whole_events)
    tables = provisioners._RESOURCE_HANDLERS["AWS::DynamoDB::Table"]
    _replace_action(tables, "create", set_expiry_and_recovery)
    deliver_events_as_aws_does()
    check_targets_as_aws_does(facts)


def name_handler_errors() -> None:
    """A Python exception keeps its class name as errorType, so Retry and Catch can name it.

    MiniStack reports every one as Runtime.HandlerError, and replaces the worker.
    """
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    lambda_runtime._PYTHON_WORKER_SCRIPT = script.replace(*_ANSWER)
    _replace(lambda_runtime.Worker, "invoke", _remember_raised)
    _replace(lambda_svc, "_execute_function_warm", _report_raised)


def cap_retry_delays() -> None:
    """Retry's MaxDelaySeconds is honoured. JitterStrategy is not: waits are the longest allowed."""
    _replace(stepfunctions, "_find_matching_retrier", _cap_delay)


def give_child_executions_their_own_context() -> None:
    """``$$.Execution`` inside a Distributed Map is the child's; MiniStack has the parent's."""
    _replace(stepfunctions, "_run_sub_machine", _own_context)


def run_functions_as_their_role() -> None:
    """A function's credentials are its execution role's, so that trust policies can name it.

    MiniStack gives it its account's root unless it checks every policy.
    """
    _replace(lambda_runtime, "execution_credentials", lambda _: _role_credentials)
    _replace(lambda_svc, "execution_credentials", lambda _: _role_credentials)


def share_code_between_workers(shared_code: SharedCode) -> None:
    """Workers of the same code find it in one folder, as they do on AWS."""
    lambda_runtime.zipfile = shared_code


def take_turns_in_executions() -> None:
    """At most ``_AT_ONCE`` functions run for executions; others wait.

    MiniStack starts a process for each, of 37 MB with one client, and beyond what it takes the
    memory to hold it fails the task with an error that AWS does not have. On AWS there is room.
    """
    _replace(stepfunctions, "_call_lambda", _in_turn)


def answer_without_waiting_for_logs() -> None:
    """The answer of a function that logs nothing does not come 50 ms late.

    The worker writes its lines before the answer: they are there by then, or a moment later.
    """
    lambda_runtime.Worker._drain_stderr_bounded.__defaults__ = (0.003, 0.001, 0.25)


def remember_transactions_without_their_items() -> None:
    """Of a transaction with a token, the digest is kept for ten minutes to know it again by.

    MiniStack keeps the whole request, and SDKs send a token with each: several times the memory of
    the tables.
    """
    _replace(dynamodb, "_txn_token_store", _with_digest)


def deliver_events_as_aws_does() -> None:
    """Event buses of other accounts and Regions, their policies, and dead-letter queues."""
    _replace(eventbridge, "_dispatch_to_event_bus", forward_anywhere)
    _replace(eventbridge, "_invoke_target", keep_undelivered)
    _replace(eventbridge, "_put_events", put_events_elsewhere)
    _replace(eventbridge, "_put_permission", bus_policies.keep_policies_as_written)
    provisioners._RESOURCE_HANDLERS["AWS::Events::EventBusPolicy"] = bus_policies.PROVISIONER
    provisioners._RESOURCE_HANDLERS["AWS::Events::Archive"] = event_archives.PROVISIONER


def check_targets_as_aws_does(facts: KnowsSwitches) -> None:
    """PutTargets looks at the policy of a bus elsewhere, and CloudFormation calls PutTargets."""
    _replace(eventbridge, "_put_targets", check_bus_policies(facts))
    _replace(provisioners, "_eb_rule_create", put_targets_of_created_rules)
    provisioners._RESOURCE_HANDLERS["AWS::Events::Rule"]["create"] = provisioners._eb_rule_create


def _replace(
    owner: ModuleType | type, name: str, corrected: Callable[[Callable[..., Any]], Any]
) -> None:
    """``corrected`` gets the original and gives what takes its place."""
    setattr(owner, name, corrected(getattr(owner, name)))


def _replace_action(
    actions: dict[str, Any], name: str, corrected: Callable[[Callable[..., Any]], Any]
) -> None:
    actions[name] = corrected(actions[name])


def _remember_raised(invoke: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def remembering(*args: Any, **kwargs: Any) -> dict[str, Any]:
        response = invoke(*args, **kwargs)
        _raised.set(response.get("raised"))
        return response

    return remembering


def _report_raised(execute: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def reporting(func: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        _raised.set(None)
        answer = execute(func, event, request_id)
        raised = _raised.get()
        if raised is None:
            return answer
        text = f"[ERROR] {raised['errorType']}: {raised['errorMessage']}"
        trace = "Traceback (most recent call last):\n" + "".join(raised["stackTrace"])
        return {
            "body": {
                "errorMessage": raised["errorMessage"],
                "errorType": raised["errorType"],
                "requestId": request_id,
                "stackTrace": raised["stackTrace"],
            },
            "error": True,
            "log": "\n".join(filter(None, [answer.get("log"), text, trace])),
        }

    return reporting


def _in_turn(call: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    turns = Turns(_AT_ONCE, _TURN_SECONDS)

    def in_turn(function: str, event: Any) -> Any:
        with turns.turn():
            return call(function, event)

    return in_turn


class _Digest:
    """Equals every request with the content of the one that it was made of."""

    def __init__(self, request: dict[str, Any]) -> None:
        self._digest = self._of(request)

    def __eq__(self, other: object) -> bool:
        return self._digest == self._of(other)

    __hash__ = None  # type: ignore[assignment]  # it is compared only

    @staticmethod
    def _of(request: object) -> bytes:
        return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).digest()


def _with_digest(store: Callable[..., None]) -> Callable[..., None]:
    def storing(token: str, entry: dict[str, Any]) -> None:
        store(token, entry | {"signature": _Digest(entry["signature"])})

    return storing


def _cap_delay(find: Callable[..., Any]) -> Callable[..., Any]:
    def capped(
        retriers: list[dict[str, Any]], error: str, counts: dict[int, int]
    ) -> tuple[dict[str, Any] | None, int]:
        retrier, number = find(retriers, error, counts)
        if retrier is None or "MaxDelaySeconds" not in retrier:
            return retrier, number
        rate = retrier.get("BackoffRate", 2.0)
        delay = retrier.get("IntervalSeconds", 1) * rate ** counts.get(number, 0)
        delay = min(delay, retrier["MaxDelaySeconds"])
        return retrier | {"IntervalSeconds": delay, "BackoffRate": 1.0}, number

    return capped


def _own_context(run: Callable[..., Any]) -> Callable[..., Any]:
    def running(
        states: Any, start_at: Any, input_data: Any, execution: dict[str, Any], ctx: dict[str, Any]
    ) -> Any:
        if "mapRunArn" in execution:
            own = {
                "Id": execution["executionArn"],
                "Input": json.loads(execution["input"]),
                "Name": execution["name"],
                "StartTime": execution["startDate"],
            }
            ctx = ctx | {"Execution": own}
        return run(states, start_at, input_data, execution, ctx)

    return running


def _role_credentials(config: dict[str, Any]) -> dict[str, str]:
    """The same for every environment of one function, so that warm ones stay valid."""
    arn, role = config["FunctionArn"], config["Role"].rsplit("/", 1)[-1]
    account, name = arn.split(":")[4], config["FunctionName"][:64]
    digest = hashlib.sha256(f"{arn}:{role}".encode()).hexdigest()
    key, secret, token = f"ASIA{digest[:16].upper()}", f"secret-{digest}", f"token-{digest}"
    session = {
        "Arn": f"arn:aws:sts::{account}:assumed-role/{role}/{name}",
        "UserId": f"{role}:{name}",
        "AccountId": account,
        "PrincipalType": "AssumedRole",
        "SecretAccessKey": secret,
        "SessionToken": token,
    }
    sts.register_session(key, session)
    return {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_SESSION_TOKEN": token,
    }
