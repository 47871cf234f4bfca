"""What ``make audit`` makes of the answers of pip-audit and npm, without either of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.audit import (
    NOT_AUDITED,
    VULNERABLE,
    Answer,
    NotAudited,
    npm_answer,
    overall,
    pip_answer,
    verdict,
)

SAMPLES = Path(__file__).with_name("samples")
PIP = (SAMPLES / "pip_audit.json").read_text()
NPM = (SAMPLES / "npm_audit.json").read_text()


def test_a_vulnerable_version_is_printed_with_its_advisories_and_the_version_that_mends_it() -> (
    None
):
    assert verdict(pip_answer(PIP)) == (
        VULNERABLE,
        "3 of 3 packages audited, 1 known vulnerabilities\n"
        "  urllib3 2.8.0: PYSEC-2099-1, CVE-2099-0001, GHSA-aaaa-bbbb-cccc; fixed in 99.1",
    )


def test_of_npm_the_package_that_has_the_vulnerability_is_printed_and_not_those_that_use_it() -> (
    None
):
    assert verdict(npm_answer(NPM)) == (
        VULNERABLE,
        "16 of 16 packages audited, 1 known vulnerabilities\n"
        "  ajv <8.99.0: GHSA-dddd-eeee-ffff, high: An invented advisory; fixed in a later version",
    )


def test_nothing_known_exits_with_0() -> None:
    document = json.loads(PIP)
    document["dependencies"] = [one for one in document["dependencies"] if not one["vulns"]]

    assert verdict(pip_answer(json.dumps(document))) == (
        0,
        "2 of 2 packages audited, 0 known vulnerabilities",
    )


def test_a_package_that_the_database_was_not_asked_about_is_no_success() -> None:
    document = json.loads(PIP)
    document["dependencies"] = [{"name": "boto3", "skip_reason": "not found"}]

    assert verdict(pip_answer(json.dumps(document))) == (
        NOT_AUDITED,
        "0 of 1 packages audited, 0 known vulnerabilities",
    )


@pytest.mark.parametrize(
    ("read", "output", "cause"),
    [
        (
            pip_answer,
            "Traceback (most recent call last):\n  …\nConnectionError: no host\n",
            "no host",
        ),
        (pip_answer, "", "it said nothing"),
        (npm_answer, '{"message": "405 Method Not Allowed", "method": "POST"}', "405 Method"),
        (npm_answer, '{"error": {"summary": "no answer", "detail": ""}}', "no answer"),
        (npm_answer, "npm error network", "npm error network"),
    ],
    ids=["pip fails", "pip says nothing", "npm is refused", "npm fails", "npm says no JSON"],
)
def test_without_a_database_nothing_is_audited_and_the_cause_is_said_in_one_line(
    read: object, output: str, cause: str
) -> None:
    assert callable(read)
    with pytest.raises(NotAudited, match=cause) as refused:
        read(output)

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("statuses", "exits"),
    [([0, 0], 0), ([0, NOT_AUDITED], NOT_AUDITED), ([NOT_AUDITED, VULNERABLE, 0], VULNERABLE)],
)
def test_a_vulnerability_counts_more_than_a_list_that_was_not_audited(
    statuses: list[int], exits: int
) -> None:
    assert overall(statuses) == exits


def test_an_answer_with_findings_and_gaps_is_a_vulnerability() -> None:
    known = pip_answer(PIP)

    assert verdict(Answer(known.packages + 1, known.audited, known.findings))[0] == VULNERABLE
