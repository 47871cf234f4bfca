"""The beliefs that can only be tried by changing the membership of an account of the file.

The account is outside the organisation and no member when each begins, and no member when it ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions.enrolment.membership import Verdict
from tests.contract.beliefs import needs
from tests.contract.beliefs.belief import Belief, Source, Step
from tests.contract.beliefs.expectations import Processed
from tests.contract.beliefs.needs import (
    APIS,
    DETECTIVE_API,
    GUARDDUTY_API,
    SECURITYHUB_API,
    resource,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.contract.beliefs.answers import Site
    from tests.contract.beliefs.belief import Parameters
    from tests.contract.beliefs.expectations import Expectation, MemberApi

# A reserved domain (RFC 2606): nobody's address.
WRONG_EMAIL = "nobody@rollcall.example.com"
# Neither service sends an e-mail then. Security Hub's model has no such field.
_SILENT = {"DisableEmailNotification": True}


def _subject(api: MemberApi, site: Site) -> tuple[str, str]:
    found = needs.subject(api, site)
    assert found, "the need `outsider` comes first"
    return found


def _creation(api: MemberApi, email: str | None = None) -> Step:
    def parameters(site: Site) -> Mapping[str, Any]:
        account_id, own = _subject(api, site)
        field, address = ("AccountDetails", "Email")
        silent: Mapping[str, Any] = {}
        if api is DETECTIVE_API:
            field, address, silent = "Accounts", "EmailAddress", _SILENT
        account = {"AccountId": account_id, address: email or own}
        return {**resource(api.record, site), field: [account], **silent}

    return Step("CreateMembers", parameters)


def _accounts(api: MemberApi, **more: Any) -> Parameters:
    return lambda site: {
        **resource(api.record, site),
        "AccountIds": [_subject(api, site)[0]],
        **more,
    }


def _invitation(api: MemberApi) -> Step:
    return Step("InviteMembers", _accounts(api, **(_SILENT if api is GUARDDUTY_API else {})))


def _deletion(api: MemberApi) -> Step:
    return Step("DeleteMembers", _accounts(api))


def _removal(api: MemberApi) -> tuple[Step, ...]:
    """What leaves no member, whether it was created or invited; the last call decides."""
    if api is DETECTIVE_API:
        return (_deletion(api),)
    return (Step("DisassociateMembers", _accounts(api)), _deletion(api))


def _of(api: MemberApi) -> Callable[..., Belief]:
    def belief(
        name: str,
        step: Step,
        expected: Expectation,
        *before: Step,
        source: Source = Source.READ,
        after: tuple[Step, ...] = _removal(api),
    ) -> Belief:
        return Belief(
            id=f"{api.record.name}.{name}",
            service=api.record.name,
            operation=step.operation,
            parameters=step.parameters,
            expected=expected,
            source=source,
            used_in=(
                f"functions/services/{api.record.name}.py",
                "functions/services/answers.py",
            ),
            needs=(needs.enabled(api.record), needs.outsider(api)),
            before=before,
            after=after,
        )

    return belief


def _all(api: MemberApi) -> Iterator[Belief]:
    belief = _of(api)
    taken, benign = Processed(api, Verdict.TAKEN), Processed(api, Verdict.BENIGN)
    create, look = _creation(api), Step("GetMembers", _accounts(api))
    known = api.known_status()
    yield belief("create-members.outside", create, taken)
    yield belief("create-members.status", look, known, create)
    yield belief("create-members.again", create, benign, create, source=Source.OBSERVED)
    yield belief("create-members.deleted", create, taken, create, _deletion(api))
    wrong = _creation(api, WRONG_EMAIL)
    yield belief("create-members.wrong-email", wrong, taken, source=Source.INFERRED)
    yield belief("create-members.wrong-email-status", look, known, wrong, source=Source.INFERRED)


def _invited(api: MemberApi) -> Iterator[Belief]:
    belief = _of(api)
    taken, benign = Processed(api, Verdict.TAKEN), Processed(api, Verdict.BENIGN)
    create, invite = _creation(api), _invitation(api)
    look = Step("GetMembers", _accounts(api))
    known = api.known_status()
    refused = Processed(api, Verdict.PERMANENT)
    yield belief("invite-members.not-created", invite, refused)
    yield belief("invite-members.created", invite, taken, create)
    yield belief("invite-members.status", look, known, create, invite)
    yield belief("invite-members.again", invite, benign, create, invite)
    wrong = _creation(api, WRONG_EMAIL)
    yield belief("invite-members.wrong-email-status", look, known, wrong, invite)


CHANGES = (
    *(belief for api in APIS for belief in _all(api)),
    *(belief for api in (SECURITYHUB_API, GUARDDUTY_API) for belief in _invited(api)),
)
