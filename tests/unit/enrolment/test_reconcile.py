"""What a reconcile does about every gap, and how the gaps are divided among runs."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.enrolment.account import (
    MOST_ACCOUNTS,
    AccountId,
    AccountState,
    Mode,
    OrganizationAccount,
)
from functions.enrolment.automation import Automatic, Automation
from functions.enrolment.configuration import Timing
from functions.enrolment.coverage import Cell, Listing, State
from functions.enrolment.handover import Batch
from functions.enrolment.membership import Action, Membership, Observation, Outcome, Status
from functions.enrolment.plan import Facts
from functions.enrolment.reason import Reason, ReasonCode
from functions.enrolment.reconcile import (
    LATELY_SECONDS,
    MOST_NAMED,
    Disposition,
    ReconcilePlan,
    Settings,
    Verdict,
    awaiting_seconds,
    batches,
    decide_reconcile,
    may_create,
)
from functions.enrolment.target import Target
from functions.services import registry
from functions.services.rates import survey_rates
from tests.support.builders import (
    ACCOUNT,
    ADMINISTRATOR,
    MANAGEMENT,
    NOW,
    OTHER,
    RUN,
    TARGET,
    a_membership,
    an_onboarding,
    at_service,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from functions.enrolment.membership import MembershipKey
    from functions.enrolment.rate import Rate

ELSEWHERE = Target(registry.SECURITYHUB, "us-east-1")
LAST = Target(registry.DETECTIVE, "eu-west-1")
TARGETS = (TARGET, LAST, ELSEWHERE)
YESTERDAY = NOW - 86400
STOPPED = Reason(ReasonCode.ACCOUNT_PENDING, "it cannot be used yet")
RATES: Mapping[str, Rate] = MappingProxyType(survey_rates(registry.SERVICES, {}))
SETTINGS = Settings(most_changes=100, rates=RATES)


def a_gap(
    account: AccountId = ACCOUNT,
    target: Target = TARGET,
    action: Action = Action.CREATE,
    raw: str = "Absent",
    **more: Any,
) -> Cell:
    return Cell(account, target, State.GAP, raw, action, **more)


def facts_of(*accounts: AccountId, joined_at: float | None = YESTERDAY - 86400) -> Facts:
    directory = {
        each: OrganizationAccount(each, "", AccountState.ACTIVE, joined_at=joined_at)
        for each in accounts
    }
    return Facts(ADMINISTRATOR, MANAGEMENT, directory, {}, {})


def decided(
    found: Iterable[Cell],
    *rows: Membership,
    settings: Settings = SETTINGS,
    joined_at: float | None = YESTERDAY - 86400,
    lease_until: float = NOW + 900,
    outside: Iterable[tuple[Target, Observation]] = (),
) -> ReconcilePlan:
    cells = list(found)
    known: dict[MembershipKey, Membership] = {row.key: row for row in rows}
    holder = an_onboarding(started_at=YESTERDAY, lease_until=lease_until)
    facts = facts_of(*{cell.account_id for cell in cells}, joined_at=joined_at)
    return decide_reconcile(
        cells, outside, facts, known, {RUN: holder}, settings, NOW, surveyed_at=NOW
    )


def failed(
    code: ReasonCode,
    status: Status | None = Status.ABSENT,
    at: float = YESTERDAY,
    outcome: Outcome = Outcome.FAILED,
    **changes: Any,
) -> Membership:
    row = a_membership(status, at=at, **changes)
    return row.settled(outcome, Reason(code, "it failed"), at)


PERMANENT = failed(ReasonCode.OTHER_ADMINISTRATOR)
SKIPPED = a_membership().settled(Outcome.SKIPPED, STOPPED, NOW)
LATELY = failed(ReasonCode.REFUSED, at=NOW - LATELY_SECONDS + 1)
OPEN = a_membership(Status.CREATED, at=NOW - 60)
NONE = Automation(Automatic.NONE, "auto-enable NONE")
ALL = Automation(Automatic.ALL, "auto-enable ALL")
UNKNOWN = Automation(Automatic.UNKNOWN, "it could not be read")


@pytest.mark.parametrize(
    ("cell", "row", "more", "disposition"),
    [
        (a_gap(), None, {}, Disposition.RUN),
        (a_gap(action=Action.WAIT), None, {}, Disposition.RUN),
        (a_gap(action=Action.STOP, reason=STOPPED), None, {}, Disposition.NOTHING),
        (a_gap(raw="Created"), OPEN, {}, Disposition.IN_PROGRESS),
        (a_gap(raw="Created"), OPEN, {"lease_until": NOW}, Disposition.RUN),
        (a_gap(), PERMANENT, {}, Disposition.HOPELESS),
        (
            a_gap(action=Action.STOP, raw="Resigned", reason=STOPPED),
            failed(ReasonCode.RESIGNED, Status.RESIGNED),
            {},
            Disposition.HOPELESS,
        ),
        (a_gap(raw="Created"), PERMANENT, {}, Disposition.RUN),
        (a_gap(), PERMANENT, {"joined_at": YESTERDAY + 1}, Disposition.RUN),
        (a_gap(), PERMANENT, {"settings": replace(SETTINGS, retry_failed=True)}, Disposition.RUN),
        (a_gap(automation=ALL), PERMANENT, {}, Disposition.HOPELESS),
        (a_gap(automation=ALL), replace(PERMANENT, automation=NONE), {}, Disposition.RUN),
        (a_gap(automation=UNKNOWN), replace(PERMANENT, automation=NONE), {}, Disposition.HOPELESS),
        (a_gap(), LATELY, {}, Disposition.LATELY_TRIED),
        (a_gap(), replace(LATELY, outcome=Outcome.TIMED_OUT), {}, Disposition.LATELY_TRIED),
        (a_gap(), failed(ReasonCode.REFUSED, None, NOW - 60), {}, Disposition.LATELY_TRIED),
        (a_gap(), failed(ReasonCode.REFUSED, at=NOW - LATELY_SECONDS), {}, Disposition.RUN),
        (a_gap(raw="Removed"), LATELY, {}, Disposition.RUN),
        (a_gap(), LATELY, {"settings": replace(SETTINGS, retry_failed=True)}, Disposition.RUN),
        (a_gap(action=Action.STOP, reason=STOPPED), LATELY, {}, Disposition.NOTHING),
        (a_gap(), a_membership().settled(Outcome.ENABLED, None, NOW - 60), {}, Disposition.RUN),
        (a_gap(), SKIPPED, {}, Disposition.RUN),
        (a_gap(), failed(ReasonCode.RUN_ENDED, at=NOW - 60), {}, Disposition.RUN),
        (a_gap(), failed(ReasonCode.STEP_FAILED, None, NOW - 60), {}, Disposition.RUN),
        (a_gap(), failed(ReasonCode.UNAVAILABLE, at=NOW - 60), {}, Disposition.RUN),
        (
            a_gap(action=Action.STOP, reason=STOPPED),
            failed(ReasonCode.RUN_ENDED, at=NOW - 60),
            {},
            Disposition.NOTHING,
        ),
    ],
    ids=[
        *("new", "a run would wait", "a run would end it", "in progress", "the run is dead"),
        *("hopeless", "resigned", "status changed", "joined since", "hopeless, tried again"),
        *("automation first read", "automation changed", "automation unread"),
        *("lately failed", "lately timed out", "lately, never read", "six hours ago"),
        *("lately, status changed", "lately, tried again", "lately, would end", "drift"),
        "skipped, changed since",
        *("stopped", "a step failed", "no answer", "stopped, would end"),
    ],
)
def test_what_is_done_about_a_gap(
    cell: Cell, row: Membership | None, more: dict[str, Any], disposition: Disposition
) -> None:
    [gap] = decided([cell], *([row] if row else []), **more).gaps

    assert gap.disposition is disposition
    if disposition is Disposition.NOTHING:
        assert gap.reason == STOPPED
    elif disposition is Disposition.RUN:
        assert (gap.reason, gap.run) == (None, None)
    else:
        assert gap.run == RUN
        assert gap.reason is not None
    if disposition is Disposition.LATELY_TRIED:
        assert row is not None
        assert gap.until == (row.settled_at or 0) + LATELY_SECONDS
    else:
        assert gap.until is None


def test_a_failure_of_which_no_reason_is_known_is_left_alone_for_a_while() -> None:
    [gap] = decided([a_gap()], replace(LATELY, reason=None)).gaps

    assert gap.disposition is Disposition.LATELY_TRIED


@pytest.mark.parametrize(
    ("action", "automation", "creates"),
    [
        (Action.CREATE, None, True),
        (Action.INVITE, None, True),
        (Action.RESTART, None, False),
        (Action.WAIT, None, True),
        (Action.WAIT, ALL, True),
        (Action.WAIT, Automation(Automatic.POLICY, "policy-1"), False),
    ],
)
def test_a_run_may_create_an_account_unless_a_policy_enables_it(
    action: Action, automation: Automation | None, *, creates: bool
) -> None:
    assert may_create(a_gap(action=action, automation=automation)) is creates


def test_runs_are_in_the_order_of_the_targets() -> None:
    """The first target sorts last."""
    assert sorted([TARGET, ELSEWHERE]) == [TARGET, ELSEWHERE]
    plan = decided([a_gap(ACCOUNT, ELSEWHERE), a_gap(OTHER, TARGET)])

    assert [share.targets for share in plan.shares] == [(ELSEWHERE,), (TARGET,)]


FIRST = Target(registry.GUARDDUTY, "eu-west-1")


@pytest.mark.parametrize(
    ("before", "why", "disposition"),
    [
        (a_gap(target=FIRST), ReasonCode.RUN_ENDED, Disposition.RUN),
        (a_gap(target=FIRST), ReasonCode.REFUSED, Disposition.LATELY_TRIED),
        (a_gap(target=FIRST), ReasonCode.OTHER_ADMINISTRATOR, Disposition.LATELY_TRIED),
        (Cell(ACCOUNT, FIRST, State.ENABLED, "Enabled"), None, Disposition.RUN),
        (a_gap(OTHER, FIRST), ReasonCode.RUN_ENDED, Disposition.LATELY_TRIED),
    ],
    ids=["gets a run", "lately tried", "hopeless", "Enabled by now", "another account's"],
)
def test_detective_is_tried_again_as_soon_as_guardduty_is(
    before: Cell, why: ReasonCode | None, disposition: Disposition
) -> None:
    rows = [failed(ReasonCode.GUARDDUTY, at=NOW - 60, target=LAST)]
    if why is not None:
        rows.append(failed(why, at=NOW - 60, target=FIRST, account_id=before.account_id))

    gaps = decided([before, a_gap(target=LAST)], *rows).gaps

    assert gaps[-1].disposition is disposition


def left_out(target: Target = TARGET, action: Action = Action.CREATE) -> Cell:
    return replace(a_gap(target=target, action=action), state=State.LEFT_OUT, reason=STOPPED)


def skipped(target: Target, ago: float) -> Membership:
    row = at_service(target.service, a_membership(at=NOW - ago))
    return row.settled(Outcome.SKIPPED, STOPPED, NOW - ago)


LATELY_AGO, LONG_AGO = LATELY_SECONDS - 1, LATELY_SECONDS


@pytest.mark.parametrize(
    ("found", "rows", "retry_failed", "expected"),
    [
        ([left_out()], [skipped(TARGET, LATELY_AGO)], False, []),
        ([left_out()], [skipped(TARGET, LATELY_AGO)], True, [TARGET]),
        ([left_out()], [skipped(TARGET, LONG_AGO)], False, [TARGET]),
        ([left_out(action=Action.STOP)], [skipped(TARGET, LONG_AGO)], True, []),
        (
            [left_out(), left_out(LAST)],
            [skipped(TARGET, LONG_AGO), skipped(LAST, LATELY_AGO)],
            False,
            [TARGET, LAST],
        ),
        (
            [left_out(), left_out(LAST)],
            [skipped(TARGET, LATELY_AGO), skipped(LAST, LONG_AGO)],
            False,
            [],
        ),
    ],
    ids=["lately", "asked for", "six hours ago", "would end", "with its first", "not without it"],
)
def test_what_a_run_has_skipped_is_no_gap_and_is_tried_again_after_a_while(
    found: list[Cell], rows: list[Membership], expected: list[Target], *, retry_failed: bool
) -> None:
    plan = decided(found, *rows, settings=replace(SETTINGS, retry_failed=retry_failed))

    assert plan.gaps == ()
    assert [each.cell.target for each in plan.again] == expected
    assert [share.targets for share in plan.shares] == ([tuple(expected)] if expected else [])
    assert plan.verdict is (Verdict.START if expected else Verdict.NOTHING)


def test_cells_that_are_no_gaps_are_counted_only() -> None:
    states = {ACCOUNT: State.ENABLED, OTHER: State.LEFT_OUT}
    plan = decided([Cell(account, TARGET, state, "x") for account, state in states.items()])

    assert (plan.gaps, plan.shares, plan.verdict) == ((), (), Verdict.NOTHING)
    assert plan.before.states[TARGET] == {State.ENABLED: 1, State.LEFT_OUT: 1}


@pytest.mark.parametrize(
    ("actions", "changed", "verdict", "changes"),
    [
        ([Action.CREATE, Action.CREATE], {"most_changes": 1}, Verdict.CONFIRM, 2),
        ([Action.CREATE, Action.INVITE], {"most_changes": 2}, Verdict.START, 2),
        ([Action.RESTART], {"most_changes": 0}, Verdict.START, 0),
        ([Action.WAIT, Action.RESTART], {"most_changes": 0}, Verdict.CONFIRM, 1),
        ([Action.CREATE], {"most_changes": 5, "report_only": True}, Verdict.REPORT, 1),
        ([Action.STOP], {"most_changes": 0}, Verdict.NOTHING, 0),
    ],
)
def test_more_changes_than_allowed_start_nothing(
    actions: list[Action], changed: dict[str, Any], verdict: Verdict, changes: int
) -> None:
    cells = [
        a_gap(AccountId(f"{number:012}"), target, action, reason=STOPPED)
        for target in (TARGET, LAST)
        for number, action in enumerate(actions)
    ]
    plan = decided(cells, settings=replace(SETTINGS, **changed))

    assert (plan.verdict, plan.changes) == (verdict, changes)
    assert bool(plan.shares) is (verdict is Verdict.START)


wanted = st.dictionaries(
    st.integers(0, 400).map(lambda number: AccountId(f"{number:012}")),
    st.sets(st.sampled_from(TARGETS), min_size=1),
    min_size=1,
    max_size=150,
)


@given(wanted)
def test_batches_cover_every_gap_of_a_run_once_in_equal_target_sets(
    gaps: dict[AccountId, set[Target]],
) -> None:
    cells = [a_gap(account, t) for t in TARGETS for account in gaps if t in gaps[account]]
    settings = Settings(most_changes=1000, rates=RATES)
    shares = decided(cells, settings=settings).shares

    covered = [
        (account, t) for share in shares for account in share.accounts for t in share.targets
    ]
    assert len(covered) == len(set(covered))
    assert set(covered) == {(account, t) for account in gaps for t in gaps[account]}
    assert all(1 <= len(share.accounts) <= MOST_ACCOUNTS for share in shares)
    assert all(set(share.targets) == gaps[a] for share in shares for a in share.accounts)
    assert all(share.targets == tuple(sorted(share.targets, key=TARGETS.index)) for share in shares)
    partly = [share.targets for share in shares if len(share.accounts) < MOST_ACCOUNTS]
    assert len(partly) == len(set(partly))
    # Whatever order the accounts are listed in.
    again = sorted(cells, key=lambda c: (TARGETS.index(c.target), c.account_id))
    assert decided(again, settings=settings).shares == shares


@pytest.mark.parametrize(
    ("targets", "rates", "begin_after"),
    [
        ([TARGET, LAST], {}, [0, 0, 1, 1, 2]),
        ([ELSEWHERE], {}, [0, 0, 0, 0, 1]),
        ([ELSEWHERE], {"securityhub": 4, "guardduty": 2}, [0, 0, 1, 1, 2]),
        ([TARGET, LAST], {"guardduty": 2, "detective": 9}, [0, 1, 2, 3, 5]),
        ([TARGET, LAST], {"guardduty": 9, "detective": 1}, [0, 2, 5, 7, 10]),
    ],
    ids=["as the services take", "Security Hub", "one service", "two", "the slower of two"],
)
def test_runs_begin_at_the_pace_of_the_slowest_service(
    targets: list[Target], rates: dict[str, int], begin_after: list[int]
) -> None:
    paced = survey_rates(registry.SERVICES, rates)
    accounts = [AccountId(f"{number:012}") for number in range(5 * MOST_ACCOUNTS)]
    cells = [a_gap(account, target) for target in targets for account in accounts]

    plan = decided(cells, settings=Settings(most_changes=1000, rates=paced))

    assert [share.begin_after for share in plan.shares] == begin_after


def test_a_batch_has_what_was_found_about_its_own_accounts_and_targets() -> None:
    seen = {each: Observation(each, Status.CREATED, "Created") for each in (ACCOUNT, OTHER)}
    listings = [Listing(target, seen, dict.fromkeys(seen, NONE)) for target in TARGETS]
    plan = decided([a_gap(ACCOUNT), a_gap(ACCOUNT, LAST), a_gap(OTHER, ELSEWHERE)])
    facts = replace(
        facts_of(ACCOUNT, OTHER),
        regions={ACCOUNT: frozenset({"x"}), OTHER: None},
        tags={ACCOUNT: {"a": "b"}, OTHER: {}},
    )

    found = list(
        batches(plan, facts, listings, reconcile_id="one", execution_arn="arn:one", surveyed_at=NOW)
    )

    first = Batch(
        reconcile_id="one",
        number=0,
        surveyed_at=NOW,
        execution_arn="arn:one",
        facts=replace(
            facts,
            directory={ACCOUNT: facts.directory[ACCOUNT]},
            regions={ACCOUNT: frozenset({"x"})},
            tags={ACCOUNT: {"a": "b"}},
        ),
        listings=tuple(
            Listing(target, {ACCOUNT: seen[ACCOUNT]}, {ACCOUNT: NONE}) for target in (TARGET, LAST)
        ),
    )
    assert found[0] == first
    assert (found[1].number, found[1].targets) == (1, (ELSEWHERE,))
    assert set(found[1].facts.directory) == {OTHER}


def enabled(account: AccountId = ACCOUNT, **changes: Any) -> Membership:
    row = a_membership(Status.ENABLED, account_id=account, at=YESTERDAY, **changes)
    return row.settled(Outcome.ENABLED, None, YESTERDAY)


def test_a_member_that_was_enabled_during_the_survey_has_not_drifted() -> None:
    later = a_membership().settled(Outcome.ENABLED, None, NOW + 60)
    departed = replace(later, account_id=OTHER)

    plan = decided([a_gap()], later, departed)

    assert (plan.drift, plan.only_in_table) == ((), ())


def test_a_member_that_was_enabled_as_the_survey_began_may_have_drifted() -> None:
    before = a_membership(Status.ENABLED).settled(Outcome.ENABLED, None, NOW)

    assert [each.enabled_at for each in decided([a_gap(raw="Removed")], before).drift] == [NOW]


def test_a_member_that_was_enabled_and_is_a_gap_has_drifted() -> None:
    plan = decided([a_gap(raw="Removed"), a_gap(OTHER)], enabled())

    [drift] = plan.drift
    assert (drift.cell.account_id, drift.cell.raw) == (ACCOUNT, "Removed")
    assert drift.enabled_at == YESTERDAY
    assert plan.only_in_table == ()


def test_what_waits_for_people_is_told_with_since_when_and_whom_to_ask() -> None:
    invited = a_membership(Status.INVITED, Mode.INVITATION, at=YESTERDAY)
    others = [
        replace(invited, account_id=OTHER, outcome=Outcome.FAILED),
        replace(invited, target=Target(registry.GUARDDUTY, "us-west-2")),
        a_membership(Status.CREATED, account_id=AccountId("1" * 12)),
    ]
    plan = decided([a_gap(OTHER)], invited, *others)

    [waiting] = plan.waiting
    assert (waiting.membership.account_id, waiting.since) == (ACCOUNT, YESTERDAY)
    assert waiting.reason.code is ReasonCode.NOT_ACCEPTED
    assert "accept it in eu-west-1 of the account" in waiting.reason.text


def test_what_is_enabled_by_now_waits_no_more() -> None:
    row = a_membership(Status.ACCEPTED_BUT_DISABLED, at=YESTERDAY)

    assert decided([Cell(ACCOUNT, TARGET, State.ENABLED, "Enabled")], row).waiting == ()


@pytest.mark.parametrize(
    ("cells", "outside", "told"),
    [
        ([], [], True),
        ([], [(TARGET, Observation(ACCOUNT, Status.ENABLED, "Enabled"))], False),
        ([Cell(ACCOUNT, TARGET, State.LEFT_OUT, "Absent")], [], True),
        ([Cell(ACCOUNT, TARGET, State.LEFT_OUT, "Enabled")], [], False),
        ([Cell(ACCOUNT, TARGET, State.ENABLED, "Enabled")], [], False),
        ([Cell(ACCOUNT, TARGET, State.UNREAD, "")], [], False),
    ],
    ids=[
        "left the organisation",
        "left, and listed",
        "left out",
        "left out, listed",
        "ok",
        "unread",
    ],
)
def test_a_member_only_in_the_table_is_told(
    cells: list[Cell], outside: list[tuple[Target, Observation]], told: bool
) -> None:
    read = Cell(OTHER, TARGET, State.ENABLED, "Enabled")
    if any(cell.state is State.UNREAD for cell in cells):
        read = replace(read, state=State.UNREAD)

    plan = decided([read, *cells], enabled(), enabled(target=ELSEWHERE), outside=outside)

    assert [row.key for row in plan.only_in_table] == ([(ACCOUNT, TARGET)] if told else [])


def test_members_that_no_run_enrolled_are_counted_and_some_named() -> None:
    accounts = [AccountId(f"{number:012}") for number in range(MOST_NAMED + 5)]
    cells = [Cell(account, TARGET, State.ENABLED, "Enabled") for account in accounts]

    [unrecorded] = decided(cells, enabled(accounts[0])).only_in_services

    assert (unrecorded.target, unrecorded.count) == (TARGET, MOST_NAMED + 4)
    assert unrecorded.accounts == tuple(accounts[1 : MOST_NAMED + 1])


@pytest.mark.parametrize(
    ("deadline", "begins_after", "seconds"),
    [(3600, 0, 5400), (3600, 60, 5460), (86400 * 14, 0, 36 * 3600)],
    ids=["one run", "a run that begins later", "no longer than 36 hours"],
)
def test_runs_are_awaited_until_the_last_one_must_have_ended(
    deadline: int, begins_after: int, seconds: int
) -> None:
    timing = Timing(organization_deadline=deadline, hold=900)

    assert awaiting_seconds(timing, begins_after) == seconds
