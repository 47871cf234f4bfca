"""Reads the input of a run that a reconcile starts. Only Rollcall writes it (Start Runs).

``{"reconcile": {"id", "batch"}, "accounts": [{"id", "email"}], "begin_after"?}``: which document of
the reconcile's survey says the targets, the accounts' e-mail addresses, which are in no document of
a survey, and how many seconds the state machine waits before it plans the run.
"""

from __future__ import annotations

import re

from functions.enrolment.account import MOST_ACCOUNTS
from functions.enrolment.document import Document, a_list, a_whole_number
from functions.enrolment.errors import InvalidInput
from functions.enrolment.rate import MOST_BEGIN_AFTER
from functions.enrolment.request import BatchId, OnboardingRequest, RequestedAccount
from functions.enrolment.scope import an_account_id

RECONCILE = "reconcile"
_MOST_BATCHES = 100_000
_MOST_OF_AN_ADDRESS = 320
# Step Functions API, StartExecution: what a name may not contain.
_NAME = re.compile(r"[^\s<>{}\[\]?*\"#%\\^|~`$&,;:/]{1,80}")


def read_reconciled(value: object) -> OnboardingRequest:
    """Read the input of a run that a reconcile starts.

    Raises:
        InvalidInput: a value is invalid; the message names the field and the allowed values.
    """
    document = Document(value)
    request = OnboardingRequest(
        accounts=document.required("accounts", a_list(_account, MOST_ACCOUNTS, lambda a: a.id)),
        batch=document.required(RECONCILE, _batch),
        source=RECONCILE,
        automatic=True,
    )
    document.optional("begin_after", a_whole_number(0, MOST_BEGIN_AFTER), 0)
    document.close()
    return request


def _batch(value: object, path: str) -> BatchId:
    document = Document(value, path)
    batch = BatchId(
        reconcile_id=document.required("id", _a_name),
        number=document.required("batch", a_whole_number(0, _MOST_BATCHES)),
    )
    document.close()
    return batch


def _account(value: object, path: str) -> RequestedAccount:
    document = Document(value, path)
    account = RequestedAccount(
        id=document.required("id", an_account_id), email=document.required("email", _an_address)
    )
    document.close()
    return account


def is_name(text: str) -> bool:
    """Whether the text can be the name of an execution."""
    return _NAME.fullmatch(text) is not None and text.isprintable()


def _a_name(value: object, path: str) -> str:
    if not isinstance(value, str) or not is_name(value):
        raise InvalidInput(path, "takes the name of an execution, of at most 80 characters")
    return value


def _an_address(value: object, path: str) -> str:
    """As Organizations gives it: one that a service refuses must not end the run of all others."""
    if not isinstance(value, str) or len(value) > _MOST_OF_AN_ADDRESS or not value.isprintable():
        raise InvalidInput(
            path, f"takes an e-mail address of at most {_MOST_OF_AN_ADDRESS} characters"
        )
    return value
