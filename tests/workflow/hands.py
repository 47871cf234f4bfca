"""What people do by hand at the local services, and what a run's result says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions.enrolment.handover import onboarding_id
from infra.local.api import Caller
from tests.support.builders import ACCOUNT, ADMINISTRATOR

if TYPE_CHECKING:
    from functions.enrolment.account import AccountId
    from tests.support.rollcall import Rollcall

HERE = "eu-west-1"
STARTED = "2027-01-15T00:00:00Z"


def email(account_id: str) -> str:
    """The address of the account's root user."""
    return f"{account_id}@example.com"


def with_email(*accounts: AccountId, **more: object) -> dict[str, Any]:
    """The input of a person who gives the accounts' addresses and does not say what they are."""
    return {"accounts": [{"id": a, "email": email(a)} for a in accounts], **more}


def outside(*accounts: AccountId, **more: object) -> dict[str, Any]:
    """The input of a person who says that the accounts are outside: none is waited for."""
    return with_email(*accounts, mode="invitation", **more)


def at(service: str, region: str = HERE) -> dict[str, list[str]]:
    """The part of an input that names one target."""
    return {"services": [service], "regions": [region]}


def call(
    rollcall: Rollcall,
    who: str,
    service: str,
    operation: str,
    region: str = HERE,
    **parameters: object,
) -> dict[str, Any]:
    """A call of an account's own people; the log of calls does not have it."""
    operations = rollcall.world.services[service].operations
    return operations[operation](Caller(who, region), parameters)


def configure_centrally(rollcall: Rollcall) -> None:
    """Security Hub of all Regions is configured by policies from ``HERE``."""
    call(
        rollcall,
        ADMINISTRATOR,
        "securityhub",
        "CreateFindingAggregator",
        RegionLinkingMode="ALL_REGIONS",
    )
    call(
        rollcall,
        ADMINISTRATOR,
        "securityhub",
        "UpdateOrganizationConfiguration",
        AutoEnable=False,
        OrganizationConfiguration={"ConfigurationType": "CENTRAL"},
    )
    rollcall.pass_seconds(5)


def apply_policy(rollcall: Rollcall, account: AccountId, *, enabled: bool | None) -> str:
    """Apply a policy that enables or disables Security Hub, or self-management; returns its id."""
    policy = "SELF_MANAGED_SECURITY_HUB"
    if enabled is not None:
        settings: dict[str, Any] = {"ServiceEnabled": enabled}
        if enabled:
            settings["EnabledStandardIdentifiers"] = []
        policy = call(
            rollcall,
            ADMINISTRATOR,
            "securityhub",
            "CreateConfigurationPolicy",
            Name=f"for-{account}",
            ConfigurationPolicy={"SecurityHub": settings},
        )["Id"]
    call(
        rollcall,
        ADMINISTRATOR,
        "securityhub",
        "StartConfigurationPolicyAssociation",
        ConfigurationPolicyIdentifier=policy,
        Target={"AccountId": account},
    )
    return policy


def create(
    rollcall: Rollcall,
    service: str,
    account: AccountId,
    *,
    administrator: str = ADMINISTRATOR,
    region: str = HERE,
) -> None:
    """An administrator creates a member; at Detective that invites it, too."""
    parameters: dict[str, Any] = _resource(rollcall, service, administrator, region)
    if service == "detective":
        parameters["Accounts"] = [{"AccountId": account, "EmailAddress": email(account)}]
    else:
        parameters["AccountDetails"] = [{"AccountId": account, "Email": email(account)}]
    call(rollcall, administrator, service, "CreateMembers", region, **parameters)
    rollcall.pass_seconds(5)


def invite(
    rollcall: Rollcall, service: str, account: AccountId, administrator: str = ADMINISTRATOR
) -> None:
    """An administrator creates a member and invites it."""
    create(rollcall, service, account, administrator=administrator)
    if service != "detective":
        resource = _resource(rollcall, service, administrator, HERE)
        call(rollcall, administrator, service, "InviteMembers", **resource, AccountIds=[account])
        rollcall.pass_seconds(5)


def disassociate(rollcall: Rollcall, service: str, account: AccountId) -> None:
    """The administrator takes a member out and keeps its entry."""
    resource = _resource(rollcall, service, ADMINISTRATOR, HERE)
    call(rollcall, ADMINISTRATOR, service, "DisassociateMembers", **resource, AccountIds=[account])


def decline_detective(rollcall: Rollcall, account: AccountId) -> None:
    """The owner of an account rejects Detective's invitation."""
    graph = _resource(rollcall, "detective", ADMINISTRATOR, HERE)
    call(rollcall, account, "detective", "RejectInvitation", **graph)


def decline_securityhub(rollcall: Rollcall, account: AccountId) -> None:
    """The owner of an account declines Security Hub's invitation, for which it needs a hub."""
    call(rollcall, account, "securityhub", "EnableSecurityHub")
    call(rollcall, account, "securityhub", "DeclineInvitations", AccountIds=[ADMINISTRATOR])


def say(
    rollcall: Rollcall,
    service: str,
    operation: str,
    text: str,
    account: AccountId = ACCOUNT,
    times: int = 10**6,
) -> None:
    """Let a service say this of an account, whatever is true; as good as for ever."""
    said = {"operation": operation, "account_id": account, "text": text, "times": times}
    rollcall.world.apply({"do": "unprocess", "service": service, **said})


def status(rollcall: Rollcall, service: str, account: AccountId, region: str = HERE) -> str | None:
    """What the service has of the account as our member now."""
    last: str | None = history(rollcall, service, account, region)[-1]["status"]
    return last


def history(
    rollcall: Rollcall, service: str, account: AccountId, region: str = HERE
) -> list[dict[str, Any]]:
    """Every status of our member at the service, each with ``at``; none where there never was."""
    for one in rollcall.world.snapshot()["memberships"]:
        place = (one["service"], one["region"], one["account_id"], one["administrator"])
        if place == (service, region, account, ADMINISTRATOR):
            changes: list[dict[str, Any]] = one["history"]
            return changes
    return [{"status": None, "at": 0.0}]


def became(rollcall: Rollcall, service: str, account: AccountId, wanted: str) -> float:
    """When our member first had a status."""
    changes = history(rollcall, service, account)
    return next(float(change["at"]) for change in changes if change["status"] == wanted)


def entry(rollcall: Rollcall, service: str | None = None) -> dict[str, Any]:
    """The one membership of the one final result that was published, or its one at a service."""
    (result,) = rollcall.published_finally()
    (told,) = [one for one in result["memberships"] if service in (None, one["service"])]
    found: dict[str, Any] = told
    return found


def _resource(rollcall: Rollcall, service: str, administrator: str, region: str) -> dict[str, str]:
    """The parameter that names the administrator's detector or graph, if the service has one."""
    match service:
        case "guardduty":
            detectors = call(rollcall, administrator, service, "ListDetectors", region)
            return {"DetectorId": detectors["DetectorIds"][0]}
        case "detective":
            graphs = call(rollcall, administrator, service, "ListGraphs", region)
            return {"GraphArn": graphs["GraphList"][0]["Arn"]}
        case _:
            return {}


def of_run(document: object, name: str, execution_arn: str = "") -> dict[str, Any]:
    """What a step is given about its run."""
    run = {"onboarding_id": name, "started_at": STARTED, "execution_arn": execution_arn}
    return {"input": document, **run}


def reconcile(rollcall: Rollcall, document: object, name: str) -> dict[str, Any]:
    """A reconcile as its state machine runs it, but its runs one after the other; what it ends
    with.
    """
    given = of_run(document, name, rollcall.execution_arn(name))
    following = "survey"
    while following == "survey":
        following = rollcall.step("survey_organization", given)["next"]
    if following == "start":
        started = rollcall.step("start_runs", given)["runs"]
        assert started
        for number in range(started):
            rollcall.ended(rollcall.execution_arn(onboarding_id(name, number)))
        assert rollcall.step("await_runs", given)["next"] == "publish"
    return rollcall.step("publish_reconcile", given)
