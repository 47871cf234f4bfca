"""``rollcall doctor`` as people see it, on answers of AWS that a table gives."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from functions.aws.pacing import Pacing
from functions.aws.sessions import Clients
from functions.aws.settings import Settings
from functions.enrolment.scope import Scope
from functions.services.registry import SERVICES
from functions.steps import wiring
from infra.cli.__main__ import main
from infra.cli.doctor import forwarding, trails, verb
from infra.cli.site import Site
from infra.names import Names
from tests.conftest import ACCEPTING
from tests.support.builders import ACCOUNT, ADMINISTRATOR, MANAGEMENT, NOW, a_configuration
from tests.support.events import from_management
from tests.support.schemas import schema_of
from tests.unit.cli.doctor.answers import OUTPUTS, Answers, all_asked, sound

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from functions.enrolment.configuration import Configuration

SCHEMA = schema_of("cli/doctor")
CONFIGURATION = a_configuration(regions=("eu-west-1",))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A cdk.json with what is deployed."""
    path = tmp_path / "cdk.json"
    path.write_text(json.dumps({"context": {"rollcall": {"regions": ["eu-west-1"]}}}))
    return path


@pytest.fixture
def at_aws(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answers]:
    """Makes AWS give these answers, to the administrator account and to the management account."""

    def answer(given: dict[str, Any], configuration: Configuration = CONFIGURATION) -> Answers:
        answers = Answers(given)
        settings = Settings(
            ADMINISTRATOR, "aws", configuration, "table", "rollcall", OUTPUTS["TopicArn"], "bucket"
        )
        clients = Clients(answers.session(ADMINISTRATOR))
        made = wiring.Wiring(settings, clients, "eu-west-1", lambda: NOW, SERVICES)
        manager = answers.session(MANAGEMENT)
        monkeypatch.setattr(verb, "site_of", lambda *_: Site(Names(), made, OUTPUTS))
        monkeypatch.setattr("infra.cli.doctor.verb.boto3.Session", lambda profile_name: manager)
        unpaced = partial(Pacing, sleep=lambda _: None)
        monkeypatch.setattr(wiring, "Pacing", unpaced)
        monkeypatch.setattr(verb, "Pacing", unpaced)
        return answers

    return answer


MANAGER = ("--management-profile", "management")


def document(
    capsys: pytest.CaptureFixture[str], config: Path, *arguments: str
) -> tuple[int, dict[str, Any]]:
    status = main(["doctor", "--json", "--config", str(config), *arguments])
    printed = capsys.readouterr()
    assert printed.err == ""
    found: dict[str, Any] = json.loads(printed.out)
    SCHEMA.validate(found)
    return status, found


def not_ok(found: dict[str, Any]) -> list[str]:
    return [one["reason"] for one in found["findings"] if one["level"] != "ok"]


def test_where_everything_is_there_all_is_ok(
    at_aws: Callable[..., Answers], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at_aws(sound(CONFIGURATION))

    status, found = document(capsys, config, *MANAGER)

    assert (status, not_ok(found)) == (0, [])
    assert found["counts"]["ok"] == len(found["findings"])


def test_without_any_permission_each_check_names_the_action(
    at_aws: Callable[..., Answers], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = at_aws({})

    status, found = document(capsys, config)

    refused = [one["reason"] for one in found["findings"] if one["level"] == "warn"]
    assert status == 0
    assert found["counts"]["fail"] == 0
    named = {action for action in answers.asked[ADMINISTRATOR] if any(action in r for r in refused)}
    assert len(named) >= 15
    assert all("to do: allow" in one for one in refused if "refused" in one)


@pytest.mark.parametrize(
    "action", [*forwarding.ACTIONS, *trails.ACTIONS], ids=lambda action: str(action)
)
def test_without_one_permission_that_one_is_named_and_nothing_fails(
    at_aws: Callable[..., Answers],
    config: Path,
    capsys: pytest.CaptureFixture[str],
    action: str,
) -> None:
    given = sound(CONFIGURATION)
    del given[action]
    at_aws(given)

    status, found = document(capsys, config, *MANAGER)

    assert status == 0
    reasons = not_ok(found)
    assert any(f"to do: allow {action}" in one for one in reasons)


# A configuration with which the doctor asks all that it may.
ASKING = replace(
    CONFIGURATION,
    regions=("eu-west-1", "ap-east-1"),
    invitation=ACCEPTING.invitation,
    scope=Scope(exclude_tags={"enrol": "no"}),
)
NAMED = {ADMINISTRATOR: verb.ACTIONS, MANAGEMENT: verb.MANAGEMENT_ACTIONS}


def test_the_actions_that_are_used_are_those_that_are_named(
    at_aws: Callable[..., Answers], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = sound(ASKING) | all_asked() | {"cloudtrail:LookupEvents": recorded()}
    answers = at_aws(given, ASKING)

    document(capsys, config)
    document(capsys, config, *MANAGER, "--rehearse")

    for account, actions in NAMED.items():
        # Every identity may ask who it is.
        used = answers.asked[account] - {"sts:GetCallerIdentity"}
        assert [f"doctor uses {each}" for each in sorted(used - {*actions})] == []
        assert [f"doctor never uses {each}" for each in sorted({*actions} - used)] == []


@pytest.mark.parametrize(
    ("account", "action"),
    [
        pytest.param(account, action, id=f"{account}-{action}")
        for account, actions in NAMED.items()
        for action in sorted(set(actions))
    ],
)
def test_each_action_that_is_denied_is_named_and_the_rest_is_still_checked(
    at_aws: Callable[..., Answers],
    config: Path,
    capsys: pytest.CaptureFixture[str],
    account: str,
    action: str,
) -> None:
    given = sound(ASKING) | all_asked() | {"cloudtrail:LookupEvents": recorded()}
    at_aws(given, ASKING).denied = (account, action)

    arguments = ((), MANAGER, (*MANAGER, "--rehearse"))
    reports = (document(capsys, config, *each)[1] for each in arguments)
    named = (found for found in reports if any(action in reason for reason in not_ok(found)))
    found = next(named, None)

    assert found is not None
    assert found["counts"]["ok"]


@pytest.mark.parametrize("action", ["events:DescribeRule", "events:ListTargetsByRule"])
def test_a_finding_names_the_action_that_is_denied_of_several(
    at_aws: Callable[..., Answers], config: Path, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    """The rules are read with three."""
    at_aws(sound(CONFIGURATION)).denied = (ADMINISTRATOR, action)

    _, found = document(capsys, config)

    [rules] = [one["reason"] for one in found["findings"] if one["check"] == "rules"]
    assert f"not checked, {action} was refused: " in rules
    assert rules.endswith(f"; to do: allow {action}")


def recorded() -> Callable[[dict[str, Any]], dict[str, Any]]:
    """One event of a created account, and one of an account that did not say which."""
    created = from_management("create_account_result_succeeded")["detail"]
    joined = from_management("account_joined_organization_created.INFERRED")["detail"]
    del joined["serviceEventDetails"]["accountId"]
    records = {one["eventName"]: one for one in (created, joined)}

    def lookup(asked: dict[str, Any]) -> dict[str, Any]:
        record = records.get(asked["LookupAttributes"][0]["AttributeValue"])
        return {"Events": [{"CloudTrailEvent": json.dumps(record)}] if record else []}

    return lookup


def test_a_rehearsal_says_what_would_become_of_recorded_events(
    at_aws: Callable[..., Answers],
    config: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    at_aws(sound(CONFIGURATION) | {"cloudtrail:LookupEvents": recorded()})
    saved = tmp_path / "events.json"

    status, found = document(
        capsys, config, *MANAGER, "--rehearse", "--days", "7", "--save", str(saved)
    )

    assert status == 1
    rehearsed = found["rehearsal"]
    assert rehearsed["days"] == 7
    assert [(one["name"], one["fate"], one["account_id"]) for one in rehearsed["events"]] == [
        ("CreateAccountResult", "started", ACCOUNT),
        ("AccountJoinedOrganization", "refused", None),
    ]
    assert rehearsed["accounts"] == [
        {"account_id": ACCOUNT, "gaps": [], "in_table": False, "missed": False}
    ]
    assert ACCOUNT not in saved.read_text()
    names = [one["eventName"] for one in json.loads(saved.read_text())["records"]]
    assert names == ["CreateAccountResult", "AccountJoinedOrganization"]


def test_an_account_whose_event_was_missed_is_named_with_the_call_to_make(
    at_aws: Callable[..., Answers], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    absent: dict[str, Any] = {"MemberDetails": []}
    lookups = {"cloudtrail:LookupEvents": recorded(), "detective:GetMembers": absent}
    at_aws(sound(CONFIGURATION) | lookups)

    _, found = document(capsys, config, *MANAGER, "--rehearse")

    [missed] = [one for one in found["findings"] if one["check"] == "missed-accounts"]
    assert missed["reason"].endswith("not Enabled at Detective eu-west-1")
    assert missed["command"].startswith("aws stepfunctions start-execution")
    assert found["rehearsal"]["accounts"][0]["missed"] is True


def test_without_a_terminal_a_finding_is_one_line_with_its_command(
    at_aws: Callable[..., Answers], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at_aws(sound(CONFIGURATION) | {"cloudtrail:GetTrailStatus": {"IsLogging": False}})

    status = main(["doctor", "--config", str(config), *MANAGER])

    lines = capsys.readouterr().out.splitlines()
    assert status == 1
    [failed] = [line for line in lines if line.startswith("fail")]
    assert failed.endswith(
        f"mend with credentials of {MANAGEMENT}: aws cloudtrail start-logging --name all"
        " --region us-east-1 --profile management"
    )
    assert lines[-1].endswith(" ok, 0 warn, 1 fail")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--save", "x.json"), "--save: is taken only with --rehearse"),
        (("--days", "7"), "--days: is taken only with --rehearse"),
        (("--rehearse",), f"a profile of {MANAGEMENT}, the management account, that may call"),
        (("--rehearse", "--days", "91"), "--days"),
        ((*MANAGER, "--rehearse", "--save", "/nowhere/x"), "--save: takes a file that can"),
        (("--service", "macie2"), "--service: takes one of"),
    ],
)
def test_invalid_arguments_are_refused_in_one_line(
    at_aws: Callable[..., Answers],
    config: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    at_aws(sound(CONFIGURATION))

    status = main(["doctor", "--config", str(config), *arguments])

    printed = capsys.readouterr()
    assert (status, printed.out) == (2, "")
    [line] = [one for one in printed.err.splitlines() if one]
    assert said in line


def test_a_profile_of_another_account_is_refused(
    at_aws: Callable[..., Answers], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at_aws(sound(CONFIGURATION) | {"sts:GetCallerIdentity": {"Account": ACCOUNT}})

    status = main(["doctor", "--config", str(config), *MANAGER])

    assert status == 2
    assert f"takes a profile of {MANAGEMENT}" in capsys.readouterr().err


def test_a_cdk_json_that_cannot_be_read_is_a_warning(
    at_aws: Callable[..., Answers], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at_aws(sound(CONFIGURATION))

    status, found = document(capsys, tmp_path / "nowhere.json", *MANAGER)

    assert status == 0
    [reason] = not_ok(found)
    assert "was not compared with what is deployed" in reason
