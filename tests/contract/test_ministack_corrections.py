"""The corrections of MiniStack, made in the interpreter that has it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCAL_PYTHON = ROOT / ".venv-local" / "bin" / "python"


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 (our own program)
        [str(LOCAL_PYTHON), "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "other_version",
    [
        "from ministack.core import lambda_runtime as m; m._PYTHON_WORKER_SCRIPT = 'other'",
        "from ministack.core import lambda_runtime as m; del m.Worker.invoke",
        "from ministack.core import lambda_runtime as m; del m.execution_credentials",
        "from ministack.services import lambda_svc as m; del m._execute_function_warm",
        "from ministack.services import stepfunctions as m; del m._find_matching_retrier",
        "from ministack.services import stepfunctions as m; del m._run_sub_machine",
        "from ministack.services import sts as m; del m.handle_request",
    ],
)
def test_another_ministack_is_refused_by_name(other_version: str) -> None:
    ended = run(
        "from infra.local.corrections import correct_ministack\n"
        f"{other_version}\n"
        "correct_ministack()\n"
    )

    assert ended.returncode == 1
    assert "infra.local.corrections.Outdated: ministack." in ended.stderr


def test_retry_delays_are_capped_where_a_cap_is_stated() -> None:
    ended = run(
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

    assert json.loads(ended.stdout) == [[2, 6, 18, 54], [2, 6, 10, 10]]
