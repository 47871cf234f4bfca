"""What a step logs and counts: a line of JSON for each, and never an e-mail address."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from functions.aws.metrics import measure
from functions.enrolment.errors import RollcallError, ServiceUnavailable, Throttled
from functions.enrolment.membership import ENABLED, Observation, Outcome, Status
from functions.steps import publish_results
from functions.steps.step import logger, step
from tests.support.builders import ACCOUNT, EMAIL, NOW, OTHER, RUN, a_membership
from tests.support.lambda_context import CONTEXT
from tests.unit.steps.support import begin, run, wired

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from functions.steps.wiring import Wiring

EVENT = {
    "onboarding_id": RUN,
    "target": {"service": "guardduty", "region": "eu-west-1"},
    "accounts": [{"id": ACCOUNT, "email": EMAIL}],
}
KEYS = {
    "step": "test_step",
    "onboarding_id": RUN,
    "service": "rollcall",
    "target_service": "guardduty",
    "region": "eu-west-1",
    "function_request_id": CONTEXT.aws_request_id,
}
# Quoted and beside a line's end, as repr and JSON have it.
LEAKING = f'no \'{EMAIL}\'\n{EMAIL}\n{{"email":"{EMAIL}"}}'


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What is logged meanwhile."""
    handler: Any = logger.registered_handler
    written = io.StringIO()
    before = handler.setStream(written)
    yield written
    handler.setStream(before)


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    """What was logged since the last call: every line is a record of its own."""
    text = log.getvalue()
    log.seek(0)
    log.truncate()
    assert "@" not in text
    assert text.isascii()
    return [json.loads(line) for line in text.splitlines()]


def a_step(result: dict[str, Any] | Exception) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """A step that returns this, or raises it."""

    @step
    def handler(event: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
        if isinstance(result, Exception):
            raise result
        return result

    return handler


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"next": "create", "accounts": EVENT["accounts"]}, "create"),
        ({"verdict": "enrol"}, "enrol"),
        ({"complete": True}, "done"),
    ],
)
def test_what_was_decided_is_logged_with_onboarding_and_target(
    log: io.StringIO, result: dict[str, Any], message: str
) -> None:
    assert run(a_step(result), EVENT, wired()) == result

    (line,) = lines(log)
    assert KEYS.items() <= line.items()
    assert (line["level"], line["message"]) == ("INFO", message)


def test_an_error_that_has_a_name_is_a_warning_in_its_words(log: io.StringIO) -> None:
    # Step Functions retries and catches by the error's name.
    with pytest.raises(Exception, match=r"^slower, \(e-mail\)$") as raised:
        run(a_step(Throttled(f"slower, {EMAIL}")), EVENT, wired())

    assert type(raised.value).__name__ == "Throttled"

    (line,) = lines(log)
    assert KEYS.items() <= line.items()
    assert (line["level"], line["message"]) == ("WARNING", "Throttled: slower, (e-mail)")
    assert "exception" not in line


def test_any_other_error_is_logged_with_its_traceback(log: io.StringIO) -> None:
    error = ValueError(LEAKING)
    error.__cause__ = RollcallError(f"of {EMAIL}")
    error.add_note(f"for {EMAIL}")

    with pytest.raises(Exception, match="no '") as raised:
        run(a_step(error), EVENT, wired())

    assert type(raised.value).__name__ == "ValueError"

    (line,) = lines(log)
    assert KEYS.items() <= line.items()
    assert (line["level"], line["exception_name"]) == ("ERROR", "ValueError")
    assert line["message"].startswith("ValueError: no '(e-mail)'\n(e-mail)\n")
    assert "in handler\n    raise result\nValueError: no '(e-mail)'" in line["exception"]
    assert "RollcallError: of (e-mail)" in line["exception"]
    # Lambda logs what the error says, too.
    assert EMAIL not in str(raised.value)


def test_nothing_is_left_of_the_invocation_before(log: io.StringIO) -> None:
    run(a_step({}), EVENT, wired())
    with pytest.raises(KeyError):
        run(a_step(KeyError("key")), EVENT, wired())
    lines(log)

    run(a_step({}), {"onboarding_id": "other"}, wired())

    (line,) = lines(log)
    assert line["onboarding_id"] == "other"
    assert line["service"] == "rollcall"
    assert not {"target_service", "region", "exception", "exception_name"} & line.keys()


def test_an_event_is_not_logged_whatever_the_environment_says(
    log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_LOGGER_LOG_EVENT", "true")

    run(a_step({}), EVENT, wired())

    assert [line["message"] for line in lines(log)] == ["done"]


def measured(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The lines of the embedded metric format, each with one metric."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_end_of_a_run_is_measured(
    log: io.StringIO, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Mine")
    wiring = wired()
    seen = Observation(ACCOUNT, Status.ENABLED, "Enabled")
    enabled = a_membership(Status.ABSENT).seen(seen, NOW + 2.5)
    before = a_membership(Status.ENABLED, account_id=OTHER)
    begin(
        wiring,
        enabled.settled(Outcome.ENABLED, None, NOW + 2.5),
        before.settled(Outcome.ALREADY_ENABLED, None, NOW),
        accounts=(ACCOUNT, OTHER),
    )

    run(publish_results.handler, {"onboarding_id": RUN}, wiring)

    written = measured(capsys)
    counted = {line["outcome"]: line["Memberships"] for line in written if "Memberships" in line}
    assert counted == {str(outcome): [1.0 if outcome in ENABLED else 0.0] for outcome in Outcome}
    assert [(each["outcome"], each["Runs"]) for each in written if "Runs" in each] == [
        ("complete", [1.0])
    ]
    # What was Enabled before is not what the run took time for.
    [taken] = [each for each in written if "TimeToEnabled" in each]
    assert (taken["service"], taken["TimeToEnabled"]) == ("guardduty", [2.5])
    assert {json.dumps(line["_aws"]["CloudWatchMetrics"]) for line in written} == {
        json.dumps(
            [
                {
                    "Namespace": "Mine",
                    "Dimensions": [[dimension]],
                    "Metrics": [{"Name": name, "Unit": unit}],
                }
            ]
        )
        for name, dimension, unit in (
            ("Memberships", "outcome", "Count"),
            ("Runs", "outcome", "Count"),
            ("TimeToEnabled", "service", "Seconds"),
        )
    }
    assert len(lines(log)) == 1


def test_every_value_is_measured_in_lines_of_at_most_a_hundred(
    capsys: pytest.CaptureFixture[str],
) -> None:
    measure("TimeToEnabled", *range(250), service="guardduty")
    measure("TimeToEnabled", service="detective")

    written = measured(capsys)
    assert [value for line in written for value in line["TimeToEnabled"]] == list(range(250))
    assert max(len(line["TimeToEnabled"]) for line in written) <= 100
    assert {line["service"] for line in written} == {"guardduty"}


@pytest.mark.parametrize(
    ("error", "count"), [(Throttled("slow down"), 1), (ServiceUnavailable("503"), 0)]
)
def test_a_step_that_was_throttled_is_counted(
    error: Exception, count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(type(error)):
        run(a_step(error), EVENT, wired())

    assert [line["ThrottledSteps"] for line in measured(capsys)] == [[1.0]] * count


def test_any_other_step_measures_nothing(
    log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    run(a_step({}), EVENT, wired())

    assert capsys.readouterr().out == ""
    assert len(lines(log)) == 1


def test_what_utf_8_cannot_encode_is_logged_as_well() -> None:
    record = logging.LogRecord("rollcall", logging.ERROR, __file__, 1, "no \ud800", (), None)

    assert '"message":"no \\ud800"' in logger.registered_handler.format(record)
