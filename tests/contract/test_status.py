"""``rollcall status`` on the local AWS: what people see, and the exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

ROOT = Path(__file__).parents[2]
REGIONS = ["eu-west-1", "us-east-1"]

if TYPE_CHECKING:
    from infra.local.process import LocalAws


class User:
    """Someone with the administrator's credentials and a cdk.json."""

    def __init__(self, aws: LocalAws, administrator: str, config: Path) -> None:
        self._environment = {
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL": aws.url,
            "AWS_ACCESS_KEY_ID": administrator,
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": REGIONS[0],
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        self._config = config

    def status(
        self, *arguments: str, config: str | None = None, account: str | None = None
    ) -> tuple[int, str, str]:
        """``status`` with a configuration, by default the user's, and with an account's key."""
        command = [sys.executable, "-m", "infra.cli", "status"]
        file = str(self._config) if config is None else config
        own = {"AWS_ACCESS_KEY_ID": account} if account else {}
        done = subprocess.run(  # noqa: S603  # our own command
            [*command, *(["--config", file] if file else []), *arguments],
            cwd=ROOT,
            env=self._environment | own,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def accounts() -> dict[str, str]:
    names = ("management", "administrator", "enabled", "missing", "invited")
    return {name: f"7700000000{number:02}" for number, name in enumerate(names)}


@pytest.fixture(scope="module")
def user(aws: LocalAws, accounts: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> User:
    """One account is a member everywhere, one nowhere; one outside is invited to one service."""
    management, administrator = accounts["management"], accounts["administrator"]
    aws.world(do="create_organization", management=management)
    for name in ("administrator", "enabled", "missing"):
        aws.world(do="add_account", account_id=accounts[name], organization=management)
    aws.world(do="add_account", account_id=accounts["invited"], email="x@example.com")
    for service in ("securityhub", "guardduty", "detective"):
        place: dict[str, Any] = {"service": service, "regions": REGIONS}
        aws.world(do="designate", account_id=administrator, **place)
        member = {"administrator": administrator, "account_id": accounts["enabled"]}
        aws.world(do="set_account", account_id=accounts["enabled"], volume="known")
        aws.world(do="invite", **place, **member)
    invited = {"administrator": administrator, "account_id": accounts["invited"]}
    aws.world(do="invite", service="guardduty", regions=REGIONS[:1], **invited)
    aws.control("POST", "clock", {"advance": 60})
    config = tmp_path_factory.mktemp("status") / "cdk.json"
    rollcall = {"regions": REGIONS, "scope": {"exclude_accounts": [management]}}
    config.write_text(json.dumps({"context": {"rollcall": rollcall}}))
    return User(aws, administrator, config)


def test_each_target_has_a_line_and_each_gap_with_what_a_run_would_do(
    user: User, accounts: dict[str, str]
) -> None:
    status, output, _ = user.status("--gaps")

    assert status == 1
    lines = output.splitlines()
    assert lines[0].startswith("4 accounts, as of ")
    targets = [line.split() for line in lines[3:9]]
    # Left out: the administrator itself and the management account.
    assert {tuple(line[-3:]) for line in targets} == {("1", "2", "1")}
    missing = [line for line in lines if line.startswith(accounts["missing"])]
    assert len(missing) == 6
    assert all(line.endswith("Absent  a run would create") for line in missing)
    assert lines[-2] == "6 gaps, 0 targets not read, 1 member outside the organisation"
    assert lines[-1].startswith("Left out: ")
    assert max(map(len, lines[:9])) <= 80


def test_the_document_has_the_same(user: User, accounts: dict[str, str]) -> None:
    status, output, errors = user.status("--json", "--service", "guardduty")

    document = json.loads(output)
    assert (status, errors) == (1, "")
    assert [(one["region"], one["states"]) for one in document["targets"]] == [
        (region, {"enabled": 1, "left out": 2, "gap": 1}) for region in REGIONS
    ]
    assert {one["account_id"] for one in document["gaps"]} == {accounts["missing"]}
    assert [(one["account_id"], one["region"]) for one in document["outside"]] == [
        (accounts["invited"], REGIONS[0])
    ]


def test_an_account_that_is_enabled_everywhere_has_no_gap(
    user: User, accounts: dict[str, str]
) -> None:
    status, output, _ = user.status("--account", accounts["enabled"])

    assert status == 0
    assert "0 gaps, 0 targets not read" in output


def test_policy_types_that_stop_auto_enable_are_noted(
    user: User, aws: LocalAws, accounts: dict[str, str]
) -> None:
    management = aws.client("organizations", accounts["management"], REGIONS[0])
    [root] = management.list_roots()["Roots"]
    policies = {"RootId": root["Id"], "PolicyType": "GUARDDUTY_POLICY"}
    management.enable_policy_type(**policies)
    try:
        _, printed, _ = user.status()
        _, document, _ = user.status("--json")
        _, elsewhere, _ = user.status("--service", "detective")
    finally:
        management.disable_policy_type(**policies)

    [note] = json.loads(document)["notes"]
    assert note.startswith("GuardDuty: the organisation has the policy type GUARDDUTY_POLICY")
    assert printed.splitlines()[-1] == f"Note: {note}."
    assert "Note:" not in elsewhere


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--account", "4"), "takes an account id of 12 digits"),
        (("--account", "999999999998"), "--account: takes accounts of the organisation"),
        (("--service", "macie2"), "takes one of detective, guardduty, securityhub, not macie2"),
        (("--region", "us-esat-1"), "us-east-1, not us-esat-1 (did you mean us-east-1?)"),
        (("--name", "Trial"), "--name: is not taken with --config"),
        (("--home-region", "us-east-1"), "--home-region: is not taken with --config"),
        (("--profile", "nobody"), "nobody"),
    ],
)
def test_what_is_not_valid_is_refused_in_one_line(
    user: User, arguments: tuple[str, str], message: str
) -> None:
    status, output, errors = user.status(*arguments)

    assert (status, output) == (2, "")
    assert len(errors.splitlines()) == 1
    assert message in errors


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            "cdk.jsn",
            "that can be read: cdk.jsn: No such file or directory (did you mean cdk.json?)",
        ),
        ("package.json", "takes a cdk.json with context.rollcall; package.json has none"),
        ("README.md", "takes a file of JSON, not README.md: Expecting value: line 1 column 1"),
    ],
    ids=["no file", "another file", "no JSON"],
)
def test_a_file_that_configures_nothing_is_told_in_plain_words(
    user: User, config: str, message: str
) -> None:
    status, output, errors = user.status(config=config)

    assert (status, output) == (2, "")
    assert len(errors.splitlines()) == 1
    assert "--config: takes a " in errors
    assert message in errors


def test_a_region_is_taken_in_any_case(user: User, accounts: dict[str, str]) -> None:
    _, output, _ = user.status("--account", accounts["enabled"], "--region", "US-EAST-1")

    assert {line.split()[-4] for line in output.splitlines()[3:6]} == {"us-east-1"}


def test_where_there_is_no_stack_the_account_is_told_and_a_region_that_may_be_meant(
    user: User, accounts: dict[str, str]
) -> None:
    _, _, errors = user.status("--home-region", "eu-wset-1", config="")

    administrator = accounts["administrator"]
    assert (
        f"no stack Rollcall in eu-wset-1 (did you mean eu-west-1?) of account {administrator}; to"
        " do: give --profile"
    ) in errors


def test_another_account_than_the_configured_administrator_is_refused_before_anything_is_read(
    user: User, accounts: dict[str, str], tmp_path: Path
) -> None:
    management, administrator = accounts["management"], accounts["administrator"]
    organization = {"management_account": management, "administrator_account": administrator}
    rollcall = {"regions": REGIONS, "organization": organization | {"home_region": REGIONS[0]}}
    file = tmp_path / "cdk.json"
    file.write_text(json.dumps({"context": {"rollcall": rollcall}}))

    status, output, errors = user.status(config=str(file), account=management)
    _, read, _ = user.status("--service", "guardduty", config=str(file))

    assert (status, output) == (2, "")
    assert f"--profile: takes credentials of {administrator}, the administrator account" in errors
    assert errors.endswith(f", not of {management}\n")
    assert read.startswith("4 accounts")


def test_an_account_that_is_not_the_administrator_reads_nothing_of_the_others(
    user: User, aws: LocalAws, accounts: dict[str, str]
) -> None:
    """The file does not name the administrator account."""
    management = accounts["management"]
    aws.world(do="enable", service="guardduty", account_id=management, regions=REGIONS)

    status, output, _ = user.status("--service", "guardduty", account=management)

    assert status == 1
    targets = output.splitlines()[3:5]
    assert all("-  not read: the administrator account is not the del" in line for line in targets)
    assert "0 gaps, 2 targets not read" in output
