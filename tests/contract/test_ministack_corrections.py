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
