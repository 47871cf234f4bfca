"""``rollcall runs``, ``show`` and ``why``: what happened, and what to do."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.coverage import cells
from functions.enrolment.reconcile_record import ReconcileRecord
from functions.enrolment.scope import Scope
from functions.services.survey import make_survey
from functions.steps import wiring
from tests.support.builders import ACCOUNT, ADMINISTRATOR, MANAGEMENT, OTHER, an_onboarding
from tests.support.operator import Operator
from tests.workflow.hands import (
    HERE,
    apply_policy,
    at,
    call,
    configure_centrally,
    disassociate,
    email,
    of_run,
    outside,
    reconcile,
    say,
)

if TYPE_CHECKING:
    from functions.enrolment.account import AccountId
    from tests.support.rollcall import Rollcall

MEMBER_SERVICES = ("securityhub", "guardduty", "detective")
HOUR, DAY = 3600, 86400
READS = ("Get", "List", "Describe", "BatchGet")
STRANGER = "123456789012"


@pytest.fixture
def operator(
    rollcall: Rollcall, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Operator:
    return Operator(rollcall, capsys, monkeypatch)


def organization(rollcall: Rollcall, *accounts: AccountId) -> None:
    rollcall.found_organization()
    for account in accounts:
        rollcall.add_account(account, email=email(account))


def enrol(rollcall: Rollcall, *accounts: AccountId, name: str = "before", **more: object) -> None:
    rollcall.run({"accounts": [{"id": account} for account in accounts], **more}, name)
    rollcall.pass_seconds(60)


def disable(rollcall: Rollcall, account: AccountId) -> None:
    """The administrator stops monitoring a member in GuardDuty."""
    detector = call(rollcall, ADMINISTRATOR, "guardduty", "ListDetectors")["DetectorIds"][0]
    member = {"DetectorId": detector, "AccountIds": [account]}
    call(rollcall, ADMINISTRATOR, "guardduty", "StopMonitoringMembers", **member)


@pytest.fixture
def recorded(rollcall: Rollcall) -> None:
    """Two runs that ended as they should, and not; one was refused, one runs, and of one nothing
    has been heard for long; and two reconciles."""
    wired, now = wiring.wiring(), rollcall.clock.now()

    def begin(name: str, ago: float, lease: float = 0, **more: Any) -> None:
        record = an_onboarding(id=name, started_at=now - ago, lease_until=now + lease, **more)
        wired.ledger.open(record)

    begin("hour", HOUR, source="CreateAccountResult")
    wired.ledger.close("hour", "complete", {"enabled": 6, "failed": 0}, now - HOUR + 20)
    begin("days", 2 * DAY)
    wired.ledger.close("days", "incomplete", {"failed": 2, "skipped": 4}, now - DAY)
    begin("refused", 3 * DAY)
    wired.ledger.close("refused", "refused: accounts: takes 1 to 50", {}, now - 3 * DAY)
    begin("now", 60, lease=600)
    begin("lost", 9 * DAY, lease=-DAY)
    for name, ago in (("nightly", 1800), ("nightly-before", DAY)):
        wired.reconciles.open(ReconcileRecord(name, "schedule", now - ago, "arn"))
        wired.reconciles.begin_runs(name, [0, 1], now, now)
        wired.reconciles.close(name, "nothing to do", now - ago + 5)


@pytest.mark.usefixtures("recorded")
def test_runs_and_reconciles_are_listed_together_the_newest_first(operator: Operator) -> None:
    status, document = operator.reads("runs")

    assert status == 0
    assert [(each["id"], each["state"]) for each in document["runs"]] == [
        ("now", "running"),
        ("nightly", "nothing-to-do"),
        ("hour", "complete"),
        ("nightly-before", "nothing-to-do"),
        ("days", "incomplete"),
        ("refused", "failed"),
        ("lost", "interrupted"),
    ]
    listed = {each["id"]: each for each in document["runs"]}
    assert (listed["hour"]["source"], listed["hour"]["counts"]) == (
        "CreateAccountResult",
        {"enabled": 6},
    )
    assert (listed["hour"]["seconds"], listed["now"]["ended_at"]) == (20, None)
    assert listed["nightly"]["runs"] == ["nightly-0", "nightly-1"]


@pytest.mark.parametrize(
    ("options", "listed", "more"),
    [
        ("--outcome incomplete", ["days"], False),
        ("--outcome nothing-to-do --limit 1", ["nightly"], True),
        ("--outcome interrupted --limit 1", ["lost"], False),
        ("--outcome duplicate", [], False),
        ("--since 59m", ["now", "nightly"], False),
        ("--since 61m --limit 2", ["now", "nightly"], True),
        ("--since 61m --limit 3", ["now", "nightly", "hour"], False),
        ("--since 2d --outcome incomplete", ["days"], False),
        ("--since 2027-01-15", ["now", "nightly", "hour"], False),
        ("--since 2027-01-15T07:30Z", ["now", "nightly"], False),
        ("--since 2027-01-15T07:31", ["now"], False),
    ],
)
@pytest.mark.usefixtures("recorded")
def test_runs_are_selected(
    operator: Operator,
    options: str,
    listed: list[str],
    more: bool,  # a parameter of the table
) -> None:
    _, document = operator.reads("runs", *options.split())

    assert [each["id"] for each in document["runs"]] == listed
    assert document["more"] is more


@pytest.mark.usefixtures("recorded")
def test_a_run_takes_one_line_where_there_is_no_terminal_and_fits_on_one(
    operator: Operator,
) -> None:
    _, redirected = operator.sees("runs")
    _, shown = operator.sees("runs", width=80)

    assert [" ".join(line.split()) for line in redirected] == [
        "2027-01-15T07:59:00Z running for 1 min manual now 1 account",
        "2027-01-15T07:30:00Z nothing to do in 5 s reconcile, schedule nightly started 2 runs",
        "2027-01-15T07:00:00Z complete in 20 s CreateAccountResult hour 1 account: 6 enabled",
        "2027-01-14T08:00:00Z nothing to do in 5 s reconcile, schedule nightly-before started"
        " 2 runs",
        "2027-01-13T08:00:00Z incomplete in 1 d manual days 1 account: 2 failed, 4 skipped",
        "2027-01-12T08:00:00Z failed in 0 s manual refused refused: accounts: takes 1 to 50,"
        " 1 account",
        "2027-01-06T08:00:00Z interrupted for 9 d manual lost 1 account",
    ]
    assert max(map(len, shown)) <= 80
    assert "    nightly" in shown


@pytest.mark.parametrize("since", ["yesterday", "2026-13-01", "d", "-1d", "2d ago"])
def test_a_time_that_is_none_is_refused(operator: Operator, since: str) -> None:
    status, lines = operator.sees("runs", f"--since={since}")

    assert (status, len(lines)) == (2, 1)
    assert lines[0].startswith("rollcall runs: --since: takes an age such as 12h or 2d, a date,")


def test_a_run_is_shown_as_it_was_published_with_every_attempt(
    rollcall: Rollcall, operator: Operator
) -> None:
    organization(rollcall, ACCOUNT, OTHER)
    rollcall.fail(kind="access_denied", service="detective", region=HERE)
    rollcall.run({"accounts": [{"id": ACCOUNT}, {"id": OTHER}]})

    status, document = operator.reads("show", rollcall.execution_arn("onboarding-1"))

    published = rollcall.document(document["complete_document"])
    shared = published["memberships"][0].keys() - {"attempts"}
    assert status == 1
    assert (document["state"], document["execution"]["status"]) == ("incomplete", "FAILED")
    assert [{key: each[key] for key in shared} for each in document["memberships"]] == [
        {key: each[key] for key in shared} for each in published["memberships"]
    ]
    assert set(document["published"]) == {"event", "message"}
    created = [each for each in document["memberships"] if each["outcome"] == "enabled"]
    assert len(created) == 10
    for each in created:
        (attempt,) = each["attempts"]
        assert (attempt["action"], attempt["count"], attempt["answer"]) == ("create", 1, "done")
        assert each["transitions"][0]["at"] <= attempt["at"] <= each["transitions"][-1]["at"]


def test_an_ended_run_is_shown_and_watched_as_it_ended_whatever_comes_later(
    rollcall: Rollcall, operator: Operator
) -> None:
    organization(rollcall, ACCOUNT, OTHER)
    rollcall.fail(kind="access_denied", service="detective", region=HERE)
    enrol(rollcall, ACCOUNT, OTHER, name="one")
    rollcall.faults.clear()
    ended = [operator.sees(verb, "one") for verb in ("show", "watch")]
    documents = [operator.reads(verb, "one")[1] for verb in ("show", "watch")]
    for account in (ACCOUNT, OTHER):
        disable(rollcall, account)

    reconcile(rollcall, {}, "nightly")
    enrol(rollcall, ACCOUNT, name="two")

    for verb, (status, lines) in zip(("show", "watch"), ended, strict=True):
        now_status, now_lines = operator.sees(verb, "one")
        assert now_status == status
        # The ages of the first lines of show have changed.
        assert [x for x in now_lines if " ago" not in x] == [x for x in lines if " ago" not in x]
    later = [operator.reads(verb, "one")[1] for verb in ("show", "watch")]
    for after, before in zip(later, documents, strict=True):
        assert sorted(map(str, after["memberships"])) == sorted(map(str, before["memberships"]))
    assert (later[0]["counts"], len(later[0]["memberships"])) == ({"enabled": 10, "failed": 2}, 12)


def test_memberships_with_the_same_story_are_shown_once_on_a_terminal(
    rollcall: Rollcall, operator: Operator
) -> None:
    organization(rollcall, ACCOUNT, OTHER)
    rollcall.fail(kind="access_denied", service="detective", region=HERE)
    rollcall.run({"accounts": [{"id": ACCOUNT}, {"id": OTHER}]})

    _, shown = operator.sees("show", "onboarding-1", width=80)
    _, redirected = operator.sees("show", "onboarding-1")
    _, of_one = operator.sees("show", "onboarding-1", "--account", OTHER)

    assert shown.count(f"failed: {ACCOUNT}, {OTHER}") == 1
    failed = shown.index(f"failed: {ACCOUNT}, {OTHER}")
    assert shown[failed + 1] == f"  Detective {HERE}"
    assert "to do: allow" in " ".join(shown[failed:])
    words = [line for line in shown if "arn:" not in line and "s3://" not in line]
    assert max(map(len, words)) <= 80
    assert sum(line.startswith((ACCOUNT, OTHER)) for line in redirected) == 12
    assert sum(line.startswith((ACCOUNT, OTHER)) for line in of_one) == 6


def test_a_run_that_waits_says_for_what_and_until_when(
    rollcall: Rollcall, operator: Operator
) -> None:
    rollcall.found_organization()
    rollcall.add_outside(ACCOUNT, email=email(ACCOUNT))
    seen: dict[str, Any] = {}

    def look() -> None:
        seen["listed"] = operator.reads("runs", "--outcome", "running")[1]["runs"]
        seen["status"], seen["shown"] = operator.reads("show", "onboarding-1")
        seen["why status"], seen["why"] = operator.reads("why", ACCOUNT, "--region", HERE)
        seen["text"] = operator.sees("show", "onboarding-1")[1]
        rollcall.stop()

    rollcall.meanwhile(HOUR, look)
    rollcall.run(outside(ACCOUNT, **at("guardduty")))

    shown = seen["shown"]
    (waiting,) = shown["memberships"]
    deadline = rollcall.configuration.timing.invitation_deadline
    assert seen["status"] == 0
    assert [each["id"] for each in seen["listed"]] == ["onboarding-1"]
    assert (shown["state"], shown["waiting"], shown["execution"]["status"]) == (
        "running",
        1,
        "RUNNING",
    )
    assert (waiting["outcome"], waiting["reason_code"]) == (None, "not-accepted")
    assert waiting["waits_until"] == shown["waits_until"]
    first = waiting["transitions"][0]["at"]
    assert _seconds_between(first, waiting["waits_until"]) == pytest.approx(deadline, abs=5)
    assert any("waits: nobody has accepted the invitation" in line for line in seen["text"])
    (target,) = [each for each in seen["why"]["targets"] if each["last_run"]]
    assert seen["why status"] == 1
    assert (target["last_run"]["id"], target["last_run"]["at_work"]) == ("onboarding-1", True)
    assert target["to_do"].startswith(f"accept it in {HERE} of the account; run onboarding-1 is")
    assert target["command"] is None


def _seconds_between(first: str, last: str) -> float:
    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


def test_a_run_that_is_not_planned_yet_is_known_by_its_execution(
    rollcall: Rollcall, operator: Operator
) -> None:
    rollcall.found_organization()
    seen: list[tuple[int, dict[str, Any]]] = []

    def look() -> None:
        seen.append(operator.reads("show", "onboarding-1"))
        rollcall.add_account(ACCOUNT, email=email(ACCOUNT))

    rollcall.meanwhile(20, look)
    rollcall.run({"accounts": [{"id": ACCOUNT}], "mode": "organization", **at("guardduty")})

    ((status, document),) = seen
    assert (status, document["state"], document["targets"]) == (0, "running", [])


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["nope"],
            "ID: there is no run and no reconcile with the id nope; rollcall runs lists them",
        ),
        (
            ["one:nope"],
            "ID: takes the id of a run or of a reconcile, or its execution's ARN, not one:nope",
        ),
        (
            ["one", "--account", STRANGER],
            f"--account: takes accounts of the run, not {STRANGER}",
        ),
    ],
    ids=["unknown id", "no id", "account of another run"],
)
def test_what_is_not_there_is_not_shown(
    rollcall: Rollcall, operator: Operator, arguments: list[str], line: str
) -> None:
    organization(rollcall, ACCOUNT)
    enrol(rollcall, ACCOUNT, name="one")

    assert operator.sees("show", *arguments) == (2, [f"rollcall show: {line}"])


def test_a_reconcile_is_shown_with_its_runs_and_as_it_was_published(
    rollcall: Rollcall, operator: Operator
) -> None:
    organization(rollcall, ACCOUNT, OTHER)
    enrol(rollcall, ACCOUNT)
    disable(rollcall, ACCOUNT)
    rollcall.fail(kind="access_denied", service="detective", region=HERE)
    limit = "it cannot exceed the maximum number of allowed members"
    say(rollcall, "securityhub", "CreateMembers", limit, OTHER)
    rollcall.step("survey_organization", of_run({}, "early", rollcall.execution_arn("early")))
    _, early = operator.reads("show", "early")
    rollcall.step("publish_reconcile", of_run({}, "early", rollcall.execution_arn("early")))
    reconcile(rollcall, {}, "nightly")

    status, document = operator.reads("show", "nightly")
    _, lines = operator.sees("show", "nightly")
    _, of_one = operator.reads("show", "nightly", "--account", OTHER)
    _, run = operator.reads("show", "nightly-0")

    assert (early["state"], early["verdict"], early["ended_at"]) == ("running", "start", None)
    assert (status, document["state"], document["verdict"]) == (1, "incomplete", "start")
    assert document["result"] == rollcall.document(document["complete_document"])
    assert [each["id"] for each in document["started_runs"]] == document["runs"]
    assert {each["state"] for each in document["started_runs"]} == {"complete", "incomplete"}
    (drift,) = document["result"]["drift"]
    assert any(line.startswith(f"  {ACCOUNT}  GuardDuty  {HERE}  Disabled") for line in lines)
    assert (drift["account_id"], drift["outcome"]) == (ACCOUNT, "enabled")
    assert of_one["result"]["drift"] == []
    assert (run["source"], run["reconcile"]) == ("reconcile", "nightly")


def test_a_reconcile_that_found_another_one_running_names_it(
    rollcall: Rollcall, operator: Operator
) -> None:
    organization(rollcall, ACCOUNT)
    rollcall.step("survey_organization", of_run({}, "first", rollcall.execution_arn("first")))
    reconcile(rollcall, {}, "second")

    status, lines = operator.sees("show", "second")

    assert status == 0
    assert lines[0].startswith("Reconcile second: already running")
    assert lines[-1] == (
        "  It started nothing, because reconcile first was running (rollcall show first)"
    )


def test_an_account_that_is_enabled_everywhere_takes_two_lines_and_one_call_a_target(
    rollcall: Rollcall, operator: Operator
) -> None:
    organization(rollcall, ACCOUNT)
    enrol(rollcall, ACCOUNT)
    rollcall.calls.clear()

    status, lines = operator.sees("why", ACCOUNT)

    assert status == 0
    assert lines[0].startswith(f"{ACCOUNT} is an account of the organisation: ACTIVE, joined 20")
    assert lines[1:] == ["Enabled: everywhere it is to be"]
    for service in MEMBER_SERVICES:
        names = rollcall.operations(service)
        assert names.count("GetMembers") == 2
        assert set(names) <= {"GetMembers", "ListDetectors", "ListGraphs"}


def test_what_changed_since_it_was_enabled_is_told_once_with_the_command(
    rollcall: Rollcall, operator: Operator
) -> None:
    organization(rollcall, ACCOUNT, OTHER)
    enrol(rollcall, ACCOUNT)
    disable(rollcall, ACCOUNT)
    disassociate(rollcall, "securityhub", ACCOUNT)
    rollcall.calls.clear()

    status, document = operator.reads("why", ACCOUNT)
    _, shown = operator.sees("why", ACCOUNT, width=80)
    _, other = operator.sees("why", OTHER, width=80)

    gaps = {each["service"]: each for each in document["targets"] if each["state"] == "gap"}
    assert status == 1
    assert gaps.keys() == {"guardduty", "securityhub"}
    detail = gaps["guardduty"]
    assert (detail["status"], detail["action"]) == ("Disabled", "restart")
    assert detail["enabled_at"] == detail["last_run"]["ended_at"]
    command = f"rollcall start {ACCOUNT} --service guardduty --region {HERE}"
    assert (detail["to_do"], detail["command"]) == ("start a run", command)
    assert f"    {command}" in shown
    assert "  A new run would: start monitoring the member again" in shown
    assert [line for line in other if line.startswith("Not enabled")] == [
        "Not enabled: Security Hub CSPM eu-west-1, us-east-1; GuardDuty eu-west-1,"
    ]
    assert f"    rollcall start {OTHER}" in other
    assert "  Tried: never, by any run" in other
    called = [name for each in MEMBER_SERVICES for name in rollcall.operations(each)]
    assert all(name.startswith(READS) for name in called)


def test_what_a_person_must_do_first_is_told_with_the_command(
    rollcall: Rollcall, operator: Operator
) -> None:
    """The management account has not enabled GuardDuty, which no run can do."""
    organization(rollcall)
    rollcall.run({"accounts": [{"id": MANAGEMENT}], "regions": [HERE]})

    here = ("why", MANAGEMENT, "--region", HERE)
    status, document = operator.reads(*here)
    _, shown = operator.sees(*here, width=120)
    _, _, follower = document["targets"]
    _, untouched = operator.reads("why", MANAGEMENT, "--region", "us-east-1")

    tried = next(one for one in document["targets"] if one["service"] == "guardduty")
    assert (status, tried["state"], tried["action"]) == (0, "left out", "create")
    assert tried["reason_code"] == "management-account-not-enabled"
    remedy = f"enable it in {HERE} of the management account, and start again"
    assert tried["to_do"] == f"nothing, unless it is to be enabled: {remedy}"
    command = f"rollcall start {MANAGEMENT} --service guardduty --region {HERE}"
    assert tried["command"] == command
    assert f"    {command}" in shown
    (attempt,) = tried["last_run"]["attempts"]
    assert "must first enable GuardDuty" in attempt["answer"]
    assert (follower["service"], follower["state"]) == ("detective", "left out")
    assert follower["reason_code"] == "prerequisite-skipped"
    assert {each["state"] for each in untouched["targets"]} == {"gap"}


def test_an_account_outside_the_organisation_is_known_by_its_runs(
    rollcall: Rollcall, operator: Operator
) -> None:
    """The command for it needs a file with its e-mail address, which is stored nowhere."""
    rollcall.found_organization()
    rollcall.add_outside(ACCOUNT, email="another@example.com")
    rollcall.run(outside(ACCOUNT, **at("guardduty")))

    status, document = operator.reads("why", ACCOUNT)
    _, (about, *lines) = operator.sees("why", ACCOUNT)

    (target,) = document["targets"]
    assert (status, document["organization"]) == (1, None)
    assert about == f"{ACCOUNT} is not an account of the organisation: it can only be invited."
    assert (target["service"], target["reason_code"]) == ("guardduty", "wrong-email")
    assert target["to_do"].startswith("remove the member (guardduty DisassociateMembers")
    command = f"rollcall start --file FILE --service guardduty --region {HERE}"
    assert target["command"] == command
    assert lines[-1] == f"    {command}"


@pytest.mark.parametrize("service", ["securityhub", "guardduty", "detective"])
def test_a_service_that_cannot_be_read_is_told(
    rollcall: Rollcall, operator: Operator, service: str
) -> None:
    organization(rollcall, ACCOUNT)
    enrol(rollcall, ACCOUNT)
    rollcall.fail(kind="access_denied", service=service, region=HERE)

    status, (_, enabled, _, place, now, *lines) = operator.sees("why", ACCOUNT)

    assert status == 1
    assert enabled.count("us-east-1") == 3
    assert place.startswith("Not read: ")
    assert place.endswith(f" {HERE}")
    assert now.startswith("  Now: not known: ")
    assert lines[-1].startswith(f"  To do: allow {service}:")
    assert lines[-1].endswith(" (README.md, The operator's permissions), and read again")


@pytest.mark.configured(scope=Scope(exclude_accounts=(OTHER,)))
def test_what_is_not_to_be_enabled_needs_nothing(rollcall: Rollcall, operator: Operator) -> None:
    organization(rollcall, ACCOUNT, OTHER)
    enrol(rollcall, ACCOUNT)
    configure_centrally(rollcall)
    apply_policy(rollcall, ACCOUNT, enabled=False)
    rollcall.pass_seconds(60)

    left_out, lines = operator.sees("why", OTHER)
    _, document = operator.reads("why", ACCOUNT, "--service", "securityhub")
    administrator, about = operator.reads("why", ADMINISTRATOR)

    assert left_out == 0
    assert lines[2:] == [
        "Not to be enabled: Security Hub CSPM eu-west-1, us-east-1; GuardDuty eu-west-1, us-east-1;"
        " Detective eu-west-1, us-east-1",
        "  Now: the service does not have the account as a member",
        "  Should be: not enabled: out of scope: the configuration excludes the account",
        "  To do: nothing, unless it is to be enabled: change the configuration's scope if the"
        " account is to be enrolled",
    ]
    assert {each["state"] for each in document["targets"]} == {"left out"}
    assert {each["reason_code"] for each in document["targets"]} == {"left-out-by-policy"}
    assert (administrator, {each["to_do"] for each in about["targets"]}) == (0, {"nothing"})


def test_what_holds_for_an_account_everywhere_is_told_once_without_a_command_that_cannot_help(
    rollcall: Rollcall, operator: Operator
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT, email=email(ACCOUNT), state="SUSPENDED")

    _, lines = operator.sees("why", ACCOUNT)

    assert sum("Organizations reports the account as SUSPENDED" in line for line in lines) == 1
    assert lines[-1] == (
        "  To do: nothing, unless it is to be enabled: start again if it becomes ACTIVE"
    )


def test_redirected_it_has_the_sentences_of_a_terminal_each_in_one_line(
    rollcall: Rollcall, operator: Operator
) -> None:
    organization(rollcall, ACCOUNT, OTHER)
    enrol(rollcall, ACCOUNT)
    disable(rollcall, ACCOUNT)

    _, wide = operator.sees("why", ACCOUNT, width=1000)
    _, redirected = operator.sees("why", ACCOUNT)

    assert redirected == wide
    assert "  A new run would: start monitoring the member again" in redirected


def test_why_goes_by_the_same_rules_as_the_survey(rollcall: Rollcall, operator: Operator) -> None:
    organization(rollcall, ACCOUNT, OTHER)
    enrol(rollcall, ACCOUNT, services=["guardduty"])
    rollcall.fail(kind="access_denied", service="detective", region="us-east-1")
    wired, now = wiring.wiring(), rollcall.clock.now()
    surveyed = make_survey(
        rollcall.configuration.targets,
        rollcall.configuration,
        wired.services,
        wired.directory,
        ADMINISTRATOR,
        wired.service,
        clock=lambda: now,
    )
    found = list(cells(surveyed.facts, surveyed.listings, rollcall.configuration, now))

    for account in (ACCOUNT, OTHER, MANAGEMENT, ADMINISTRATOR):
        _, document = operator.reads("why", account)
        assert [
            (each["service"], each["region"], each["state"], each["action"])
            for each in document["targets"]
        ] == [
            (cell.target.service.name, cell.target.region, cell.state, cell.action)
            for cell in found
            if cell.account_id == account
        ]


def test_an_account_that_nobody_knows_is_refused(rollcall: Rollcall, operator: Operator) -> None:
    organization(rollcall, ACCOUNT)

    status, (line,) = operator.sees("why", STRANGER)

    assert status == 2
    assert line.endswith(
        "takes an account of the organisation, or one that a run has enrolled;"
        f" {STRANGER} is neither"
    )
