"""The manual input: what a person gives to StartExecution (docs/manual-input.schema.json)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from functions.enrolment.account import MOST_ACCOUNTS, Mode
from functions.enrolment.document import Document, a_boolean, a_list, one_of
from functions.enrolment.errors import InvalidInput
from functions.enrolment.request import OnboardingRequest, RequestedAccount
from functions.enrolment.scope import an_account_id

if TYPE_CHECKING:
    from functions.enrolment.configuration import Configuration

MANUAL = "manual"
# Detective's pattern (botocore ``detective.EmailAddress``), without the lone surrogates that UTF-8
# cannot encode; it and GuardDuty take 64 characters.
_EMAIL = re.compile(
    r"[^\n\ud800-\udfff]+@(?:(?:(?!-)[A-Za-z0-9-]{1,62})?[A-Za-z0-9]{1}\.)+[A-Za-z]{2,63}"
)
_MODES = {str(mode): mode for mode in Mode}


def read_manual(value: object, configuration: Configuration) -> OnboardingRequest:
    """Read a manual input. Services and Regions must be configured ones.

    Raises:
        InvalidInput: naming the field and what it takes.
    """
    services = {str(service): service for service in configuration.services}
    regions = {region: region for region in configuration.regions}
    document = Document(value)
    request = OnboardingRequest(
        accounts=document.required("accounts", a_list(_account, MOST_ACCOUNTS, lambda a: a.id)),
        services=document.optional("services", a_list(one_of(services), len(services)), None),
        regions=document.optional("regions", a_list(one_of(regions), len(regions)), None),
        mode=document.optional("mode", one_of(_MODES), None),
        dry_run=document.optional("dry_run", a_boolean, default=False),
        source=MANUAL,
        automatic=False,
    )
    document.close()
    return request


def _account(value: object, path: str) -> RequestedAccount:
    document = Document(value, path)
    account = RequestedAccount(
        id=document.required("id", an_account_id),
        email=document.optional("email", _email, None),
        mode=document.optional("mode", one_of(_MODES), None),
    )
    document.close()
    return account


def _email(value: object, path: str) -> str:
    if not isinstance(value, str) or len(value) > 64 or not _EMAIL.fullmatch(value):
        raise InvalidInput(path, "takes an e-mail address of at most 64 characters")
    return value
