"""The scenarios of ``rollcall local``: the accounts they need, and how their run is started."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from functions.enrolment.regions import is_opt_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.process import LocalAws

ScenarioName = Literal["creation", "invitation", "trouble", "organization", "backfill", "gaps"]

ADMINISTRATOR = "111122223333"
MANAGEMENT = "999988887777"
HOME_REGION = "eu-west-1"
REGIONS = ("eu-west-1", "eu-central-1", "us-east-1", "ap-southeast-2")
OPT_IN_REGION = "me-south-1"
CONTROL_TOWER_REGION = "eu-west-1"
MEMBER_ROLE = "RollcallMember"
EXTERNAL_ID = "rollcall-local"
SERVICES = ("securityhub", "guardduty", "detective")

HEALTHY = "444455556666"
SUSPENDED = "333344445555"
NOT_OPTED_IN = "222233334444"
INVITED = "555566667777"
INVITED_WITH_ROLE = "666677778888"
WRONG_EMAIL = "777788889999"
NEVER_ANSWERS = "888899990000"

# Short waits and deadlines, because the local services respond quickly.
TIMING = {
    "first_wait": "1s",
    "longest_wait": "2s",
    "longest_slow_wait": "2s",
    "grace": "10s",
    "auto_enable": "5s",
    "organization_deadline": "60s",
    "invitation_deadline": "60s",
    "volume_deadline": "60s",
    "hold": "20s",
    "refusal": "20s",
}

RETRY = {"first_wait": "1s", "longest_wait": "2s", "attempts": 2, "account_first_wait": "1s"}


@dataclass(frozen=True, slots=True)
class Input:
    """A run that is started by hand with this input."""

    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Creation:
    """A run that is started by the event of an account's creation."""

    account_id: str

    @property
    def document(self) -> dict[str, Any]:
        """The input that starts a run for the same account by hand."""
        return {"accounts": [{"id": self.account_id}]}


@dataclass(frozen=True, slots=True)
class Scenario:
    """``prepare`` adds accounts and returns what starts the run; a scenario without it is more than
    one run. ``timing`` overrides ``TIMING``. With ``every_event``, no event about accounts is left
    out because the configuration does not need it."""

    name: ScenarioName
    about: str
    prepare: Callable[[LocalAws], Input | Creation] | None
    regions: tuple[str, ...] = REGIONS
    timing: dict[str, str] = field(default_factory=dict)
    member_role: bool = False
    every_event: bool = False

    def configuration(self, organization_id: str) -> dict[str, Any]:
        """The context ``rollcall`` to deploy with."""
        invitation: dict[str, Any] = {"send_email": False}
        if self.member_role:
            invitation |= {"member_role": MEMBER_ROLE, "external_id": EXTERNAL_ID}
        return {
            "regions": list(self.regions),
            "services": list(SERVICES),
            "invitation": invitation,
            "timing": TIMING | self.timing,
            "retry": RETRY,
            # The sample events of Control Tower have the home Region eu-west-1. A move starts a
            # run only where the scope has paths.
            "organization": {
                "management_account": MANAGEMENT,
                "administrator_account": ADMINISTRATOR,
                "home_region": HOME_REGION,
                "control_tower_region": CONTROL_TOWER_REGION if self.every_event else None,
            },
            "scope": {"include_paths": [f"{organization_id}/"]} if self.every_event else None,
        }


def found_organization(aws: LocalAws, regions: tuple[str, ...]) -> str:
    """Create an organisation with a trail, and a delegated administrator of all services; returns
    its id.
    """
    created = aws.world(do="create_organization", management=MANAGEMENT)
    aws.world(
        do="add_account",
        account_id=ADMINISTRATOR,
        name="Security",
        organization=MANAGEMENT,
        regions=[region for region in regions if is_opt_in(region)],
    )
    aws.world(do="trust", management=MANAGEMENT, principal="account.amazonaws.com")
    for service in SERVICES:
        place = {"service": service, "account_id": ADMINISTRATOR, "regions": list(regions)}
        aws.world(do="enable", **place)
        aws.world(do="designate", **place)
    organizations = aws.client("organizations", MANAGEMENT, "us-east-1")
    organizations.register_delegated_administrator(
        AccountId=ADMINISTRATOR, ServicePrincipal="account.amazonaws.com"
    )
    # Without one, CloudTrail sends EventBridge no events.
    trails = aws.client("cloudtrail", MANAGEMENT, "us-east-1")
    trails.create_trail(
        Name="management-events", S3BucketName="management-events", IsMultiRegionTrail=True
    )
    trails.start_logging(Name="management-events")
    return str(created["organization"])


def _creation(aws: LocalAws) -> Creation:
    organizations = aws.client("organizations", MANAGEMENT, "us-east-1")
    status = organizations.create_account(Email="new@example.com", AccountName="New")
    request = status["CreateAccountStatus"]["Id"]
    while status["CreateAccountStatus"]["State"] == "IN_PROGRESS":
        time.sleep(0.1)
        status = organizations.describe_create_account_status(CreateAccountRequestId=request)
    return Creation(status["CreateAccountStatus"]["AccountId"])


def _invitation(aws: LocalAws) -> Input:
    aws.world(do="add_account", account_id=INVITED, email="partner@example.com", accepts_after=3)
    aws.world(do="add_account", account_id=INVITED_WITH_ROLE, email="lab@example.com")
    return Input(
        {
            "accounts": [
                {"id": INVITED, "email": "partner@example.com", "mode": "invitation"},
                {"id": INVITED_WITH_ROLE, "email": "lab@example.com", "mode": "invitation"},
            ]
        }
    )


def _trouble(aws: LocalAws) -> Input:
    in_organization = {"do": "add_account", "organization": MANAGEMENT}
    aws.world(**in_organization, account_id=HEALTHY, regions=[OPT_IN_REGION])
    aws.world(**in_organization, account_id=NOT_OPTED_IN)
    aws.world(**in_organization, account_id=SUSPENDED, state="SUSPENDED")
    aws.world(
        do="add_account",
        account_id=WRONG_EMAIL,
        email="right@example.com",
        accepts_after=1,
        regions=[OPT_IN_REGION],
    )
    aws.world(
        do="add_account",
        account_id=NEVER_ANSWERS,
        email="silent@example.com",
        regions=[OPT_IN_REGION],
    )
    aws.control(
        "POST", "faults", {"kind": "server_error", "service": "securityhub", "region": "us-east-1"}
    )
    return Input(
        {
            "accounts": [
                {"id": HEALTHY},
                {"id": NOT_OPTED_IN},
                {"id": SUSPENDED},
                {"id": WRONG_EMAIL, "email": "wrong@example.com", "mode": "invitation"},
                {"id": NEVER_ANSWERS, "email": "silent@example.com", "mode": "invitation"},
            ]
        }
    )


TROUBLE_REGIONS = ("eu-west-1", "us-east-1", OPT_IN_REGION)

# Thousands of memberships at once: functions wait for their turn.
_OF_THOUSANDS = dict.fromkeys(("organization_deadline", "hold", "refusal"), "240s") | {
    "volume_deadline": "45s"
}

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("creation", "an account is created in the organisation", _creation),
        Scenario(
            "invitation",
            "two accounts outside the organisation are invited: the owner of one accepts, Rollcall"
            " accepts for the other through the member role",
            _invitation,
            member_role=True,
        ),
        Scenario(
            "trouble",
            "a wrong e-mail address, an account that never responds, a suspended one, one that has"
            " not opted in to a Region, and a target that returns only 500 errors",
            _trouble,
            regions=TROUBLE_REGIONS,
            timing={"invitation_deadline": "15s"},
        ),
        Scenario(
            "organization",
            "every event about a new account, duplicates and unrelated events, where AWS publishes"
            " them",
            None,
            regions=("eu-west-1", "us-east-1", "ap-east-1"),
            every_event=True,
        ),
        Scenario(
            "backfill",
            "an organisation of 300 accounts that was there before Rollcall, partly enrolled by"
            " hand, is reconciled",
            None,
            timing=_OF_THOUSANDS,
        ),
        Scenario(
            "gaps",
            "the same, and then people take accounts out again in one Region: with --keep, to find"
            " them and to close the gaps",
            None,
            timing=_OF_THOUSANDS,
        ),
    )
}
