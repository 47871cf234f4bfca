"""The corrections of MiniStack, made in the interpreter that has it."""

from __future__ import annotations

import json
import subprocess

import pytest

from infra.local.process import PYTHON, ROOT

OTHER_VERSIONS = [
    "core.lambda_runtime: it._PYTHON_WORKER_SCRIPT = 'other'",
    "core.lambda_runtime.Worker: del it.invoke",
    "core.lambda_runtime: del it.execution_credentials",
    "core.iam_evaluator: del it._principal_org_id",
    "core.iam_evaluator: del it.combine_resource_policy",
    "services.lambda_svc: del it._execute_function_warm",
    "services.stepfunctions: del it._find_matching_retrier",
    "services.stepfunctions: del it._run_sub_machine",
    "services.sts: del it.handle_request",
    "services.eventbridge: del it._invoke_target",
    "services.eventbridge: del it._dispatch_to_event_bus",
    "services.eventbridge: del it._put_permission",
    "services.eventbridge: del it._event_bus_policies",
    "services.sqs: del it._act_send_message",
    "services.cloudformation.provisioners: "
    "it._RESOURCE_HANDLERS['AWS::Events::EventBusPolicy'] = {}",
]

# One import of MiniStack, and a child of it for each version: what is corrected stays corrected.
EACH_VERSION = """
import json, os, pkgutil, sys
from infra.local.corrections import Outdated, correct_ministack
from infra.local.shared_code import SharedCode
for version in json.loads(sys.argv[1]):
    where, _, change = version.partition(": ")
    if os.fork() == 0:
        exec(change, {"it": pkgutil.resolve_name("ministack." + where)})
        try:
            correct_ministack(lambda account: None, SharedCode())
            said = None
        except Outdated as error:
            said = str(error)
        print(json.dumps([version, said]), flush=True)
        os._exit(0)
    os.wait()
"""


def run(program: str, *arguments: str) -> str:
    return subprocess.run(  # noqa: S603 (our own program)
        [str(PYTHON), "-c", program, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.fixture(scope="module")
def refusals() -> dict[str, str | None]:
    lines = run(EACH_VERSION, json.dumps(OTHER_VERSIONS)).splitlines()
    return dict(json.loads(line) for line in lines)


@pytest.mark.parametrize("other_version", OTHER_VERSIONS)
def test_another_ministack_is_refused_by_name(
    refusals: dict[str, str | None], other_version: str
) -> None:
    said = refusals[other_version]

    assert said is not None
    assert said.startswith("ministack.")


def test_retry_delays_are_capped_where_a_cap_is_stated() -> None:
    printed = run(
        "import json\n"
        "from infra.local.corrections import cap_retry_delays\n"
        "from ministack.services import stepfunctions\n"
        "cap_retry_delays()\n"
        "def delays(**cap):\n"
        "    retrier = {'ErrorEquals': ['E'], 'IntervalSeconds': 2, 'BackoffRate': 3,\n"
        "               'MaxAttempts': 9} | cap\n"
        "    found = [stepfunctions._find_matching_retrier([retrier], 'E', {0: n})[0]\n"
        "             for n in range(4)]\n"
        "    return [r['IntervalSeconds'] * r['BackoffRate'] ** n for n, r in enumerate(found)]\n"
        "print(json.dumps([delays(), delays(MaxDelaySeconds=10)]))\n"
    )

    assert json.loads(printed) == [[2, 6, 18, 54], [2, 6, 10, 10]]
