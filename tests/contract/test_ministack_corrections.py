"""The corrections of MiniStack, made in the interpreter that has it."""

from __future__ import annotations

import json
import subprocess

from infra.local.process import PYTHON, ROOT


def run(program: str, *arguments: str) -> str:
    return subprocess.run(  # noqa: S603 (our own program)
        [str(PYTHON), "-c", program, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_another_ministack_is_refused_by_name() -> None:
    said = run(
        "from infra.local.ministack import corrections\n"
        "from infra.local.ministack.shared_code import SharedCode\n"
        "corrections.version = lambda package: '2.0.0'\n"
        "try:\n"
        "    corrections.correct_ministack(None, SharedCode())\n"
        "except corrections.Outdated as error:\n"
        "    print(error)\n"
    )

    assert said.startswith("MiniStack 2.0.0 is installed")


def test_the_version_asked_for_is_the_one_corrected() -> None:
    printed = run("from infra.local.ministack import corrections; print(corrections.WRITTEN_FOR)")

    assert f"ministack=={printed.strip()}" in (ROOT / "requirements" / "local.txt").read_text()


def test_retry_delays_are_capped_where_a_cap_is_stated() -> None:
    printed = run(
        "import json\n"
        "from infra.local.ministack.corrections import cap_retry_delays\n"
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


def test_executions_run_a_few_functions_at_once_and_all_in_the_end() -> None:
    printed = run(
        "import json, threading\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from infra.local.ministack import corrections\n"
        "from ministack.services import stepfunctions\n"
        "full = threading.Barrier(corrections._AT_ONCE)\n"
        "running, most, lock = 0, 0, threading.Lock()\n"
        "def call(function, event):\n"
        "    global running, most\n"
        "    with lock:\n"
        "        running += 1\n"
        "        most = max(most, running)\n"
        "    full.wait(10)\n"  # they go on only when as many are running as there may be
        "    with lock:\n"
        "        running -= 1\n"
        "    if event == 0:\n"
        "        raise KeyError('raised by a function')\n"
        "    return event\n"
        "stepfunctions._call_lambda = call\n"
        "corrections.take_turns_in_executions()\n"
        "with ThreadPoolExecutor(64) as pool:\n"
        "    calls = [pool.submit(stepfunctions._call_lambda, 'f', n)\n"
        "             for n in range(3 * corrections._AT_ONCE)]\n"
        "failed = sum(one.exception() is not None for one in calls)\n"
        "print(json.dumps([most == corrections._AT_ONCE, failed]))\n"
    )

    assert json.loads(printed) == [True, 1]


def test_a_function_that_logs_nothing_answers_at_once() -> None:
    printed = run(
        "import time\n"
        "from infra.local.ministack.corrections import answer_without_waiting_for_logs\n"
        "from ministack.core import lambda_runtime\n"
        "answer_without_waiting_for_logs()\n"
        "worker = lambda_runtime.Worker.__new__(lambda_runtime.Worker)\n"
        "worker._stderr_queue = lambda_runtime.queue.Queue()\n"
        "took = []\n"
        "for _ in range(5):\n"
        "    began = time.monotonic()\n"
        "    assert worker._drain_stderr_bounded() == ''\n"
        "    took.append(time.monotonic() - began)\n"
        "worker._stderr_queue.put('a line')\n"
        "print(min(took) < 0.02, worker._drain_stderr_bounded())\n"
    )

    assert printed == "True a line\n"


def test_a_repeated_transaction_is_known_by_its_token_and_not_kept() -> None:
    printed = run(
        "import json\n"
        "from infra.local.ministack import corrections\n"
        "from ministack.core.responses import request_scope\n"
        "from ministack.services import dynamodb\n"
        "corrections.remember_transactions_without_their_items()\n"
        "def write(number, token, *, reverse=False):\n"
        "    item = {'pk': {'S': 'a'}, 'number': {'N': str(number)}, 'text': {'S': 'kept' * 2}}\n"
        "    if reverse:\n"
        "        item = dict(reversed(item.items()))\n"
        "    put = {'Put': {'TableName': 'items', 'Item': item}}\n"
        "    request = {'TransactItems': [put], 'ClientRequestToken': token}\n"
        "    status, _, body = dynamodb._transact_write_items(request)\n"
        "    stored = dynamodb._tables['items']['items']['a']['__no_sort__']['number']['N']\n"
        "    return [status, json.loads(body).get('__type'), stored]\n"
        "with request_scope('111122223333', 'eu-west-1'):\n"
        "    dynamodb._create_table({\n"
        "        'TableName': 'items', 'BillingMode': 'PAY_PER_REQUEST',\n"
        "        'AttributeDefinitions': [{'AttributeName': 'pk', 'AttributeType': 'S'}],\n"
        "        'KeySchema': [{'AttributeName': 'pk', 'KeyType': 'HASH'}],\n"
        "    })\n"
        "    answers = [write(1, 'one'), write(2, 'two'), write(1, 'one'),\n"
        "               write(1, 'one', reverse=True), write(3, 'one')]\n"
        "signatures = [entry['signature'] for _, entry in dynamodb._txn_idempotency.all_items()]\n"
        "kept = repr([getattr(one, '__dict__', one) for one in signatures])\n"
        "print(json.dumps([answers, 'kept' in kept]))\n"
    )

    answers, kept = json.loads(printed)
    mismatch = [400, "IdempotentParameterMismatchException", "2"]
    assert answers == [[200, None, "1"], *[[200, None, "2"]] * 3, mismatch]
    assert not kept
