"""The beliefs about AWS as a user tries them: pytest in a process of its own, with a profile.

The profile's endpoint is the local AWS, which here is taken for the real one.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from functions.enrolment.errors import InvalidInput
from tests.contract.beliefs.guard import CHANGING, NO_SUCH_ROLE, READ_ONLY, CallRefused, Guard
from tests.contract.beliefs.identity import guarded_session
from tests.contract.beliefs.local import (
    OPT_IN_REGION,
    OTHER_REGION,
    REGION,
    LocalOrganization,
    email_of,
    organize,
    write_profiles,
)
from tests.contract.beliefs.needs import UNKNOWN_ACCOUNTS
from tests.contract.beliefs.settings import (
    ACCOUNTS,
    CHANGES,
    PROFILE,
    REGIONS,
    NamedAccount,
    Settings,
    read_settings,
)
from tests.contract.beliefs.table import Names
from tests.contract.beliefs.test_beliefs import BELIEFS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.process import LocalAws

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "contract-with-aws.md").read_text()
FIRST_ACCOUNT = 730000000001
AGREES, DIFFERS, REFUSED = 0, 1, 4
OURS = "444455556666"


@dataclass(frozen=True, slots=True)
class Finished:
    status: int
    output: str
    report: str

    def result(self, belief: str, region: str = REGION) -> str:
        """The cells "answered" and "result" of a belief's row."""
        (row,) = re.findall(rf"^\| {re.escape(belief)} \(.\) \| {region} \|.*$", self.report, re.M)
        return " | ".join(row.strip("| ").split(" | ")[3:])


class User:
    """Runs the beliefs with a profile, in a folder of their own."""

    def __init__(self, folder: Path, aws: LocalAws, made: LocalOrganization) -> None:
        self.aws = aws
        self.made = made
        self.folder = folder
        self.profiles = folder / "config"
        write_profiles(self.profiles, aws, made.administrator)
        self.accounts = folder / "accounts.json"
        self.accounts.write_text(
            json.dumps({"accounts": [{"id": made.spare, "email": email_of(made.spare)}]})
        )

    def run(self, **variables: str) -> Finished:
        """``pytest tests/contract/beliefs`` with these variables and no other credentials."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "PYTEST_", "ROLLCALL_"))
        }
        given = {
            "AWS_CONFIG_FILE": str(self.profiles),
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            PROFILE: self.made.administrator,
            REGIONS: f"{REGION},{OTHER_REGION},{OPT_IN_REGION}",
        }
        options = ["-p", "no:cacheprovider", "-c", f"{ROOT}/pyproject.toml", f"--rootdir={ROOT}"]
        finished = subprocess.run(  # noqa: S603  # our own tests
            [sys.executable, "-m", "pytest", *options, f"{ROOT}/tests/contract/beliefs"],
            cwd=self.folder,
            env=inherited | given | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        report = self.folder / "contract-with-aws-report.md"
        text = report.read_text() if report.exists() else ""
        return Finished(finished.returncode, finished.stdout + finished.stderr, text)

    def change(self) -> dict[str, str]:
        return {CHANGES: "yes", ACCOUNTS: str(self.accounts)}

    def operations(self) -> set[str]:
        """What was called since the calls were last forgotten; STS is not in this log."""
        calls = self.aws.control("GET", "calls")["calls"]
        return {f"{call['service']}:{call['operation']}" for call in calls}

    def memberships_of_spare(self) -> list[str]:
        """The statuses that the services hold of the account that may be changed."""
        return [
            one["status"]
            for one in self.aws.control("GET", "state")["memberships"]
            if one["account_id"] == self.made.spare and one["status"] is not None
        ]


@pytest.fixture(scope="module")
def made(aws: LocalAws) -> LocalOrganization:
    return organize(aws, FIRST_ACCOUNT)


@pytest.fixture
def user(tmp_path: Path, aws: LocalAws, made: LocalOrganization) -> User:
    user = User(tmp_path, aws, made)
    aws.control("DELETE", "calls")
    return user


def of_sts(operations: frozenset[str]) -> set[str]:
    return {one for one in operations if one.startswith("sts:")}


def actions(policy: Mapping[str, Any]) -> set[str]:
    found: set[str] = set()
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        found.update(statement["Action"])
    return found


def test_every_belief_agrees_and_what_was_changed_is_as_before(user: User) -> None:
    finished = user.run(**user.change())

    assert finished.status == AGREES, finished.output
    assert "0 DIFFERS" in finished.report
    # Each operation that is allowed is used, and no other.
    assert user.operations() == (READ_ONLY | CHANGING) - of_sts(READ_ONLY)
    assert not user.memberships_of_spare()
    shown = set(finished.report.splitlines())
    (example,) = re.findall(r"```text\n(.*?)```", PAGE, re.S)
    assert set(filter(None, example.splitlines())) <= shown


def test_the_report_is_printed_and_names_nobody(user: User) -> None:
    finished = user.run(**user.change())

    assert finished.report in finished.output
    assert f"Written to {user.folder / 'contract-with-aws-report.md'}" in finished.output
    assert not re.findall(r"\d{12}|[0-9a-f]{20}|@|127\.0\.0\.1", finished.report)
    assert "<caller>" in finished.report


def test_without_the_second_word_only_read_only_calls_are_made(user: User) -> None:
    finished = user.run(**{ACCOUNTS: str(user.accounts)})

    assert finished.status == AGREES, finished.output
    assert user.operations() == READ_ONLY - of_sts(READ_ONLY)
    for belief in (one for one in BELIEFS if one.changes):
        assert finished.result(belief.id).endswith(
            f"not tried (needs {CHANGES}=yes and {ACCOUNTS})"
        )


def test_a_difference_is_found(user: User) -> None:
    text = f"The account {UNKNOWN_ACCOUNTS[0]} left on its own, ask root@example.com"
    user.aws.world(
        do="unprocess",
        service="guardduty",
        operation="GetMembers",
        account_id=UNKNOWN_ACCOUNTS[0],
        text=text,
        region=OTHER_REGION,
    )
    user.aws.control(
        "POST",
        "faults",
        {"kind": "access_denied", "service": "securityhub", "operation": "ListMembers"},
    )

    finished = user.run()
    user.aws.control("DELETE", "faults")

    belief = "guardduty.get-members.unknown-account"
    assert finished.status == DIFFERS
    assert "1 DIFFERS" in finished.report
    assert finished.result(belief, OTHER_REGION) == (
        '"The account <unknown account> left on its own, ask (e-mail)" | DIFFERS'
    )
    assert f"- {belief}: functions/services/batches.py" in finished.report
    assert not re.findall(r"\d{12}|@", finished.output)
    # That the caller has no permission is no difference.
    assert finished.result("securityhub.list-members.status") == (
        " | not tried (the policies of the caller do not allow this call)"
    )


def test_an_account_that_is_a_member_is_not_changed(user: User) -> None:
    user.accounts.write_text(
        json.dumps({"accounts": [{"id": user.made.invited, "email": email_of(user.made.invited)}]})
    )

    finished = user.run(**user.change() | {REGIONS: REGION})

    assert finished.status == AGREES, finished.output
    assert not user.operations() & CHANGING
    assert "no account of the file can be used" in finished.result("detective.create-members.again")


def test_a_member_that_could_not_be_deleted_is_reported(user: User) -> None:
    user.aws.world(
        do="unprocess",
        service="detective",
        operation="DeleteMembers",
        account_id=user.made.spare,
        text="Internal error",
    )

    finished = user.run(**user.change() | {REGIONS: REGION})

    assert finished.status == DIFFERS
    left = "processed | DIFFERS (delete the member: Internal error)"
    assert finished.result("detective.create-members.outside") == left
    # The next belief does not begin with a member, and leaves none.
    prepared = "not tried (CreateMembers before it: Account is already a member)"
    assert finished.result("detective.create-members.status").endswith(prepared)
    assert not user.memberships_of_spare()


def test_the_network_is_open_only_with_a_profile(user: User) -> None:
    """127.0.0.2 is not one of the hosts that tests may reach; nothing listens there."""
    write_profiles(user.profiles, user.aws, user.made.administrator, url="http://127.0.0.2:9")

    finished = user.run()

    assert finished.status == REFUSED
    assert (
        "takes a profile that AWS knows: STS GetCallerIdentity: EndpointConnectionError"
        in finished.output
    )


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({PROFILE: "absent"}, f"{PROFILE}: gives no credentials: The config profile (absent)"),
        ({CHANGES: "yes"}, f"{ACCOUNTS}: is required with {CHANGES}"),
    ],
    ids=["no such profile", "no file of accounts"],
)
def test_bad_input_is_one_line(user: User, variables: dict[str, str], message: str) -> None:
    finished = user.run(**variables)

    assert finished.status == REFUSED
    assert [line for line in finished.output.splitlines() if message in line]
    assert "Traceback" not in finished.output
    assert len(finished.output.splitlines()) < 5
    assert not user.operations()


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ("[]", ACCOUNTS),
        ("no JSON", ACCOUNTS),
        ('{"accounts": []}', "accounts"),
        ('{"accounts": ["444455556666"]}', "accounts[0]"),
        ('{"accounts": [{"id": "44445555666", "email": "a@example.com"}]}', "accounts[0].id"),
        ('{"accounts": [{"id": "444455556666", "email": "a"}]}', "accounts[0].email"),
        ('{"accounts": [{"id": "444455556666"}]}', "accounts[0]"),
    ],
)
def test_the_file_of_accounts_is_checked(tmp_path: Path, content: str, field: str) -> None:
    file = tmp_path / "accounts.json"
    file.write_text(content)

    with pytest.raises(InvalidInput) as caught:
        read_settings({PROFILE: "audit", CHANGES: "yes", ACCOUNTS: str(file)})

    assert caught.value.field == field


@pytest.mark.parametrize(
    ("variables", "field"),
    [
        ({REGIONS: "eu-west-1;us-east-1"}, REGIONS),
        ({CHANGES: "true"}, CHANGES),
        ({CHANGES: "yes"}, ACCOUNTS),
        ({ACCOUNTS: "/nowhere.json"}, ACCOUNTS),
    ],
    ids=str,
)
def test_the_variables_are_checked(variables: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_settings({PROFILE: "audit", **variables})

    assert caught.value.field == field


def test_accounts_may_be_changed_only_with_the_second_word(tmp_path: Path) -> None:
    file = tmp_path / "accounts.json"
    file.write_text(json.dumps({"accounts": [{"id": OURS, "email": "a@example.com"}]}))
    variables = {PROFILE: "audit", REGIONS: "eu-west-1, us-east-1", ACCOUNTS: str(file)}
    regions = ("eu-west-1", "us-east-1")

    assert read_settings({}) is None
    assert read_settings(variables) == Settings("audit", regions)
    assert read_settings(variables | {CHANGES: "yes"}) == Settings(
        "audit", regions, (NamedAccount(OURS, "a@example.com"),)
    )


class Sent(Exception):
    """A request passed the guard."""


def watched(guard: Guard) -> boto3.Session:
    """A session that sends nothing."""
    session = boto3.Session(
        aws_access_key_id="key",
        aws_secret_access_key="secret",  # noqa: S106  # no real one
        region_name=REGION,
    )

    def stop(**_: object) -> None:
        raise Sent

    session.events.register("before-send", stop)
    guard.watch(session)
    return session


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("securityhub", "create_members", {"AccountDetails": [{"AccountId": OURS}]}),
        ("securityhub", "disable_security_hub", {}),
        ("guardduty", "delete_detector", {"DetectorId": "0" * 32}),
        ("guardduty", "list_findings", {"DetectorId": "0" * 32}),
        ("organizations", "close_account", {"AccountId": OURS}),
        ("s3", "list_buckets", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_on_the_list_is_not_sent(
    service: str, operation: str, parameters: dict[str, Any]
) -> None:
    made: Any = watched(Guard())

    with pytest.raises(CallRefused, match="not on the list"):
        getattr(made.client(service), operation)(**parameters)


@pytest.mark.parametrize(
    ("role", "sent"),
    [
        (NO_SUCH_ROLE, True),
        ("Admin", False),
        (f"{NO_SUCH_ROLE}-2", False),
        (f"a/{NO_SUCH_ROLE}", False),
    ],
)
def test_no_role_is_assumed_but_one_that_does_not_exist(role: str, *, sent: bool) -> None:
    arn = f"arn:aws:iam::{OURS}:role/{role}"

    with pytest.raises(Sent if sent else CallRefused):
        watched(Guard([OURS])).client("sts").assume_role(RoleArn=arn, RoleSessionName="test")


def test_a_paginator_a_waiter_and_a_second_client_are_guarded() -> None:
    session: Any = watched(Guard())
    paginator = session.client("guardduty").get_paginator("list_findings")
    waiter = session.client("cloudformation").get_waiter("stack_exists")

    for call in (
        lambda: list(paginator.paginate(DetectorId="0" * 32)),
        lambda: waiter.wait(StackName="any"),
        lambda: list(session.resource("s3").buckets.all()),
    ):
        with pytest.raises(CallRefused):
            call()


def test_what_is_on_the_list_is_sent() -> None:
    with pytest.raises(Sent):
        watched(Guard()).client("securityhub").get_members(AccountIds=[OURS])


GRAPH = f"arn:aws:detective:{REGION}:111122223333:graph:{'0' * 32}"


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "sent"),
    [
        ("securityhub", "delete_members", {"AccountIds": [OURS]}, True),
        ("securityhub", "delete_members", {"AccountIds": ["555566667777"]}, False),
        ("securityhub", "delete_members", {"AccountIds": [OURS, "555566667777"]}, False),
        ("securityhub", "delete_members", {"AccountIds": []}, False),
        ("securityhub", "decline_invitations", {"AccountIds": [OURS]}, False),
        ("guardduty", "invite_members", {"DetectorId": "1" * 32, "AccountIds": [OURS]}, True),
        ("detective", "delete_members", {"GraphArn": GRAPH, "AccountIds": [OURS]}, True),
        ("detective", "delete_members", {"GraphArn": GRAPH, "AccountIds": ["111122223333"]}, False),
    ],
    ids=[
        "named",
        "not named",
        "one not named",
        "nobody",
        "operation not on the list",
        "beside a detector",
        "beside a graph",
        "the administrator",
    ],
)
def test_only_named_accounts_are_changed(
    service: str, operation: str, parameters: dict[str, Any], *, sent: bool
) -> None:
    made: Any = watched(Guard([OURS]))

    with pytest.raises(Sent if sent else CallRefused):
        getattr(made.client(service), operation)(**parameters)


def test_every_client_of_a_profile_is_guarded(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(user.profiles))
    session = guarded_session(Settings(user.made.administrator))

    with pytest.raises(CallRefused):
        session.client("securityhub").delete_members(AccountIds=[user.made.spare])
    with pytest.raises(CallRefused):
        session.resource("s3", region_name=REGION).create_bucket(Bucket="rollcall")

    assert not user.operations()


def test_a_profile_without_credentials_is_refused(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(user.profiles))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    user.profiles.write_text("[profile empty]\nregion = eu-west-1\n")

    with pytest.raises(InvalidInput, match=f"{PROFILE}: takes a profile with credentials"):
        guarded_session(Settings("empty"))


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Account 111122223333 asks 444455556666", "Account <caller> asks <account 2>"),
        (
            "User: arn:aws:sts::111122223333:assumed-role/Admin/jane is not authorized",
            "User: arn:aws:sts::<caller>:assumed-role/… is not authorized",
        ),
        (f"{GRAPH} is gone", f"arn:aws:detective:{REGION}:<caller>:graph:… is gone"),
        ("o-a1b2c3d4e5/r-ab12/ou-ab12-cdefgh34/", "o-…/r-…/ou-…/"),
        ("jane.doe@example.com", "(e-mail)"),
        ("Request ID: 0b7d7b4e-2c5f-4a5e-9d53-0a4f6c1d2e3f", "Request ID: <id>"),
        ("the detector 12abc34d567e8fa901bc2d34e56789f0", "the detector <id>"),
        ("key AKIAIOSFODNN7EXAMPLE from 203.0.113.9", "key <key> from <address>"),
        ("AROAEXAMPLEEXAMPLE:jane.doe may not", "<key> may not"),
        (
            "Encoded authorization failure message: a-B_c1 (x)",
            "Encoded authorization failure message: <encoded> (x)",
        ),
        ('proxy URL: "http://jane:secret@proxy.corp.example:8080"', 'proxy URL: "<address>"'),
        ('"https://vpce-0a1b.guardduty.eu-west-1.vpce.amazonaws.com/x"', '"<address>"'),
        (
            '"https://api.detective.ca-west-1.amazonaws.com/invitations/list"',
            '"https://api.detective.ca-west-1.amazonaws.com/invitations/list"',
        ),
        ("1,200 members in eu-west-1", "1,200 members in eu-west-1"),
    ],
)
def test_identifying_values_are_replaced(text: str, hidden: str) -> None:
    assert Names({"111122223333": "<caller>"}).hide(text) == hidden


def test_the_page_has_the_policies_of_the_lists() -> None:
    reading, changing = (
        actions(json.loads(block))
        for block in re.findall(r"```json\n(\{\n  \"V.*?)```", PAGE, re.S)
    )

    # sts:GetCallerIdentity needs no permission.
    assert reading == READ_ONLY - {"sts:GetCallerIdentity"}
    assert changing == CHANGING


def test_beliefs_are_told_apart_and_name_the_code_that_relies_on_them() -> None:
    identifiers = [belief.id for belief in BELIEFS]

    assert len(set(identifiers)) == len(identifiers)
    for belief in BELIEFS:
        assert belief.used_in
        assert all((ROOT / file).is_file() for file in belief.used_in), belief.id
        assert f"{belief.service}:{belief.operation}" in READ_ONLY | (
            CHANGING if belief.changes else frozenset()
        )
