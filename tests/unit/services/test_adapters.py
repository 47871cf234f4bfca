"""What every adapter sends, and how it reads what is sent back, each in its service's spelling."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.account import AccountId
from functions.enrolment.configuration import Invitation
from functions.enrolment.errors import AdministratorNotReady, Permanent, ServiceRefused, Throttled
from functions.enrolment.membership import Answer, Observation, Status, Verdict
from functions.services import registry
from tests.unit.services.stubs import (
    ADMINISTRATOR,
    ONE,
    STRANGER,
    THREE,
    TWO,
    asked,
    refused,
    stubbed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from functions.services.protocol import SecurityService
    from functions.services.record import ServiceRecord
    from tests.unit.services.stubs import Exchange

FOUR = AccountId("777788889999")
BOTH = {"AccountIds": [ONE, TWO]}
DETECTOR = "d" * 32
GRAPH = f"arn:aws:detective:eu-west-1:{ADMINISTRATOR}:graph:{'a' * 32}"
EMAIL = "member@example.com"


@dataclass(frozen=True)
class Spelling:
    """How a service spells what all of them say.

    ``keys`` are those of an account to create, of its address, of the members, and of a member's
    status; ``named`` how the resource is named; ``listing`` what else every page of members is
    asked for with. ``words`` are the service's own about one account, ``off`` what it answers where
    the administrator has not set it up, ``to_do`` what is to be done.
    """

    service: ServiceRecord
    keys: tuple[str, str, str, str]
    text: str
    words: tuple[str, Verdict]
    off: tuple[tuple[str, str], ...]
    to_do: str
    listing: Mapping[str, Any]
    named: Mapping[str, str] = field(default_factory=dict)
    creating: Mapping[str, Any] = field(default_factory=dict)
    member: Mapping[str, str] = field(default_factory=dict)

    @property
    def resource(self) -> str:
        return "".join(self.named.values())

    def __str__(self) -> str:
        return self.service.name


MEMBER = "the given account ID is already a member or associated member of the current account."
SECURITYHUB, GUARDDUTY, DETECTIVE = SPELLINGS = (
    Spelling(
        registry.SECURITYHUB,
        ("AccountDetails", "Email", "Members", "MemberStatus"),
        "ProcessingResult",
        ("Maximum number of results exceeded", Verdict.RETRY),
        (("InvalidAccessException", "Account 1 is not subscribed to AWS Security Hub"),),
        "Security Hub CSPM is not enabled in eu-west-1 of the administrator account: "
        "call securityhub EnableSecurityHub there",
        {"OnlyAssociated": False, "MaxResults": 50},
    ),
    Spelling(
        registry.GUARDDUTY,
        ("AccountDetails", "Email", "Members", "RelationshipStatus"),
        "Result",
        (f"The request is rejected because {MEMBER}", Verdict.BENIGN),
        (
            ("BadRequestException", "the input detectorId is not owned by the current account."),
            ("BadRequestException", "The request is rejected since no such resource found."),
        ),
        "GuardDuty has no detector in eu-west-1 of the administrator account: "
        "call guardduty CreateDetector there",
        {"OnlyAssociated": "false", "MaxResults": 50},
        named={"DetectorId": DETECTOR},
        member={"MasterId": ADMINISTRATOR, "Email": EMAIL, "UpdatedAt": "2026-11-21T10:00:00.000Z"},
    ),
    Spelling(
        registry.DETECTIVE,
        ("Accounts", "EmailAddress", "MemberDetails", "Status"),
        "Reason",
        ("Account is already a member", Verdict.BENIGN),
        (("ResourceNotFoundException", "no graph"),),
        "Detective has no behavior graph in eu-west-1 of the administrator account: "
        "call detective CreateGraph there, or detective EnableOrganizationAdminAccount from the "
        "management account",
        {"MaxResults": 200},
        named={"GraphArn": GRAPH},
        creating={"DisableEmailNotification": True},
    ),
)


def name(value: object) -> str | None:
    return str(value) if isinstance(value, Spelling) else None


every_service = pytest.mark.parametrize("spelling", SPELLINGS, ids=name)


def adapter(
    spelling: Spelling, client: Any, invitation: Invitation | None = None
) -> SecurityService:
    return spelling.service.adapter(client, invitation or Invitation(), lambda _: client)


def calls(
    spelling: Spelling, service: SecurityService, accounts: Sequence[AccountId]
) -> dict[str, Callable[[], object]]:
    """The calls about members in one request each."""
    resource, emails = spelling.resource, dict.fromkeys(accounts, EMAIL)
    made: dict[str, Callable[[], object]] = {
        "get_members": lambda: service.observe(resource, accounts),
        "create_members": lambda: service.create(resource, emails),
    }
    if not spelling.service.create_invites:
        made["invite_members"] = lambda: service.invite(resource, accounts)
    if spelling is GUARDDUTY:
        made["start_monitoring_members"] = lambda: service.restart(resource, accounts)
    return made


def test_every_service_is_spelled_out() -> None:
    assert tuple(spelling.service for spelling in SPELLINGS) == registry.SERVICES


@every_service
def test_every_account_is_observed_once_in_the_order_asked(spelling: Spelling) -> None:
    _, _, members, status = spelling.keys
    accounts = [ONE, TWO, THREE, FOUR]
    statuses = {STRANGER: "Enabled", TWO: "Enabled", ONE: "Sleeping"}
    response = {
        members: [{**spelling.member, "AccountId": a, status: s} for a, s in statuses.items()],
        "UnprocessedAccounts": [{"AccountId": THREE, spelling.text: f"Internal error: {EMAIL}"}],
    }
    exchange = asked("get_members", {**spelling.named, "AccountIds": accounts}, **response)
    with stubbed(spelling.service.name, exchange) as client:
        seen = adapter(spelling, client).observe(spelling.resource, accounts)

    assert seen == (
        Observation(ONE, Status.UNKNOWN, "Sleeping"),
        Observation(TWO, Status.ENABLED, "Enabled"),
        Observation(THREE, Status.UNKNOWN, "Unknown", "Internal error: (e-mail)"),
        Observation(FOUR, Status.ABSENT, "Absent"),
    )


@every_service
def test_members_are_listed_page_after_page(spelling: Spelling) -> None:
    _, _, members, status = spelling.keys

    def page(token: str | None, following: str | None, **statuses: str) -> Exchange:
        request = {**spelling.named, **spelling.listing} | ({"NextToken": token} if token else {})
        shown = [{**spelling.member, "AccountId": a, status: s} for a, s in statuses.items()]
        response = {members: shown} | ({"NextToken": following} if following else {})
        return asked("list_members", request, **response)

    with stubbed(
        spelling.service.name,
        page(None, "a", **{TWO: "Enabled", ONE: "Sleeping"}),
        page("a", "b"),
        # The accounts have moved on by one between the pages.
        page("b", None, **{ONE: "Invited"}),
    ) as client:
        listed = list(adapter(spelling, client).members(spelling.resource))

    assert listed == [
        Observation(TWO, Status.ENABLED, "Enabled"),
        Observation(ONE, Status.UNKNOWN, "Sleeping"),
        Observation(ONE, Status.INVITED, "Invited"),
    ]


@every_service
def test_no_page_is_read_ahead(spelling: Spelling) -> None:
    _, _, members, status = spelling.keys
    member = {**spelling.member, "AccountId": ONE, status: "Enabled"}
    first = asked(
        "list_members", {**spelling.named, **spelling.listing}, **{members: [member]}, NextToken="a"
    )
    with stubbed(spelling.service.name, first) as client:
        listed = adapter(spelling, client).members(spelling.resource)

        assert next(listed) == Observation(ONE, Status.ENABLED, "Enabled")


def creating(spelling: Spelling, *accounts: AccountId) -> dict[str, Any]:
    details, email, _, _ = spelling.keys
    return {details: [{"AccountId": a, email: EMAIL} for a in accounts]}


@pytest.mark.parametrize(
    ("spelling", "operation", "sent"),
    [
        *(
            (each, "create_members", {**creating(each, ONE, TWO), **each.creating})
            for each in SPELLINGS
        ),
        # Neither message nor e-mail.
        (SECURITYHUB, "invite_members", BOTH),
        (GUARDDUTY, "invite_members", BOTH | {"DisableEmailNotification": True}),
        (GUARDDUTY, "start_monitoring_members", BOTH),
    ],
    ids=name,
)
def test_every_account_acted_on_gets_its_own_answer(
    spelling: Spelling, operation: str, sent: dict[str, Any]
) -> None:
    text, meaning = spelling.words
    left = [{"AccountId": TWO, spelling.text: text}]
    exchange = asked(operation, {**spelling.named, **sent}, UnprocessedAccounts=left)
    with stubbed(spelling.service.name, exchange) as client:
        answers = calls(spelling, adapter(spelling, client), [ONE, TWO])[operation]()

    assert answers == {ONE: Answer(Verdict.TAKEN), TWO: Answer(meaning, text)}


@pytest.mark.parametrize(
    ("invitation", "sent"),
    [
        (Invitation(send_email=True), {"DisableEmailNotification": False}),
        (Invitation(message="Join"), {"DisableEmailNotification": True, "Message": "Join"}),
    ],
)
@pytest.mark.parametrize(
    ("spelling", "operation", "accounts"),
    [
        (GUARDDUTY, "invite_members", {"AccountIds": [ONE]}),
        (DETECTIVE, "create_members", creating(DETECTIVE, ONE)),
    ],
    ids=name,
)
def test_message_and_e_mail_are_as_configured(
    spelling: Spelling,
    operation: str,
    accounts: dict[str, Any],
    invitation: Invitation,
    sent: dict[str, Any],
) -> None:
    exchange = asked(operation, {**spelling.named, **accounts, **sent}, UnprocessedAccounts=[])
    with stubbed(spelling.service.name, exchange) as client:
        calls(spelling, adapter(spelling, client, invitation), [ONE])[operation]()


@every_service
@pytest.mark.parametrize("count", [0, 51])
def test_a_call_carries_1_to_50_accounts(spelling: Spelling, count: int) -> None:
    accounts = [AccountId(f"{number:012}") for number in range(count)]
    with stubbed(spelling.service.name) as client:
        for call in calls(spelling, adapter(spelling, client), accounts).values():
            with pytest.raises(ValueError, match="1 to 50 accounts"):
                call()


@every_service
def test_a_service_that_is_not_set_up_is_told_apart_from_a_refusal(spelling: Spelling) -> None:
    words = ("ValidationException", "words")

    def every_call(client: Any) -> dict[str, Callable[[], object]]:
        service = adapter(spelling, client)
        listing = {"list_members": lambda: list(service.members(spelling.resource))}
        return calls(spelling, service, [ONE]) | listing

    for operation in every_call(None):
        name = "".join(map(str.capitalize, operation.split("_")))
        refusal = f"{spelling.service.label} {name}: ValidationException: words"
        for error, message in (
            *((each, spelling.to_do) for each in spelling.off),
            (words, refusal),
        ):
            with (
                stubbed(spelling.service.name, refused(operation, *error)) as client,
                pytest.raises(Permanent) as caught,
            ):
                every_call(client)[operation]()
            kind = ServiceRefused if error is words else AdministratorNotReady
            assert (type(caught.value), str(caught.value)) == (kind, message)


@pytest.mark.parametrize(
    ("spelling", "exchanges"),
    [
        (SECURITYHUB, ()),
        (
            GUARDDUTY,
            (
                asked("list_detectors", {}, DetectorIds=[], NextToken="t"),
                asked("list_detectors", {"NextToken": "t"}, DetectorIds=[DETECTOR]),
            ),
        ),
        (DETECTIVE, (asked("list_graphs", {}, GraphList=[{}, {"Arn": GRAPH}]),)),
    ],
    ids=name,
)
def test_the_administrators_resource_is_found(
    spelling: Spelling, exchanges: tuple[Exchange, ...]
) -> None:
    with stubbed(spelling.service.name, *exchanges) as client:
        assert adapter(spelling, client).administrator_resource() == spelling.resource


@pytest.mark.parametrize(
    ("spelling", "exchange"),
    [
        (GUARDDUTY, asked("list_detectors", {}, DetectorIds=[])),
        (DETECTIVE, asked("list_graphs", {}, GraphList=[])),
        (DETECTIVE, asked("list_graphs", {})),
    ],
    ids=["guardduty", "detective", "detective, without a list"],
)
def test_where_there_is_no_resource_the_call_that_makes_one_is_named(
    spelling: Spelling, exchange: Exchange
) -> None:
    with (
        stubbed(spelling.service.name, exchange) as client,
        pytest.raises(AdministratorNotReady) as caught,
    ):
        adapter(spelling, client).administrator_resource()

    assert str(caught.value) == spelling.to_do


@pytest.mark.parametrize("spelling", [SECURITYHUB, DETECTIVE], ids=name)
def test_a_word_that_a_response_may_lack_is_empty_then(spelling: Spelling) -> None:
    """What botocore's models do not require."""
    _, _, members, _ = spelling.keys
    response = {
        members: [{"AccountId": ONE}],
        "UnprocessedAccounts": [{"AccountId": TWO}],
    }
    exchange = asked("get_members", {**spelling.named, **BOTH}, **response)
    with stubbed(spelling.service.name, exchange) as client:
        seen = adapter(spelling, client).observe(spelling.resource, [ONE, TWO])

    assert seen == (
        Observation(ONE, Status.UNKNOWN, ""),
        Observation(TWO, Status.UNKNOWN, "Unknown", ""),
    )


def test_guarddutys_empty_lists_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Botocore's model requires them, and its parser accepts a response without them."""
    with stubbed("guardduty") as client:
        for operation in ("get_members", "start_monitoring_members"):
            # The stubber refuses such a response.
            monkeypatch.setattr(client, operation, lambda **_: {})
        guardduty = adapter(GUARDDUTY, client)
        seen = guardduty.observe(GUARDDUTY.resource, [ONE])
        answers = guardduty.restart(GUARDDUTY.resource, [ONE])

    assert seen == (Observation(ONE, Status.ABSENT, "Absent"),)
    assert answers == {ONE: Answer(Verdict.TAKEN)}


def test_an_invitation_of_security_hub_without_a_list_of_failures_has_none() -> None:
    with stubbed("securityhub", asked("invite_members", {"AccountIds": [ONE]})) as client:
        answers = adapter(SECURITYHUB, client).invite("", [ONE])

    assert answers == {ONE: Answer(Verdict.TAKEN)}


@every_service
def test_a_page_without_members_has_none(spelling: Spelling) -> None:
    request = {**spelling.named, **spelling.listing}
    with stubbed(
        spelling.service.name,
        asked("list_members", request, NextToken="t"),
        asked("list_members", request | {"NextToken": "t"}),
    ) as client:
        assert list(adapter(spelling, client).members(spelling.resource)) == []


@pytest.mark.parametrize("spelling", [SECURITYHUB, DETECTIVE], ids=name)
def test_a_response_without_members_has_none(spelling: Spelling) -> None:
    """Botocore's model of GuardDuty requires the list."""
    exchange = asked("get_members", {**spelling.named, "AccountIds": [ONE]})
    with stubbed(spelling.service.name, exchange) as client:
        seen = adapter(spelling, client).observe(spelling.resource, [ONE])

    assert seen == (Observation(ONE, Status.ABSENT, "Absent"),)


@pytest.mark.parametrize(
    ("spelling", "operation", "call"),
    [(GUARDDUTY, "list_detectors", "ListDetectors"), (DETECTIVE, "list_graphs", "ListGraphs")],
    ids=name,
)
def test_where_the_resource_cannot_be_read_the_call_is_named(
    spelling: Spelling, operation: str, call: str
) -> None:
    with (
        stubbed(spelling.service.name, refused(operation, "ThrottlingException")) as client,
        pytest.raises(Throttled, match=f"^{spelling.service.label} {call}: Throttling"),
    ):
        adapter(spelling, client).administrator_resource()


@pytest.mark.parametrize(
    ("spelling", "verb", "words"),
    [
        (SECURITYHUB, "restart", "Security Hub has no call that restarts members"),
        (DETECTIVE, "invite", "Detective has no call that invites members: creating them does"),
    ],
)
def test_what_a_service_cannot_do_is_not_done_otherwise(
    spelling: Spelling, verb: str, words: str
) -> None:
    with (
        stubbed(spelling.service.name) as client,
        pytest.raises(NotImplementedError, match=f"^{words}$"),
    ):
        getattr(adapter(spelling, client), verb)("", [ONE])
