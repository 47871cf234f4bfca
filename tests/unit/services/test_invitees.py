"""Accepting for a member account: exactly these calls, for our invitation only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.configuration import Invitation
from functions.enrolment.errors import (
    AccessDenied,
    Conflict,
    CredentialsRefused,
    RollcallError,
    ServiceRefused,
    Throttled,
)
from functions.enrolment.membership import Answer, Verdict
from functions.enrolment.protection import DETECTOR_FEATURES
from functions.enrolment.reason import ReasonCode
from functions.services.invitations import NO_INVITATION
from functions.services.registry import DETECTIVE, GUARDDUTY, SECURITYHUB
from tests.unit.aws.support import REGION
from tests.unit.services.stubs import ADMINISTRATOR, STRANGER, asked, refused, stubbed

if TYPE_CHECKING:
    from functions.services.record import ServiceRecord
    from tests.unit.services.stubs import Exchange

DETECTOR = "d" * 32
OURS, OUR_OLDER, THEIRS = (
    f"arn:aws:detective:eu-west-1:{account}:graph:{letter * 32}"
    for account, letter in ((ADMINISTRATOR, "a"), (ADMINISTRATOR, "b"), (STRANGER, "c"))
)
MORE = {"NextToken": "t"}
ENABLING, ACCEPTING = "enable_security_hub", "accept_administrator_invitation"


def at_hub(account: str, number: str, day: int) -> dict[str, Any]:
    at = datetime(2026, 11, day, tzinfo=UTC)
    return {"AccountId": account, "InvitationId": number, "InvitedAt": at}


def at_detector(account: str, number: str, day: int) -> dict[str, Any]:
    return at_hub(account, number, day) | {"InvitedAt": f"2026-11-{day:02}T00:00:00.000Z"}


def to_graph(account: str, graph: str, status: str = "INVITED", day: int = 1) -> dict[str, Any]:
    at = datetime(2026, 11, day, tzinfo=UTC)
    return {"AdministratorId": account, "GraphArn": graph, "Status": status, "InvitedTime": at}


def listed(*invitations: dict[str, Any], after: dict[str, str] | None = None) -> Exchange:
    """The last page of invitations."""
    return asked("list_invitations", after or {}, Invitations=invitations)


def first(*invitations: dict[str, Any]) -> Exchange:
    """A page of invitations, and there are more."""
    return asked("list_invitations", {}, Invitations=invitations, **MORE)


def accepted(**detector: str) -> Exchange:
    ours = {"AdministratorId": ADMINISTRATOR, "InvitationId": "new"}
    return asked(ACCEPTING, {**detector, **ours})


STRANGERS, OLDER, NEW = (STRANGER, "s", 20), (ADMINISTRATOR, "old", 2), (ADMINISTRATOR, "new", 12)
DENIED = ("AccessDeniedException", "not authorized to perform: this")
EXISTS = ("BadRequestException", "a detector already exists for the current account.")
OFF = ("InvalidAccessException", f"Account {STRANGER} is not subscribed to AWS Security Hub")
ON = ("ResourceConflictException", "Account is already subscribed to Security Hub")

HUB_INVITED, DETECTOR_INVITED = listed(at_hub(*NEW)), listed(at_detector(*NEW))
HUB_NEEDED, HUB_ON = refused("list_invitations", *OFF), refused(ENABLING, *ON)
HUB_DENIED, HUB_OFF = refused(ENABLING, *DENIED), refused(ACCEPTING, *OFF)
HUB_ENABLED = asked(ENABLING, {})
DETECTOR_CREATED = asked("create_detector", {"Enable": True}, DetectorId=DETECTOR)


def detector_refused(code: str, text: str, *present: str) -> tuple[Exchange, ...]:
    found = asked("list_detectors", {}, DetectorIds=present)
    return DETECTOR_INVITED, refused("create_detector", code, text), found


ACCEPTED: dict[str, tuple[ServiceRecord, tuple[Exchange, ...]]] = {
    "Security Hub CSPM": (
        SECURITYHUB,
        (
            first(at_hub(*STRANGERS), at_hub(*OLDER)),
            listed(at_hub(*NEW), at_hub(*STRANGERS), after=MORE),
            HUB_ENABLED,
            accepted(),
        ),
    ),
    "a hub that is on": (SECURITYHUB, (HUB_INVITED, HUB_ON, accepted())),
    "may be on": (SECURITYHUB, (HUB_INVITED, HUB_DENIED, accepted())),
    "listing needs a hub": (SECURITYHUB, (HUB_NEEDED, HUB_ENABLED, HUB_INVITED, accepted())),
    "enabled meanwhile": (SECURITYHUB, (HUB_NEEDED, HUB_ON, HUB_INVITED, accepted())),
    "GuardDuty": (
        GUARDDUTY,
        (
            first(at_detector(*STRANGERS), at_detector(*OLDER)),
            listed(at_detector(*NEW), after=MORE),
            DETECTOR_CREATED,
            accepted(DetectorId=DETECTOR),
        ),
    ),
    # In whatever words, or denied by a service control policy.
    **{
        f"its own detector: {error}": (
            GUARDDUTY,
            (*detector_refused(*error, DETECTOR), accepted(DetectorId=DETECTOR)),
        )
        for error in (EXISTS, ("BadRequestException", "x"), ("ConflictException", "x"), DENIED)
    },
    "Detective": (
        DETECTIVE,
        (
            first(to_graph(STRANGER, THEIRS, day=20), to_graph(ADMINISTRATOR, OUR_OLDER, day=2)),
            listed(to_graph(ADMINISTRATOR, OURS, day=12), after=MORE),
            asked("accept_invitation", {"GraphArn": OURS}),
        ),
    ),
}


@pytest.mark.parametrize(("service", "exchanges"), ACCEPTED.values(), ids=ACCEPTED)
def test_our_newest_invitation_is_accepted_whatever_strangers_sent(
    service: ServiceRecord, exchanges: tuple[Exchange, ...]
) -> None:
    with stubbed(service.name, *exchanges) as client:
        assert service.invitee(client, Invitation()).accept(ADMINISTRATOR) == Answer(Verdict.TAKEN)


@pytest.mark.parametrize(
    ("service", "invitation", "verdict"),
    [
        (SECURITYHUB, at_hub(*STRANGERS), Verdict.RETRY),
        (GUARDDUTY, at_detector(*STRANGERS), Verdict.RETRY),
        (DETECTIVE, to_graph(STRANGER, THEIRS), Verdict.RETRY),
        (DETECTIVE, to_graph(STRANGER, THEIRS, "ENABLED"), Verdict.RETRY),
        (DETECTIVE, to_graph(ADMINISTRATOR, OURS, "VERIFICATION_IN_PROGRESS"), Verdict.RETRY),
        (DETECTIVE, to_graph(ADMINISTRATOR, OURS, "ENABLED"), Verdict.BENIGN),
        (DETECTIVE, to_graph(ADMINISTRATOR, OURS, "ACCEPTED_BUT_DISABLED"), Verdict.BENIGN),
    ],
)
def test_nothing_else_is_accepted_and_nothing_is_enabled_for_it(
    service: ServiceRecord, invitation: dict[str, Any], verdict: Verdict
) -> None:
    with stubbed(service.name, listed(invitation)) as client:
        answer = service.invitee(client, Invitation()).accept(ADMINISTRATOR)

    before = Answer(Verdict.BENIGN, "the invitation was accepted before")
    assert answer == (before if verdict is Verdict.BENIGN else NO_INVITATION)


def test_what_detective_does_not_say_of_an_invitation_makes_it_no_newer_and_not_open() -> None:
    """Botocore's model requires neither its status nor its time."""
    untimed = to_graph(ADMINISTRATOR, OUR_OLDER)
    del untimed["InvitedTime"]
    without_status = to_graph(ADMINISTRATOR, OUR_OLDER, day=20)
    del without_status["Status"]
    with stubbed(
        "detective",
        listed(untimed, to_graph(ADMINISTRATOR, OURS), without_status),
        asked("accept_invitation", {"GraphArn": OURS}),
    ) as client:
        assert (
            DETECTIVE.invitee(client, Invitation()).accept(ADMINISTRATOR).verdict is Verdict.TAKEN
        )


def test_a_hub_may_answer_that_an_account_has_no_administrator_without_naming_one() -> None:
    """After the refusal, nothing else than the refusal is known."""
    exchanges = (
        HUB_INVITED,
        HUB_ENABLED,
        refused(ACCEPTING, "InvalidInputException", "no"),
        asked("get_administrator_account", {}),
    )
    with stubbed("securityhub", *exchanges) as client:
        answer = SECURITYHUB.invitee(client, Invitation()).accept(ADMINISTRATOR)

    assert answer.text.endswith("InvalidInputException: no")


@pytest.mark.parametrize(
    "service", [SECURITYHUB, GUARDDUTY, DETECTIVE], ids=lambda service: service.name
)
def test_a_page_without_invitations_has_none(service: ServiceRecord) -> None:
    """No response needs to have the list (botocore)."""
    pages = (asked("list_invitations", {}, **MORE), asked("list_invitations", MORE))
    with stubbed(service.name, *pages) as client:
        assert service.invitee(client, Invitation()).accept(ADMINISTRATOR) == NO_INVITATION


@pytest.mark.parametrize(
    ("exchanges", "words"),
    [
        ((HUB_NEEDED, HUB_ENABLED, HUB_NEEDED), "ListInvitations: InvalidAccessException"),
        (
            (HUB_INVITED, HUB_ENABLED, HUB_OFF),
            "AcceptAdministratorInvitation: InvalidAccessException",
        ),
        ((HUB_INVITED, HUB_DENIED, HUB_OFF), "EnableSecurityHub: AccessDeniedException"),
    ],
    ids=["not on at once", "not on for the acceptance yet", "off, and may not be enabled"],
)
def test_a_hub_that_is_off_is_tried_again_later(
    exchanges: tuple[Exchange, ...], words: str
) -> None:
    with stubbed("securityhub", *exchanges) as client:
        answer = SECURITYHUB.invitee(client, Invitation()).accept(ADMINISTRATOR)

    assert answer.verdict is Verdict.RETRY
    assert answer.text.startswith(f"Security Hub CSPM {words}")


SLOW = ("ThrottlingException", "Rate exceeded")
UNKNOWN_CREDENTIALS = "UnrecognizedClientException"


@pytest.mark.parametrize(
    ("service", "exchanges", "error", "words"),
    [
        # Nothing is enabled by a role that may not even look.
        (
            SECURITYHUB,
            (refused("list_invitations", *DENIED),),
            AccessDenied,
            "ListInvitations: AccessDenied",
        ),
        (
            SECURITYHUB,
            (HUB_NEEDED, HUB_DENIED),
            AccessDenied,
            "EnableSecurityHub: AccessDeniedException",
        ),
        (
            SECURITYHUB,
            (HUB_INVITED, refused(ENABLING, UNKNOWN_CREDENTIALS)),
            CredentialsRefused,
            f"EnableSecurityHub: {UNKNOWN_CREDENTIALS}",
        ),
        (
            SECURITYHUB,
            (HUB_INVITED, refused(ENABLING, "ConflictException")),
            Conflict,
            "EnableSecurityHub: ConflictException",
        ),
        (GUARDDUTY, detector_refused(*EXISTS), ServiceRefused, "CreateDetector: BadRequest"),
        (GUARDDUTY, detector_refused(*DENIED), AccessDenied, "CreateDetector: AccessDenied"),
        *(
            (service, (refused("list_invitations", *SLOW),), Throttled, "ListInvitations: Thr")
            for service in (SECURITYHUB, GUARDDUTY, DETECTIVE)
        ),
        (
            DETECTIVE,
            (listed(to_graph(ADMINISTRATOR, OURS)), refused("accept_invitation", *SLOW)),
            Throttled,
            "AcceptInvitation: Thr",
        ),
    ],
)
def test_what_cannot_be_read_or_made_in_the_member_account_is_an_error(
    service: ServiceRecord,
    exchanges: tuple[Exchange, ...],
    error: type[RollcallError],
    words: str,
) -> None:
    with (
        stubbed(service.name, *exchanges) as client,
        pytest.raises(error, match=f"^{service.label} {words}"),
    ):
        service.invitee(client, Invitation()).accept(ADMINISTRATOR)


NO_SUCH = "has no pending invitation from the given account, or is already a member of another"


@pytest.mark.parametrize(
    "code", ["BadRequestException", "ResourceConflictException", "AccessDeniedException"]
)
@pytest.mark.parametrize(
    ("service", "before", "detector", "status"),
    [
        (SECURITYHUB, (HUB_INVITED, HUB_ENABLED), {}, "MemberStatus"),
        (
            GUARDDUTY,
            (DETECTOR_INVITED, DETECTOR_CREATED),
            {"DetectorId": DETECTOR},
            "RelationshipStatus",
        ),
    ],
)
def test_a_refused_acceptance_is_looked_into(
    service: ServiceRecord,
    before: tuple[Exchange, ...],
    detector: dict[str, str],
    status: str,
    code: str,
) -> None:
    """What follows from what is found: test_invitations.py."""
    operation = "get_administrator_account"
    theirs, ours = ({"AccountId": each, status: "Enabled"} for each in (STRANGER, ADMINISTRATOR))
    answers = []
    for looking in (
        asked(operation, detector, Administrator=theirs),
        asked(operation, detector, Administrator=ours),
        asked(operation, detector, Administrator={}),
        asked(operation, detector, Administrator={status: "Enabled"}),
        asked(operation, detector, Administrator={"AccountId": STRANGER}),
        refused(operation, "InternalException", status=500),
    ):
        with stubbed(service.name, *before, refused(ACCEPTING, code, NO_SUCH), looking) as client:
            answers.append(service.invitee(client, Invitation()).accept(ADMINISTRATOR))

    another, ours_already, *unknown = answers
    said = f"{service.label} AcceptAdministratorInvitation: {code}: {NO_SUCH}"
    text = f"{said} (its administrator is {STRANGER})"
    assert another == Answer(Verdict.PERMANENT, text, ReasonCode.OTHER_ADMINISTRATOR)
    assert ours_already == Answer(Verdict.BENIGN, said)
    assert {answer.text for answer in unknown} == {said}


@pytest.mark.parametrize("code", ["ConflictException", "ValidationException"])
@pytest.mark.parametrize(("status", "verdict"), [("ENABLED", Verdict.BENIGN), ("INVITED", None)])
def test_a_refused_acceptance_at_detective_depends_on_the_invitation_now(
    status: str, verdict: Verdict | None, code: str
) -> None:
    unclear = Verdict.RETRY if code == "ConflictException" else Verdict.UNKNOWN
    exchanges = (
        listed(to_graph(ADMINISTRATOR, OURS)),
        refused("accept_invitation", code),
        listed(to_graph(ADMINISTRATOR, OURS, status)),
    )
    with stubbed("detective", *exchanges) as client:
        answer = DETECTIVE.invitee(client, Invitation()).accept(ADMINISTRATOR)

    assert answer.verdict is (verdict or unclear)


BEST_PRACTICES = "aws-foundational-security-best-practices/v/1.0.0"
CIS = "cis-aws-foundations-benchmark/v/1.2.0"
NEWER_CIS = "cis-aws-foundations-benchmark/v/3.0.0"
NO_DEFAULTS = asked(ENABLING, {"EnableDefaultStandards": False})
LISTED, ENABLED = "get_enabled_standards", "batch_enable_standards"
NO_STANDARDS = asked(LISTED, {}, StandardsSubscriptions=[])
UNOFFERED = ("InvalidInputException", "Invalid standards ARN")


def subscription(arn: str, status: str = "READY") -> dict[str, Any]:
    return {
        "StandardsSubscriptionArn": "arn:of:it",
        "StandardsArn": arn,
        "StandardsInput": {},
        "StandardsStatus": status,
    }


def standards_enabled(*arns: str) -> Exchange:
    request = {"StandardsSubscriptionRequests": [{"StandardsArn": arn} for arn in arns]}
    return asked(ENABLED, request, StandardsSubscriptions=[subscription(arn) for arn in arns])


def in_region(name: str, partition: str = "aws", region: str = REGION) -> str:
    return f"arn:{partition}:securityhub:{region}::standards/{name}"


AFSBP = standards_enabled(in_region(BEST_PRACTICES))
HAS_CIS = asked(LISTED, {}, StandardsSubscriptions=[subscription("arn:cis", "DELETING")])
ON_LATER_PAGE = (
    asked(LISTED, {}, StandardsSubscriptions=[], NextToken="t"),
    asked(LISTED, {"NextToken": "t"}, StandardsSubscriptions=[subscription("arn:cis")]),
)


@pytest.mark.parametrize(
    ("standards", "exchanges"),
    [
        ((), (HUB_INVITED, NO_DEFAULTS, accepted())),
        ((BEST_PRACTICES,), (HUB_INVITED, NO_DEFAULTS, NO_STANDARDS, AFSBP, accepted())),
        ((BEST_PRACTICES,), (HUB_INVITED, HUB_ON, NO_STANDARDS, AFSBP, accepted())),
        ((BEST_PRACTICES,), (HUB_INVITED, HUB_ON, HAS_CIS, accepted())),
        ((BEST_PRACTICES,), (HUB_INVITED, HUB_ON, *ON_LATER_PAGE, accepted())),
        ((BEST_PRACTICES,), (HUB_INVITED, HUB_DENIED, HAS_CIS, accepted())),
        (
            (BEST_PRACTICES,),
            (HUB_NEEDED, NO_DEFAULTS, HUB_INVITED, NO_STANDARDS, AFSBP, accepted()),
        ),
    ],
    ids=[
        "none wanted",
        "a new hub",
        "a hub without standards",
        "a hub with another",
        "a hub with another on a later page",
        "a hub that may not be enabled",
        "listing needs a hub",
    ],
)
def test_a_hub_without_standards_gets_those_configured_before_the_acceptance(
    standards: tuple[str, ...], exchanges: tuple[Exchange, ...]
) -> None:
    with stubbed("securityhub", *exchanges) as client:
        invitee = SECURITYHUB.invitee(client, Invitation(standards=standards))

        assert invitee.accept(ADMINISTRATOR) == Answer(Verdict.TAKEN)


@pytest.mark.parametrize(
    ("partition", "region"),
    [("aws", REGION), ("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")],
)
def test_a_standard_is_named_as_the_partition_and_the_region_name_it(
    partition: str, region: str
) -> None:
    exchanges = (
        HUB_INVITED,
        HUB_ON,
        NO_STANDARDS,
        standards_enabled(
            f"arn:{partition}:securityhub:::ruleset/{CIS}", in_region(NEWER_CIS, partition, region)
        ),
        accepted(),
    )
    with stubbed("securityhub", *exchanges, region=region) as client:
        invitee = SECURITYHUB.invitee(client, Invitation(standards=(CIS, NEWER_CIS)))

        assert invitee.accept(ADMINISTRATOR) == Answer(Verdict.TAKEN)


@pytest.mark.parametrize(
    ("refusal", "error", "words"),
    [
        ((NO_STANDARDS, refused(ENABLED, *UNOFFERED)), ServiceRefused, "Invalid standards ARN"),
        ((NO_STANDARDS, refused(ENABLED, *DENIED)), AccessDenied, "BatchEnableStandards: Access"),
        (
            (NO_STANDARDS, refused(ENABLED, "LimitExceededException", "Rate exceeded", 429)),
            Throttled,
            "BatchEnableStandards: LimitExceeded",
        ),
        ((refused(LISTED, *DENIED),), AccessDenied, "GetEnabledStandards: AccessDenied"),
    ],
)
def test_without_its_standards_nothing_is_accepted(
    refusal: tuple[Exchange, ...], error: type[RollcallError], words: str
) -> None:
    with (
        stubbed("securityhub", HUB_INVITED, NO_DEFAULTS, *refusal) as client,
        pytest.raises(error, match=f"^Security Hub CSPM .*{words}"),
    ):
        SECURITYHUB.invitee(client, Invitation(standards=(BEST_PRACTICES,))).accept(ADMINISTRATOR)


@pytest.mark.parametrize(
    ("enabling", "words"), [(NO_DEFAULTS, "GetEnabledStandards"), (HUB_DENIED, "EnableSecurityHub")]
)
def test_a_hub_whose_standards_cannot_be_read_yet_is_tried_again_later(
    enabling: Exchange, words: str
) -> None:
    with stubbed("securityhub", HUB_INVITED, enabling, refused(LISTED, *OFF)) as client:
        invitee = SECURITYHUB.invitee(client, Invitation(standards=(BEST_PRACTICES,)))

        answer = invitee.accept(ADMINISTRATOR)

    assert answer.verdict is Verdict.RETRY
    assert answer.text.startswith(f"Security Hub CSPM {words}")


# What CreateDetector enables by itself.
BY_DEFAULT = {
    "S3_DATA_EVENTS",
    "EKS_AUDIT_LOGS",
    "EBS_MALWARE_PROTECTION",
    "RDS_LOGIN_EVENTS",
    "LAMBDA_NETWORK_LOGS",
    "AI_PROTECTION",
}


@pytest.mark.parametrize(
    "enabled",
    [
        (),
        ("S3_DATA_EVENTS", "RDS_LOGIN_EVENTS"),
        ("RUNTIME_MONITORING",),
        ("EKS_RUNTIME_MONITORING", "AI_ANALYST"),
        DETECTOR_FEATURES[:5],
    ],
    ids=lambda names: "+".join(names) or "none",
)
def test_a_new_detector_has_exactly_the_features_configured(enabled: tuple[str, ...]) -> None:
    statuses = dict.fromkeys(BY_DEFAULT, "DISABLED") | dict.fromkeys(enabled, "ENABLED")
    request = {
        "Enable": True,
        "Features": [
            {"Name": name, "Status": statuses[name]}
            for name in DETECTOR_FEATURES
            if name in statuses
        ],
    }
    created = asked("create_detector", request, DetectorId=DETECTOR)
    exchanges = (DETECTOR_INVITED, created, accepted(DetectorId=DETECTOR))
    with stubbed("guardduty", *exchanges) as client:
        invitee = GUARDDUTY.invitee(client, Invitation(detector_features=enabled))

        assert invitee.accept(ADMINISTRATOR) == Answer(Verdict.TAKEN)


REFUSED = ("BadRequestException", "an invalid or out-of-range value.")


@pytest.mark.parametrize(
    ("region", "enabled", "left_out"),
    [
        ("ap-east-2", ("S3_DATA_EVENTS",), "RDS_LOGIN_EVENTS"),
        ("ap-east-2", ("RDS_LOGIN_EVENTS",), "RDS_LOGIN_EVENTS"),
        ("ap-south-1", ("AI_ANALYST",), "AI_ANALYST"),
    ],
)
def test_what_a_region_is_known_not_to_offer_is_left_out_once_it_is_refused(
    region: str, enabled: tuple[str, ...], left_out: str
) -> None:
    features = [
        {"Name": name, "Status": "ENABLED" if name in enabled else "DISABLED"}
        for name in DETECTOR_FEATURES
        if name in BY_DEFAULT or name in enabled
    ]
    rest = [one for one in features if one["Name"] != left_out]
    exchanges = (
        DETECTOR_INVITED,
        refused("create_detector", *REFUSED),
        asked("create_detector", {"Enable": True, "Features": rest}, DetectorId=DETECTOR),
        accepted(DetectorId=DETECTOR),
    )
    with stubbed("guardduty", *exchanges, region=region) as client:
        invitee = GUARDDUTY.invitee(client, Invitation(detector_features=enabled))

        assert invitee.accept(ADMINISTRATOR) == Answer(Verdict.TAKEN)


def test_a_detector_of_the_members_own_keeps_its_features() -> None:
    exchanges = (*detector_refused(*EXISTS, DETECTOR), accepted(DetectorId=DETECTOR))
    with stubbed("guardduty", *exchanges) as client:
        invitee = GUARDDUTY.invitee(client, Invitation(detector_features=()))

        assert invitee.accept(ADMINISTRATOR) == Answer(Verdict.TAKEN)


@pytest.mark.parametrize(
    ("refusal", "error", "text"),
    [
        (
            REFUSED,
            ServiceRefused,
            "GuardDuty CreateDetector: BadRequestException: an invalid or out-of-range value. (does"
            " eu-west-1 offer all features that invitation.detector_features enables or disables?)",
        ),
        (DENIED, AccessDenied, f"GuardDuty CreateDetector: {': '.join(DENIED)}"),
    ],
)
def test_no_detector_is_created_with_other_features_than_those_configured(
    refusal: tuple[str, str], error: type[RollcallError], text: str
) -> None:
    with (
        stubbed("guardduty", *detector_refused(*refusal)) as client,
        pytest.raises(error) as refused_by,
    ):
        GUARDDUTY.invitee(client, Invitation(detector_features=())).accept(ADMINISTRATOR)

    assert str(refused_by.value) == text
