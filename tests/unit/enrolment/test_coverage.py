"""The coverage says of each account and target what a run would find and do."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.enrolment.account import Account, AccountId, AccountState, Mode, OrganizationAccount
from functions.enrolment.automation import Automatic, Automation
from functions.enrolment.configuration import Invitation
from functions.enrolment.coverage import (
    Cell,
    Listing,
    State,
    Survey,
    cells,
    coverage,
    of_organization,
    strangers,
)
from functions.enrolment.decide import RECENT_SECONDS, Circumstances
from functions.enrolment.documents import Loop
from functions.enrolment.explain import explain
from functions.enrolment.membership import Action, Membership, Observation, Outcome, Status
from functions.enrolment.plan import Facts, make_plan
from functions.enrolment.reason import Reason, ReasonCode
from functions.enrolment.request import OnboardingRequest, RequestedAccount
from functions.enrolment.scope import Scope
from functions.enrolment.target import Target
from functions.enrolment.turn import take_turn
from functions.services import registry
from tests.support.builders import (
    ACCOUNT,
    ADMINISTRATOR,
    MANAGEMENT,
    NOW,
    OTHER,
    a_configuration,
    a_membership,
    at_service,
    tried,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.enrolment.configuration import Configuration

REGIONS = ("eu-west-1", "ap-northeast-3", "me-south-1")
THIRD = AccountId("666677778888")
MANY = [AccountId(f"{700_000_000_000 + number}") for number in range(5)]
ACCOUNTS = (ACCOUNT, OTHER, THIRD, ADMINISTRATOR)
CONFIGURATION = a_configuration(regions=REGIONS, scope=Scope(exclude_accounts=(THIRD,)))
NONE = Automation(Automatic.NONE, "auto-enable NONE")
ALL = Automation(Automatic.ALL, "auto-enable ALL")
CREATED = Observation(ACCOUNT, Status.CREATED, "Created")
ENABLED = Observation(ACCOUNT, Status.ENABLED, "Enabled")
NOT_READY = Observation(ACCOUNT, Status.MANAGEMENT_NOT_ENABLED, "CannotCreateDetector")

accounts = st.builds(
    lambda account, state, joined: OrganizationAccount(
        account, "root@example.com", state, "o-a/r-b/", joined_at=joined
    ),
    st.sampled_from(ACCOUNTS),
    st.sampled_from(AccountState),
    st.sampled_from([None, NOW - 60, NOW - RECENT_SECONDS - 60]),
)
facts = st.builds(
    lambda found, delegated, regions: Facts(
        ADMINISTRATOR,
        MANAGEMENT,
        {account.id: account for account in found},
        dict(zip(registry.SERVICES, delegated, strict=True)),
        dict.fromkeys(ACCOUNTS, regions),
    ),
    st.lists(accounts, max_size=4, unique_by=lambda account: account.id),
    st.lists(st.sampled_from([True, False, None]), min_size=3, max_size=3),
    st.sampled_from([None, frozenset[str](), frozenset({"me-south-1"})]),
)
listings = st.builds(
    lambda target, statuses, kinds: Listing(
        target,
        {a: Observation(a, s, str(s)) for a, s in statuses.items()},
        {a: Automation(kind, "what it does") for a, kind in kinds.items()},
    ),
    st.sampled_from(CONFIGURATION.targets),
    st.dictionaries(st.sampled_from(ACCOUNTS), st.sampled_from(Status)),
    st.dictionaries(st.sampled_from(ACCOUNTS), st.sampled_from(Automatic)),
)


def run_of(
    account: AccountId, listing: Listing, known: Facts, configuration: Configuration
) -> Membership:
    """The membership after the planning and the first turn of a run by hand that starts now."""
    target = listing.target
    request = OnboardingRequest(
        (RequestedAccount(account),),
        source="manual",
        automatic=False,
        services=(target.service,),
        regions=(target.region,),
    )
    plan = make_plan(request, known, configuration, NOW)
    if plan.settled:
        return plan.settled[0]
    joined = known.directory[account].joined_at
    circumstances = Circumstances(
        NOW,
        configuration.timing,
        accepts=False,
        opted_in=Loop("", target, plan.accounts).opted_in,
        recent=frozenset({account} if (joined or 0) >= NOW - RECENT_SECONDS else ()),
    )
    seen = listing.members.get(account, Observation(account, Status.ABSENT, "Absent"))
    automation = listing.automations.get(account)
    turn = take_turn(
        [replace(membership, taken_at=NOW) for membership in plan.covered],
        [seen],
        circumstances=circumstances,
        automations={account: automation} if automation else {},
    )
    return turn.memberships[0]


def test_accounts_outside_the_organisation_have_cells_if_they_are_given() -> None:
    known = Facts(ADMINISTRATOR, MANAGEMENT, {}, {}, {})
    outside = Account(OTHER, "root@example.com", Mode.INVITATION)
    listing = Listing(Target(registry.GUARDDUTY, "eu-west-1"))

    assert list(cells(known, [listing], CONFIGURATION, NOW)) == []
    (cell,) = cells(known, [listing], CONFIGURATION, NOW, [outside])
    assert (cell.account_id, cell.state, cell.action) == (OTHER, State.GAP, Action.CREATE)


def test_a_cell_knows_from_the_row_what_an_earlier_run_did() -> None:
    target = Target(registry.GUARDDUTY, "eu-west-1")
    directory = {ACCOUNT: OrganizationAccount(ACCOUNT, "root@example.com", "ACTIVE")}
    known = Facts(ADMINISTRATOR, MANAGEMENT, directory, {}, {})
    created = tried(a_membership(Status.ABSENT, target=target), Action.CREATE)

    def action(after: float) -> Action | None:
        rows = {created.key: created}
        (cell,) = cells(known, [Listing(target)], CONFIGURATION, NOW + after, rows=rows)
        return cell.action

    assert [action(60), action(3600)] == [Action.WAIT, Action.CREATE]


GUARDDUTY = Target(registry.GUARDDUTY, "eu-west-1")
DETECTIVE = Target(registry.DETECTIVE, "eu-west-1")
NOT_ON = Reason(ReasonCode.MANAGEMENT_ACCOUNT, "GuardDuty is not on there; to do: enable it")
SKIPPED = replace(a_membership(Status.ABSENT), automation=NONE).settled(
    Outcome.SKIPPED, NOT_ON, NOW
)
FOLLOWED = at_service(DETECTIVE.service, SKIPPED).settled(
    Outcome.SKIPPED, Reason(ReasonCode.PREREQUISITE, "GuardDuty was skipped"), NOW
)
UNREADABLE = Listing(GUARDDUTY, problem=Reason(ReasonCode.ACCESS_DENIED, "not allowed"))
LATER = NOW + 86400


def found(
    *listings: Listing, rows: tuple[Membership, ...] = (), joined_at: float | None = None
) -> dict[Target, Cell]:
    """The cells of one account a day after runs have recorded the rows."""
    account = OrganizationAccount(ACCOUNT, "", AccountState.ACTIVE, joined_at=joined_at)
    known = Facts(ADMINISTRATOR, MANAGEMENT, {ACCOUNT: account}, {}, {})
    by_key = {row.key: row for row in rows}
    return {
        cell.target: cell for cell in cells(known, listings, a_configuration(), LATER, rows=by_key)
    }


@pytest.mark.parametrize(
    ("listing", "joined_at", "state"),
    [
        (Listing(GUARDDUTY), None, State.LEFT_OUT),
        (Listing(GUARDDUTY), NOW, State.LEFT_OUT),
        (Listing(GUARDDUTY), NOW + 1, State.GAP),
        (Listing(GUARDDUTY, {ACCOUNT: CREATED}), None, State.GAP),
        (Listing(GUARDDUTY, automations={ACCOUNT: ALL}), None, State.GAP),
        (Listing(GUARDDUTY, {ACCOUNT: ENABLED}), None, State.ENABLED),
    ],
    ids=[
        "unchanged",
        "joined then",
        "joined since",
        "created since",
        "auto-enable since",
        "enabled since",
    ],
)
def test_what_a_run_has_skipped_is_left_out_while_nothing_has_changed(
    listing: Listing, joined_at: float | None, state: State
) -> None:
    cell = found(listing, rows=(SKIPPED,), joined_at=joined_at)[GUARDDUTY]

    assert cell.state is state
    assert cell.reason == (NOT_ON if state is State.LEFT_OUT else None)
    # A run by hand would work on it.
    assert (cell.action is None) == (state is State.ENABLED)
    assert cell.action is not Action.STOP


def test_what_was_skipped_at_an_unknown_time_is_a_gap() -> None:
    """Nobody can say that nothing has changed since."""
    row = replace(SKIPPED, settled_at=None)

    assert found(Listing(GUARDDUTY), rows=(row,))[GUARDDUTY].state is State.GAP


@pytest.mark.parametrize(
    ("row", "said"),
    [(SKIPPED, "GuardDuty is not on there"), (replace(SKIPPED, reason=None), "not read yet")],
    ids=["with its reason", "without"],
)
def test_what_follows_says_what_was_skipped_and_why(row: Membership, said: str) -> None:
    cell = found(Listing(GUARDDUTY), Listing(DETECTIVE), rows=(row,))[DETECTIVE]

    assert cell.reason == Reason(
        ReasonCode.PREREQUISITE,
        f"Detective needs GuardDuty. GuardDuty in eu-west-1 was skipped: {said};"
        " to do: enable GuardDuty for the account, and start again",
    )


@pytest.mark.parametrize("backwards", [False, True], ids=["in order", "backwards"])
@pytest.mark.parametrize(
    ("first", "rows", "state", "action"),
    [
        (Listing(GUARDDUTY, {ACCOUNT: NOT_READY}), (), State.LEFT_OUT, Action.STOP),
        (Listing(GUARDDUTY), (SKIPPED,), State.LEFT_OUT, Action.CREATE),
        (Listing(GUARDDUTY), (), State.GAP, Action.CREATE),
        (Listing(GUARDDUTY, {ACCOUNT: ENABLED}), (SKIPPED, FOLLOWED), State.GAP, Action.CREATE),
        (Listing(GUARDDUTY, {ACCOUNT: CREATED}), (SKIPPED, FOLLOWED), State.GAP, Action.CREATE),
        (UNREADABLE, (SKIPPED, FOLLOWED), State.LEFT_OUT, Action.CREATE),
        (UNREADABLE, (), State.GAP, Action.CREATE),
    ],
    ids=[
        *("by its status", "by a run", "a gap", "enabled since", "created since"),
        *("not read", "not read, never skipped"),
    ],
)
def test_what_follows_a_target_that_is_left_out_is_left_out(
    first: Listing,
    rows: tuple[Membership, ...],
    state: State,
    action: Action,
    *,
    backwards: bool,
) -> None:
    listings = [first, Listing(DETECTIVE)]
    cell = found(*(reversed(listings) if backwards else listings), rows=rows)[DETECTIVE]

    assert (cell.state, cell.action) == (state, action)
    left_out = state is State.LEFT_OUT
    assert (cell.reason and cell.reason.code) == (ReasonCode.PREREQUISITE if left_out else None)


def test_what_is_enabled_follows_nothing() -> None:
    listings = Listing(GUARDDUTY), Listing(DETECTIVE, {ACCOUNT: ENABLED})

    assert found(*listings, rows=(SKIPPED,))[DETECTIVE].state is State.ENABLED


@pytest.mark.parametrize(
    ("region", "action"), [("eu-west-1", Action.CREATE), ("me-south-1", Action.STOP)]
)
def test_a_region_that_is_enabled_by_default_is_not_disabled_for_an_account(
    region: str, action: Action
) -> None:
    """Of an opt-in Region it is not known here. A run creates the member again, or fails."""
    disabled = Observation(ACCOUNT, Status.REGION_DISABLED, "RegionDisabled")
    target = Target(registry.GUARDDUTY, region)

    assert found(Listing(target, {ACCOUNT: disabled}))[target].action is action


@settings(max_examples=400, deadline=None)
@given(facts, listings)
def test_a_cell_says_what_a_run_of_the_account_would_do(known: Facts, listing: Listing) -> None:
    found = {cell.account_id: cell for cell in cells(known, [listing], CONFIGURATION, NOW)}

    assert set(found) == set(known.directory)
    for account, cell in found.items():
        run = run_of(account, listing, known, CONFIGURATION)
        if run.outcome is Outcome.ALREADY_ENABLED:
            assert (cell.state, cell.action) == (State.ENABLED, None)
        elif run.outcome is not None:
            left_out = run.outcome is Outcome.SKIPPED
            assert cell.state is (State.LEFT_OUT if left_out else State.GAP)
            assert cell.action is Action.STOP
            assert (cell.reason and cell.reason.code) == (run.reason and run.reason.code)
            # Nobody knows since when.
            assert " since " not in str(cell.reason)
        else:
            assert cell.state is State.GAP
            assert cell.action is (run.due or Action.WAIT)
            assert cell.reason is None


def organization(*ids: AccountId) -> Facts:
    directory = {a: OrganizationAccount(a, "root@example.com", AccountState.ACTIVE) for a in ids}
    return Facts(ADMINISTRATOR, MANAGEMENT, directory, {}, {})


def members(statuses: Mapping[AccountId, Status]) -> dict[AccountId, Observation]:
    return {a: Observation(a, status, str(status)) for a, status in statuses.items()}


def test_a_target_that_cannot_be_read_is_unread_and_not_a_gap() -> None:
    target = Target(registry.GUARDDUTY, "eu-west-1")
    membership = Membership(ACCOUNT, target, Mode.ORGANIZATION)
    problem = explain(ReasonCode.ADMINISTRATOR_NOT_READY, membership, "no detector")
    listing = Listing(target, problem=problem)

    (cell,) = cells(organization(ACCOUNT), [listing], a_configuration(), NOW)

    assert cell == Cell(ACCOUNT, target, State.UNREAD, "", reason=problem)


def test_a_cell_has_the_status_that_the_service_lists() -> None:
    target = Target(registry.GUARDDUTY, "eu-west-1")
    listing = Listing(
        target, members({ACCOUNT: Status.ENABLED, THIRD: Status.CREATED}), {OTHER: NONE}
    )
    known = organization(ACCOUNT, OTHER, THIRD)

    assert list(cells(known, [listing], CONFIGURATION, NOW)) == [
        Cell(ACCOUNT, target, State.ENABLED, "Enabled"),
        Cell(OTHER, target, State.GAP, "Absent", Action.CREATE, automation=NONE),
        Cell(
            THIRD,
            target,
            State.LEFT_OUT,
            "Created",
            Action.STOP,
            Reason(
                ReasonCode.OUT_OF_SCOPE,
                "out of scope: the configuration excludes the account; to do: change the"
                " configuration's scope if the account is to be enrolled",
            ),
        ),
    ]


@pytest.mark.parametrize(
    ("joined_at", "action"),
    [(LATER - 60, Action.WAIT), (LATER - RECENT_SECONDS - 60, Action.CREATE)],
    ids=["lately", "long ago"],
)
def test_a_new_account_is_left_to_the_service_that_enables_those(
    joined_at: float, action: Action
) -> None:
    listing = Listing(GUARDDUTY, automations={ACCOUNT: Automation(Automatic.NEW, "auto-enable")})

    assert found(listing, joined_at=joined_at)[GUARDDUTY].action is action


@pytest.mark.parametrize(
    ("member_role", "action"), [("RollcallMember", Action.ACCEPT), (None, Action.WAIT)]
)
def test_an_invitation_is_accepted_where_there_is_a_member_role(
    member_role: str | None, action: Action
) -> None:
    outside = Account(OTHER, "root@example.com", Mode.INVITATION)
    listing = Listing(GUARDDUTY, members({OTHER: Status.INVITED}))
    configuration = a_configuration(invitation=Invitation(member_role=member_role))

    (cell,) = cells(organization(), [listing], configuration, NOW, [outside])

    assert cell.action is action


def test_the_accounts_of_the_organisation_are_those_of_its_directory_by_id() -> None:
    known = replace(organization(OTHER, ACCOUNT), regions={ACCOUNT: frozenset(), OTHER: None})

    assert of_organization(known) == (
        Account(ACCOUNT, "root@example.com", Mode.ORGANIZATION, regions_known=True),
        Account(OTHER, "root@example.com", Mode.ORGANIZATION),
    )


def test_the_counts_are_those_of_the_cells_with_what_a_run_would_do_or_say() -> None:
    here = Target(registry.GUARDDUTY, "eu-west-1")
    resigned, absent = MANY[:2], MANY[2:]
    listing = Listing(
        here,
        members({ACCOUNT: Status.ENABLED} | dict.fromkeys(resigned, Status.RESIGNED)),
        dict.fromkeys(MANY, NONE),
    )
    configuration = a_configuration()

    counted = coverage(cells(organization(ACCOUNT, *MANY), [listing], configuration, NOW))

    assert counted.states == {here: Counter({State.GAP: 5, State.ENABLED: 1})}
    assert counted.reasons == {here: Counter({"resigned": 2, "create": len(absent)})}


def test_a_listing_is_as_old_as_its_reading() -> None:
    listing = Listing(GUARDDUTY, read_at=NOW)

    assert listing.is_read_since(NOW)
    assert not listing.is_read_since(NOW + 1)
    assert not Listing(GUARDDUTY).is_read_since(NOW)


@pytest.mark.parametrize(
    ("times", "since"), [((NOW + 2, NOW + 1), NOW + 1), ((NOW + 2, None), NOW), ((), NOW)]
)
def test_a_survey_is_as_old_as_its_oldest_reading(
    times: tuple[float | None, ...], since: float
) -> None:
    listings = tuple(Listing(GUARDDUTY, read_at=at) for at in times)

    assert Survey(organization(), listings).read_since(NOW) == since


def test_members_outside_the_organisation_are_named() -> None:
    target = Target(registry.SECURITYHUB, "eu-west-1")
    listing = Listing(target, members({ACCOUNT: Status.ENABLED, OTHER: Status.INVITED}))

    found = list(strangers(organization(ACCOUNT), [listing]))

    assert found == [(target, Observation(OTHER, Status.INVITED, "Invited"))]


def test_an_account_that_a_service_does_not_list_is_absent_there() -> None:
    assert Listing(GUARDDUTY).observation(OTHER) == Observation(OTHER, Status.ABSENT, "Absent")
