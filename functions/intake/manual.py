"""Reads the manual input of StartExecution (docs/manual-input.schema.json)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.enrolment.account import MOST_ACCOUNTS, Mode
from functions.enrolment.document import Document, a_boolean, a_list, one_of
from functions.enrolment.errors import InvalidInput
from functions.enrolment.request import OnboardingRequest, RequestedAccount
from functions.enrolment.scope import an_account_id
from functions.enrolment.text import MOST_OF_AN_EMAIL, is_email

if TYPE_CHECKING:
    from functions.enrolment.configuration import Configuration

MANUAL = "manual"
_MODES = {str(mode): mode for mode in Mode}


def read_manual(value: object, configuration: Configuration) -> OnboardingRequest:
    """Read a manual input. Services and Regions must be configured ones.

    Raises:
        InvalidInput: a value is invalid; the message names the field and the allowed values.
    """
    services = {service.name: service for service in configuration.services}
    regions = {region: region for region in configuration.regions}
    document = Document(value)
    request = OnboardingRequest(
        accounts=document.required("accounts", a_list(an_account, MOST_ACCOUNTS, lambda a: a.id)),
        services=document.optional("services", a_list(one_of(services), len(services)), None),
        regions=document.optional("regions", a_list(one_of(regions), len(regions)), None),
        mode=document.optional("mode", one_of(_MODES), None),
        dry_run=document.optional("dry_run", a_boolean, default=False),
        source=MANUAL,
        automatic=False,
    )
    document.close()
    return request


def an_account(value: object, path: str) -> RequestedAccount:
    """Reads one of the accounts of a manual input."""
    document = Document(value, path)
    account = RequestedAccount(
        id=document.required("id", an_account_id),
        email=document.optional("email", _email, None),
        mode=document.optional("mode", one_of(_MODES), None),
    )
    document.close()
    return account


def _email(value: object, path: str) -> str:
    if not isinstance(value, str) or not is_email(value):
        raise InvalidInput(
            path, f"takes an e-mail address of at most {MOST_OF_AN_EMAIL} characters"
        )
    return value
