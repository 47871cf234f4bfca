"""What a step logs and counts: a line of JSON for each, and never an e-mail address."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.errors import RollcallError, Throttled
from functions.enrolment.membership import Outcome, Status
from functions.steps import publish_results
from functions.steps.step import logger, step
from tests.support.builders import ACCOUNT, EMAIL, NOW, RUN, a_membership
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


def test_the_end_of_a_run_counts_memberships_by_outcome(
    log: io.StringIO, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Mine")
    wiring = wired()
    begin(wiring, a_membership(Status.ENABLED).settled(Outcome.ENABLED, None, NOW))

    run(publish_results.handler, {"onboarding_id": RUN}, wiring)

    counted = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["outcome"]: line["Memberships"] for line in counted} == {
        str(outcome): [1.0 if outcome is Outcome.ENABLED else 0.0] for outcome in Outcome
    }
    for line in counted:
        (metrics,) = line["_aws"]["CloudWatchMetrics"]
        assert metrics == {
            "Namespace": "Mine",
            "Dimensions": [["outcome"]],
            "Metrics": [{"Name": "Memberships", "Unit": "Count"}],
        }
    assert len(lines(log)) == 1


def test_any_other_step_counts_nothing(
    log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    run(a_step({}), EVENT, wired())

    assert capsys.readouterr().out == ""
    assert len(lines(log)) == 1


def test_what_utf_8_cannot_encode_is_logged_as_well() -> None:
    record = logging.LogRecord("rollcall", logging.ERROR, __file__, 1, "no \ud800", (), None)

    assert '"message":"no \\ud800"' in logger.registered_handler.format(record)
