"""While only people or slow checks are waited for, that is published once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.account import Mode
from functions.enrolment.documents import loop_to_json
from functions.enrolment.errors import Throttled
from functions.enrolment.membership import Outcome, Status
from functions.steps import publish_interim
from tests.support.builders import ACCOUNT, NOW, OTHER, RUN, TARGET, a_loop, a_membership
from tests.unit.steps.support import Wired, begin, run, wired

if TYPE_CHECKING:
    from functions.enrolment.membership import Membership

ELSEWHERE = replace(TARGET, region="us-east-1")
INVITED = a_membership(Status.INVITED, Mode.INVITATION)
CHECKED = a_membership(Status.ACCEPTED_BUT_DISABLED, account_id=OTHER)


def publish(wiring: Wired, **changes: Any) -> dict[str, Any]:
    return run(publish_interim.handler, loop_to_json(a_loop(**changes)), wiring)


def waiting(*others: Membership) -> Wired:
    """A run that waits for a person and, beside that, for these."""
    wiring = wired()
    begin(wiring, INVITED, *others, accounts=(ACCOUNT, OTHER))
    return wiring


def test_what_is_waited_for_is_published_once_for_all_targets() -> None:
    wiring = waiting(CHECKED, replace(INVITED, target=ELSEWHERE, outcome=Outcome.ENABLED))

    documents = [publish(wiring, target=target) for target in (TARGET, ELSEWHERE, TARGET)]

    [(_, event)] = wiring.published.events
    assert (event["final"], event["waiting"], event["counts"]["enabled"]) == (False, 2, 1)
    [attributes] = wiring.published.attributes
    assert (attributes["kind"], attributes["outcome"]) == ("waiting", "waiting")
    assert documents[0] == loop_to_json(a_loop())


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(a_membership(account_id=OTHER), id="one has not been read"),
        pytest.param(a_membership(Status.VERIFYING, account_id=OTHER), id="one is being enabled"),
    ],
)
def test_nothing_is_published_while_there_is_more_to_do(other: Membership) -> None:
    wiring = waiting(other)

    publish(wiring)

    assert wiring.published.events == []


def test_nothing_is_published_of_a_closed_run() -> None:
    wiring = waiting()
    wiring.ledger.close(RUN, "aborted", {}, NOW)

    publish(wiring)

    assert wiring.published.events == []


def test_the_target_that_was_cut_short_publishes_and_no_other() -> None:
    wiring = waiting()
    wiring.errors["event"] = iter([Throttled("slower")])

    with pytest.raises(Throttled):
        publish(wiring)
    publish(wiring, target=ELSEWHERE)
    assert wiring.published.events == []

    publish(wiring)
    assert len(wiring.published.events) == len(wiring.published.messages) == 1
