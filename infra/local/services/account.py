"""Account Management: the Regions an account has opted in to."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, ClassVar

from infra.local.api import Caller, Operation, ServiceError, Wording
from infra.local.facts.regions import DEFAULT_REGIONS, OPT_IN_REGIONS, OptStatus
from infra.local.services.service import LocalService
from infra.local.wire.errors import described
from infra.local.wire.paging import page, when

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.facts.state import LocalAccount

PRINCIPAL = "account.amazonaws.com"
_PAGE = 50
_EVENTS_REGION = "us-east-1"


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationException", message, reason="fieldValidationFailed")


class AccountManagement(LocalService):
    name = "account"
    label = "Account Management"
    wording = Wording(
        throttling="TooManyRequestsException",
        server_error="InternalServerException",
        invalid_input=lambda broken: _invalid(described(broken)),
        malformed=_invalid,
    )
    timings: ClassVar = {"region_opt": 1.0}
    regional = False

    @property
    def operations(self) -> Mapping[str, Operation]:
        return {
            "ListRegions": self.list_regions,
            "GetRegionOptStatus": self.get_region_opt_status,
            "EnableRegion": self.enable_region,
            "DisableRegion": self.disable_region,
        }

    def list_regions(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        account = self._account(who, params, "ListRegions")
        wanted = params.get("RegionOptStatusContains")
        regions = [
            {"RegionName": region, "RegionOptStatus": account.opt_status(region).value}
            for region in sorted(DEFAULT_REGIONS | OPT_IN_REGIONS)
            if not wanted or account.opt_status(region) in wanted
        ]
        try:
            shown, token = page(regions, params.get("NextToken"), params.get("MaxResults") or _PAGE)
        except ValueError as error:
            raise _invalid("The NextToken is not valid.") from error
        return {"Regions": shown} | ({} if token is None else {"NextToken": token})

    def get_region_opt_status(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        account = self._account(who, params, "GetRegionOptStatus")
        region = _known(params["RegionName"])
        return {"RegionName": region, "RegionOptStatus": account.opt_status(region).value}

    def enable_region(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        account = self._account(who, params, "EnableRegion")
        self._opt(who, account, params["RegionName"], OptStatus.ENABLING, OptStatus.ENABLED)
        return {}

    def disable_region(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        account = self._account(who, params, "DisableRegion")
        self._opt(who, account, params["RegionName"], OptStatus.DISABLING, OptStatus.DISABLED)
        return {}

    def _opt(
        self,
        who: Caller,
        account: LocalAccount,
        region: str,
        doing: OptStatus,
        done: OptStatus,
    ) -> None:
        if _known(region) in DEFAULT_REGIONS:
            raise ServiceError(
                "ValidationException",
                f"The Region {region} is enabled by default and cannot be changed.",
                reason="invalidRegionOptTarget",
            )
        status = account.opt_status(region)
        if status in (doing, done):
            return
        if status in (OptStatus.ENABLING, OptStatus.DISABLING):
            raise ServiceError("ConflictException", f"The Region {region} is already changing.")
        self._set(who, account, region, doing)
        self.state.agenda.after(
            self.state.timings["region_opt"], lambda: self._set(who, account, region, done)
        )

    def _set(self, who: Caller, account: LocalAccount, region: str, status: OptStatus) -> None:
        """Set the status and tell the account that called, as AWS does, whose Region it is.

        Account Management reference guide, "Monitoring with EventBridge"; its example is of an
        account that called for itself, so ``account`` for another one is inferred.
        """
        self.state.set_opt_status(account, region, status)
        self.state.events.append(
            {
                "version": "0",
                "id": str(uuid.UUID(self.state.hex_id(), version=4)),
                "detail-type": "Region Opt-In Status Change",
                "source": "aws.account",
                "account": who.account_id,
                "time": when(self.state.now()).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "region": _EVENTS_REGION,
                "resources": [f"arn:aws:account::{account.id}:account"],
                "detail": {
                    "accountId": account.id,
                    "regionName": region,
                    "status": status.value,
                },
            }
        )

    def _account(self, who: Caller, params: dict[str, Any], operation: str) -> LocalAccount:
        """The caller's own account, or one of its organisation that it may manage."""
        account_id = params.get("AccountId")
        if account_id is None:
            return self.state.account(who.account_id)
        organization = self.state.organization_of(who.account_id)
        management = organization is not None and organization.management == who.account_id
        if organization is None or not (
            management or organization.is_delegate(who.account_id, PRINCIPAL)
        ):
            raise _denied(who, operation)
        if PRINCIPAL not in organization.service_access:
            # The reason in the words ADF's issue 764 shows.
            raise _denied(
                who,
                operation,
                " (Your organization must first enable trusted access with AWS Account "
                "Management.)",
            )
        if account_id == organization.management:
            # In the words data-perimeter-helper's issue 8 shows.
            raise _denied(
                who,
                operation,
                " (The management account can only be managed using the standalone context from "
                "the management account.)",
            )
        if account_id not in organization.seats:
            raise _denied(who, operation)
        return self.state.account(account_id)


def _known(region: str) -> str:
    if region not in DEFAULT_REGIONS | OPT_IN_REGIONS:
        raise _invalid(f"The Region {region} does not exist.")
    return region


def _denied(who: Caller, operation: str, reason: str = "") -> ServiceError:
    return ServiceError(
        "AccessDeniedException",
        f"User: arn:aws:iam::{who.account_id}:root is not authorized to perform: "
        f"account:{operation}{reason}",
    )
