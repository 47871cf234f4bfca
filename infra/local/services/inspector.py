"""Amazon Inspector as a service that no account has switched on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.api import Caller, Operation, ServiceError, Wording
from infra.local.services.service import LocalService
from infra.local.wire.errors import described
from infra.local.wire.paging import page

if TYPE_CHECKING:
    from collections.abc import Mapping

_DENIED = "AccessDeniedException"
_RESOURCES = ("ec2", "ecr", "lambda", "lambdaCode", "codeRepository")
# AccessDeniedException's "Invoking account does not have access to …" of what only the delegated
# administrator may ask. Seen for the organization configuration (steampipe-plugin-aws) and for
# GetMember (Terraform's provider); inferred for ListMembers.
_OF_THE_ADMINISTRATOR = {
    "DescribeOrganizationConfiguration": "describe the organization configuration",
    "GetMember": "get member account",
    "ListMembers": "list member accounts",
}
# Seen for scan configurations (steampipe, Floci), inferred for the other.
_NEED_INSPECTOR = ("ListCisScanConfigurations", "ListFindings")


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationException", message, reason="CANNOT_PARSE")


class Inspector(LocalService):
    name = "inspector2"
    label = "Inspector"
    wording = Wording(
        throttling="ThrottlingException",
        server_error="InternalServerException",
        invalid_input=lambda broken: ServiceError(
            "ValidationException", described(broken), reason="FIELD_VALIDATION_FAILED"
        ),
        malformed=_invalid,
    )

    @property
    def operations(self) -> Mapping[str, Operation]:
        return {
            "BatchGetAccountStatus": self.batch_get_account_status,
            "GetDelegatedAdminAccount": self.get_delegated_admin_account,
            "ListDelegatedAdminAccounts": self.list_delegated_admin_accounts,
            **{name: _denying(what) for name, what in _OF_THE_ADMINISTRATOR.items()},
            **dict.fromkeys(_NEED_INSPECTOR, self.not_enabled),
        }

    def batch_get_account_status(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Of the calling account, unless others are named; those it may not ask about."""
        asked = dict.fromkeys(params.get("accountIds") or [who.account_id])
        # The model requires a code and a message, of which AWS's own examples have none.
        off = {"status": "DISABLED"}
        return {
            "accounts": [
                {
                    "accountId": who.account_id,
                    "state": off,
                    "resourceState": dict.fromkeys(_RESOURCES, off),
                }
                for _ in asked.keys() & {who.account_id}
            ],
            "failedAccounts": [
                {
                    "accountId": account_id,
                    "errorCode": "ACCESS_DENIED",
                    # Seen in terraform-provider-aws 27646.
                    "errorMessage": "Invoking account does not have access to this account",
                }
                for account_id in asked
                if account_id != who.account_id
            ],
        }

    def get_delegated_admin_account(self, _: Caller, __: dict[str, Any]) -> dict[str, Any]:
        # Inferred: the model has this error, and no other for an organization without one.
        raise ServiceError(
            "ResourceNotFoundException", "The organization has no delegated administrator"
        )

    def list_delegated_admin_accounts(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Inferred: for the management account, as in the other services, and no other."""
        organization = self.state.organization_of(who.account_id)
        if organization is None or organization.management != who.account_id:
            raise _denied("list delegated admin accounts")
        try:
            page([], params.get("nextToken"), 1)
        except ValueError as error:
            raise _invalid("The nextToken is not valid.") from error
        return {"delegatedAdminAccounts": []}

    def not_enabled(self, _: Caller, __: dict[str, Any]) -> dict[str, Any]:
        raise ServiceError(_DENIED, "Invoking account is not enabled.")


def _denying(what: str) -> Operation:
    def refused(_: Caller, __: dict[str, Any]) -> dict[str, Any]:
        raise _denied(what)

    return refused


def _denied(what: str) -> ServiceError:
    return ServiceError(_DENIED, f"Invoking account does not have access to {what}.")
