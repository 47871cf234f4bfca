"""Amazon Macie as a service that no account has switched on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.api import Caller, Operation, ServiceError, Wording
from infra.local.services.service import LocalService
from infra.local.wire.errors import described
from infra.local.wire.paging import page

if TYPE_CHECKING:
    from collections.abc import Mapping

_DENIED = "AccessDeniedException"
# What accounts ask on the way; that all of them answer as ListClassificationJobs was seen to
# (mondoohq/mql, pull request 5988) and GetMacieSession is documented to is inferred.
_NEED_MACIE = (
    "DescribeBuckets",
    "DescribeOrganizationConfiguration",
    "GetAdministratorAccount",
    "GetAutomatedDiscoveryConfiguration",
    "GetMacieSession",
    "GetMasterAccount",
    "GetMember",
    "ListClassificationJobs",
    "ListFindings",
    "ListMembers",
)


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationException", message)


class Macie(LocalService):
    name = "macie2"
    label = "Macie"
    wording = Wording(
        throttling="ThrottlingException",
        server_error="InternalServerException",
        invalid_input=lambda broken: _invalid(described(broken)),
        malformed=_invalid,
    )

    @property
    def operations(self) -> Mapping[str, Operation]:
        return {
            **dict.fromkeys(_NEED_MACIE, self.not_enabled),
            "ListOrganizationAdminAccounts": self.list_organization_admin_accounts,
        }

    def not_enabled(self, _: Caller, __: dict[str, Any]) -> dict[str, Any]:
        raise ServiceError(_DENIED, "Macie is not enabled.")

    def list_organization_admin_accounts(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        """Inferred: for the management account, as in the other services, and no other."""
        organization = self.state.organization_of(who.account_id)
        if organization is None or organization.management != who.account_id:
            raise ServiceError(
                _DENIED, "The request failed because you must be a user of the management account"
            )
        try:
            page([], params.get("nextToken"), 1)
        except ValueError as error:
            raise _invalid("The nextToken is not valid.") from error
        return {"adminAccounts": []}
