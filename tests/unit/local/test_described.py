"""A world that a file describes is the one that commands and operations make."""

from __future__ import annotations

import json
import sys
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from functions.enrolment.errors import InvalidInput
from infra.local.described.building import build
from infra.local.described.reader import MEMBER_SERVICES, REGIONS, load, read_description
from infra.local.facts.clock import ManualClock
from infra.local.facts.organization import AccountState, AutoEnable, Joined
from infra.local.facts.regions import OPT_IN_REGIONS
from infra.local.facts.state import ORGANIZATION_ROLE, NewRole, Volume
from infra.local.world import World
from tests.support.local_world import Actor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SCHEMA = json.loads(Path("docs/local-world.schema.json").read_text())
EXAMPLE_FILE = Path("docs/local-world.example.json")
EXAMPLE: dict[str, Any] = json.loads(EXAMPLE_FILE.read_text())
MANAGEMENT, SECURITY, SHOP = "111111111111", "222222222222", "555555555555"
SUSPENDED, CLOSED, PARTNER = "999999999999", "121212121212", "343434343434"


class Built:
    """The world of a document, and the roles made in it."""

    def __init__(self, document: Mapping[str, Any], tmp_path: Path) -> None:
        file = tmp_path / "world.json"
        file.write_text(json.dumps(document))
        self.clock = ManualClock()
        self.roles: list[NewRole] = []
        self.world = World(self.clock, make_role=self.roles.append)
        build(self.world, load(file))

    def actor(self, service: str, account_id: str, region: str = "us-east-1") -> Actor:
        return Actor(self.world, service, account_id, region)

    def statuses(self, service: str, region: str) -> dict[str, str]:
        return {
            one["account_id"]: one["status"]
            for one in self.world.snapshot()["memberships"]
            if (one["service"], one["region"]) == (service, region)
        }


@pytest.fixture
def example(tmp_path: Path) -> Built:
    return Built(EXAMPLE, tmp_path)


def every_account(built: Built) -> dict[str, dict[str, Any]]:
    list_accounts = built.actor("organizations", MANAGEMENT)
    first = list_accounts("ListAccounts")
    return {account["Id"]: account for account in first["Accounts"]}


def test_organizations_lists_the_accounts_as_described(example: Built) -> None:
    accounts = every_account(example)

    described = {one["id"]: one for one in EXAMPLE["accounts"] if one["id"] != PARTNER}
    assert {id_: (one["Name"], one["Email"], one["State"]) for id_, one in accounts.items()} == {
        id_: (one["name"], one["email"], one.get("state", "ACTIVE"))
        for id_, one in described.items()
    }
    assert accounts["444444444444"]["JoinedMethod"] == "INVITED"
    assert accounts[SHOP]["JoinedMethod"] == "CREATED"


def test_accounts_are_in_their_units_with_their_tags(example: Built) -> None:
    ask = example.actor("organizations", MANAGEMENT)
    root = ask("ListRoots")["Roots"][0]["Id"]
    units = {
        one["Name"]: one["Id"]
        for one in ask("ListOrganizationalUnitsForParent", ParentId=root)["OrganizationalUnits"]
    }
    below = ask("ListOrganizationalUnitsForParent", ParentId=units["Workloads"])
    production = next(
        one["Id"] for one in below["OrganizationalUnits"] if one["Name"] == "Production"
    )

    placed = ask("ListAccountsForParent", ParentId=production)["Accounts"]
    tags = ask("ListTagsForResource", ResourceId=SHOP)["Tags"]

    assert {one["Id"] for one in placed} == {SHOP, "777777777777"}
    assert {one["Key"]: one["Value"] for one in tags} == {"team": "shop", "stage": "production"}


def test_the_management_account_may_be_in_a_unit(tmp_path: Path) -> None:
    document = deepcopy(EXAMPLE)
    document["accounts"][0]["unit"] = "Infrastructure"

    parents = Built(document, tmp_path).actor("organizations", MANAGEMENT)(
        "ListParents", ChildId=MANAGEMENT
    )

    assert parents["Parents"][0]["Type"] == "ORGANIZATIONAL_UNIT"


def test_members_have_their_statuses_when_it_starts(example: Built) -> None:
    assert example.statuses("securityhub", "us-east-1") == {
        "333333333333": "Enabled",
        "444444444444": "Enabled",
        SHOP: "Enabled",
        "666666666666": "Enabled",
        "777777777777": "Enabled",
        SUSPENDED: "AccountSuspended",
    }
    assert example.statuses("guardduty", "me-south-1")["444444444444"] == "RegionDisabled"
    assert example.statuses("detective", "eu-west-1")["777777777777"] == "ACCEPTED_BUT_DISABLED"
    # Its owner accepts GuardDuty's invitation only.
    partner = [example.statuses(service, "eu-west-1")[PARTNER] for service in MEMBER_SERVICES]
    assert partner == ["Invited", "Enabled", "INVITED"]


def calls_to_build(accounts: int, tmp_path: Path) -> int:
    """How many Python functions are called to build a world of so many members."""
    members = [str(500000000001 + number) for number in range(accounts)]
    document = {
        "organization": {"management": MANAGEMENT},
        "accounts": [{"id": one} for one in (SECURITY, *members)],
        "administrators": [
            {
                "account": SECURITY,
                "services": list(MEMBER_SERVICES),
                "regions": ["eu-west-1", "us-east-1"],
                "auto_enable": "NEW",
                "members": members,
            }
        ],
    }
    file = tmp_path / "world.json"
    file.write_text(json.dumps(document))
    world, description, calls = World(ManualClock()), load(file), 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        build(world, description)
    finally:
        sys.setprofile(before)
    return calls


def test_twice_the_accounts_take_twice_the_work(tmp_path: Path) -> None:
    assert calls_to_build(400, tmp_path) < 2.2 * calls_to_build(200, tmp_path)


def test_administrators_are_delegated_with_their_settings(example: Built) -> None:
    hub = example.actor("securityhub", SECURITY, "me-south-1")
    organizations = example.actor("organizations", MANAGEMENT)

    delegated = organizations("ListDelegatedServicesForAccount", AccountId=SECURITY)

    assert hub("DescribeOrganizationConfiguration")["AutoEnable"] is True
    assert {one["ServicePrincipal"] for one in delegated["DelegatedServices"]} == {
        "account.amazonaws.com",
        "detective.amazonaws.com",
        "guardduty.amazonaws.com",
        "securityhub.amazonaws.com",
    }


def test_an_administrator_outside_an_organization_invites(tmp_path: Path) -> None:
    built = Built(
        {
            "accounts": [{"id": SECURITY}, {"id": SHOP, "accepts_after": 60}],
            "administrators": [
                {
                    "account": SECURITY,
                    "services": ["securityhub"],
                    "regions": ["eu-west-1"],
                    "members": [SHOP],
                }
            ],
        },
        tmp_path,
    )

    before = built.statuses("securityhub", "eu-west-1")
    built.clock.advance(60)

    assert (before[SHOP], built.statuses("securityhub", "eu-west-1")[SHOP]) == (
        "Invited",
        "Enabled",
    )


def test_roles_are_made_before_the_one_that_organizations_makes(tmp_path: Path) -> None:
    document = deepcopy(EXAMPLE)
    own = {"name": ORGANIZATION_ROLE, "trusts": [SECURITY]}
    document["accounts"][1]["roles"] = [own]

    roles = Built(document, tmp_path).roles

    assert [one for one in roles if one.account_id == SECURITY] == [
        NewRole(SECURITY, ORGANIZATION_ROLE, (SECURITY,)),
        NewRole.of_organization(SECURITY, MANAGEMENT),
    ]
    assert (
        NewRole(
            SHOP,
            "Scanner",
            (SECURITY,),
            "scan-2026",
            ("arn:aws:iam::aws:policy/SecurityAudit",),
        )
        in roles
    )
    # Neither the management account, nor those that were invited or are outside.
    made = {one.account_id for one in roles if one.name == ORGANIZATION_ROLE}
    assert made.isdisjoint({MANAGEMENT, "444444444444", PARTNER})


def test_timings_hold_from_the_start_on(example: Built) -> None:
    ask = example.actor("organizations", MANAGEMENT)
    request = ask("CreateAccount", Email="one@example.com", AccountName="One")
    id_ = request["CreateAccountStatus"]["Id"]

    def state() -> str:
        answer = ask("DescribeCreateAccountStatus", CreateAccountRequestId=id_)
        return str(answer["CreateAccountStatus"]["State"])

    example.clock.advance(1.5)
    before = state()
    example.clock.advance(0.5)

    assert (before, state()) == ("IN_PROGRESS", "SUCCEEDED")


def test_the_same_file_gives_the_same_ids_and_no_events(tmp_path: Path) -> None:
    first, second = (Built(EXAMPLE, tmp_path) for _ in range(2))

    assert first.world.snapshot() == second.world.snapshot()
    assert first.world.drain_events() == []


def test_an_empty_world_can_be_built_again(example: Built, tmp_path: Path) -> None:
    before = example.world.snapshot()
    example.world.reset()

    build(example.world, load(EXAMPLE_FILE))

    assert example.world.snapshot() == before


# The file's form


def test_the_schema_names_what_the_code_knows() -> None:
    definitions = SCHEMA["$defs"]

    def choices(kind: str, key: str) -> list[str]:
        return [one for one in definitions[kind]["properties"][key]["enum"] if one is not None]

    assert definitions["service"]["enum"] == list(MEMBER_SERVICES)
    assert definitions["region"]["enum"] == sorted(REGIONS)
    assert definitions["opt_in_region"]["enum"] == sorted(OPT_IN_REGIONS)
    assert choices("account", "state") == list(AccountState)
    assert choices("account", "joined") == list(Joined)
    assert choices("account", "volume") == list(Volume)
    assert choices("administrator", "auto_enable") == list(AutoEnable)


def test_the_example_is_what_the_schema_describes() -> None:
    Draft202012Validator(SCHEMA).validate(EXAMPLE)


EVERYTHING: dict[str, Any] = {
    "$schema": "local-world.schema.json",
    "organization": {
        "management": MANAGEMENT,
        "units": ["Workloads"],
        "trusted_access": ["account.amazonaws.com"],
        "delegated_administrators": {"account.amazonaws.com": SECURITY},
    },
    "accounts": [
        {
            "id": SECURITY,
            "name": "Security",
            "email": "security@example.com",
            "state": "ACTIVE",
            "in_organization": True,
            "unit": "Workloads",
            "joined": "CREATED",
            "regions": ["me-south-1"],
            "tags": {"team": "security"},
            "volume": "known",
            "accepts_after": {"guardduty": 1},
            "enabled": {"guardduty": ["eu-west-1"]},
            "roles": [
                {
                    "name": "Scanner",
                    "trusts": [SHOP],
                    "external_id": "scan",
                    "policies": ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
                }
            ],
        }
    ],
    "administrators": [
        {
            "account": SECURITY,
            "services": ["detective"],
            "regions": ["eu-west-1"],
            "auto_enable": "NEW",
            "members": [SHOP],
        }
    ],
    "timings": {"region_opt": 1},
    "limits": {"detective": 2},
}
# Values that are taken somewhere and refused elsewhere.
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 10**9, 10**9 + 1, "", "x", "é", "a/b", "/a", "a" * 50),
    *("a" * 51, "a" * 64, "a" * 65, "a" * 256, "a" * 257, "a" * 1000, "a" * 1001, "a b", "*"),
    *("/".join("abcde"), "/".join("abcdef"), "a" * 128, "a" * 129, "ACTIVE", "CREATED", "ALL"),
    *("known", "me-south-1", "eu-west-1", "eu-west-9", "securityhub", "macie2"),
    *("123456789012", "12345678901", "12345678901x", 123456789012),
    *("account.amazonaws.com", ".amazonaws.com", "A.amazonaws.com", "amazonaws.com"),
    *("a@example.com", "a@b", "a@ex_ample.com", "é@example.com", f"{'a' * 53}@example.com"),
    *("arn:aws:iam::123456789012:role/a/B", "arn:aws:iam::12:role/B", "arn:aws:iam::aws:policy/A"),
    *("arn:aws:sts::123456789012:assumed-role/a/b", "arn:aws:iam::123456789012:policy/x/A"),
    *([], [[]], [{}], ["x", "x"], {}, {"x": 1}, {"": "x"}, {"guardduty": 1}, {"guardduty": None}),
    *(["eu-west-1", "us-east-1"], ["me-south-1", "me-south-1"], [MANAGEMENT], [MANAGEMENT] * 2),
    {f"tag{number}": "x" for number in range(50)},
    {f"tag{number}": "x" for number in range(51)},
    [f"a{number}" for number in range(101)],
    [f"s{number}.amazonaws.com" for number in range(100)],
    [f"s{number}.amazonaws.com" for number in range(101)],
]
_ABSENT = object()


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where a document may be changed: every value in it, and an unknown key of every object."""
    if path:
        yield path
    if isinstance(value, dict):
        yield (*path, "unknown")
    if isinstance(value, dict | list):
        inside = value.items() if isinstance(value, dict) else enumerate(value)
        for key, element in inside:
            yield from places(element, (*path, key))


def with_value(document: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    whole = deepcopy(document)
    part: Any = whole
    for key in path[:-1]:
        part = part[key]
    if value is not _ABSENT:
        part[path[-1]] = value
    elif path[-1] != "unknown":
        part.pop(path[-1])
    return whole


def renamed(document: dict[str, Any], path: tuple[str | int, ...], key: str) -> dict[str, Any]:
    whole = deepcopy(document)
    part: Any = whole
    for step in path:
        part = part[step]
    part[key] = part.pop(next(iter(part)))
    return whole


def is_taken(document: Any) -> bool:
    try:
        read_description(document)
    except InvalidInput:
        return False
    return True


def is_valid(document: Any) -> bool:
    return bool(_VALIDATOR.is_valid(document))


_VALIDATOR = Draft202012Validator(SCHEMA)
PLACES = list(places(EVERYTHING))


@pytest.mark.parametrize("path", PLACES, ids=lambda path: ".".join(map(str, path)))
def test_the_schema_and_the_reader_agree(path: tuple[str | int, ...]) -> None:
    documents = [with_value(EVERYTHING, path, value) for value in (_ABSENT, *VALUES)]

    disagreed = [one for one in documents if is_taken(one) != is_valid(one)]

    assert disagreed == []


@pytest.mark.parametrize(
    "path",
    [
        ("organization", "delegated_administrators"),
        ("accounts", 0, "accepts_after"),
        ("accounts", 0, "enabled"),
        ("accounts", 0, "tags"),
        ("timings",),
    ],
    ids=lambda path: ".".join(map(str, path)),
)
def test_the_schema_and_the_reader_agree_on_keys(path: tuple[str | int, ...]) -> None:
    keys = [value for value in VALUES if isinstance(value, str)]

    disagreed = [
        key
        for key in keys
        if is_taken(renamed(EVERYTHING, path, key)) != is_valid(renamed(EVERYTHING, path, key))
    ]

    assert disagreed == []


def test_everything_can_be_described(tmp_path: Path) -> None:
    document = deepcopy(EVERYTHING)
    document["accounts"].append({"id": SHOP})

    assert is_valid(document)
    assert Built(document, tmp_path).statuses("detective", "eu-west-1").keys() == {SHOP}


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    document = deepcopy(EXAMPLE)
    change(document)
    return document


ADMINISTRATOR = {"account": SHOP, "services": ["securityhub"], "regions": ["eu-west-1"]}
INVALID: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "unknown unit": (
        lambda d: d["accounts"][1].update(unit="Nowhere"),
        "accounts[1].unit: takes a path listed under organization.units",
    ),
    "unit before its parent": (
        lambda d: d["organization"].update(units=["A/B", "A"]),
        "organization.units[0]: takes A before it",
    ),
    "unit outside": (
        lambda d: d["accounts"][11].update(unit="Security"),
        "accounts[11].unit: is only for accounts of the organization",
    ),
    "management outside": (
        lambda d: d["accounts"][0].update(in_organization=False),
        "accounts[0].in_organization: takes true for the management account",
    ),
    "management joined": (
        lambda d: d["accounts"][0].update(joined="CREATED"),
        "accounts[0].joined: is not for the management account",
    ),
    "same account": (
        lambda d: d["accounts"].append({"id": SHOP}),
        "accounts[12]: repeats an earlier item; each is given once",
    ),
    "same e-mail": (
        lambda d: d["accounts"][2].update(email="AWS@example.com"),
        "accounts[2].email: repeats that of an earlier account",
    ),
    "enabled in a Region it lacks": (
        lambda d: d["accounts"][5].update(enabled={"guardduty": ["ap-east-1"]}),
        "accounts[5].enabled.guardduty: takes Regions that the account has; ap-east-1 is not in"
        " its regions",
    ),
    "administrator in a Region it lacks": (
        lambda d: d["accounts"][1].pop("regions"),
        "administrators[0].regions: takes Regions that the account has; me-south-1 is not in its"
        " regions",
    ),
    "unknown administrator": (
        lambda d: d["administrators"][0].update(account="000000000000"),
        "administrators[0].account: takes the id of an account under accounts",
    ),
    "unknown member": (
        lambda d: d["administrators"][1]["members"].append("000000000000"),
        "administrators[1].members[1]: takes the id of an account under accounts",
    ),
    "unknown delegated administrator": (
        lambda d: d["organization"].update(
            delegated_administrators={"account.amazonaws.com": PARTNER}
        ),
        "organization.delegated_administrators.account.amazonaws.com: takes the id of a member"
        " account under accounts",
    ),
    "without trusted access": (
        lambda d: d["organization"].pop("trusted_access"),
        "organization.delegated_administrators.account.amazonaws.com: You must enable service"
        " access before you register a delegated administrator.",
    ),
    "two administrators": (
        lambda d: d["administrators"].append(ADMINISTRATOR),
        "administrators[2].account: ",
    ),
    "member of itself": (
        lambda d: d["administrators"][1].update(members=[SECURITY]),
        "administrators[1].members[0]: ",
    ),
    "timing": (lambda d: d.update(timings={"mood": 1}), "timings: mood: one of "),
    "limit": (lambda d: d.update(limits={"mood": 1}), "limits: mood: one of "),
}


@pytest.mark.parametrize(("change", "message"), INVALID.values(), ids=INVALID)
def test_what_does_not_fit_together_is_refused_with_its_path(
    change: Callable[[dict[str, Any]], object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput) as refused:
        Built(changed(change), tmp_path)

    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "input: is not JSON (Expecting value"),
        (b'{"accounts": NaN}', "input: is not JSON (NaN is not a number)"),
        (b"\xff", "input: is not JSON ("),
        (b"[" * 100_000, "input: is nested too deeply"),
        (b"[]", "input: takes a JSON object"),
        (
            b'{"accounts": [{"id": "111111111111", "id": "222222222222"}]}',
            "input: has the key id 2 times in one object",
        ),
    ],
    ids=["empty", "NaN", "no UTF-8", "deep", "list", "a key twice"],
)
def test_a_file_that_is_no_json_object_is_refused(
    content: bytes, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "world.json"
    file.write_bytes(content)

    with pytest.raises(InvalidInput) as refused:
        load(file)

    assert str(refused.value).startswith(message)
