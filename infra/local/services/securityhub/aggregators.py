"""Security Hub's finding aggregators: an account's home Region and the Regions linked to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.api import Caller, Operation, ServiceError
from infra.local.facts.central_configuration import FindingAggregator, LinkingMode
from infra.local.facts.regions import DEFAULT_REGIONS, OPT_IN_REGIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra.local.facts.state import State
    from infra.local.services.securityhub.standards import Paged

# Inferred for all but NO_REGIONS with Regions (BC) and members (terraform-aws-secure-baseline 254).
_INVALID = "InvalidInputException"


class Aggregators:
    """``is_member(caller)`` tells members of an administrator: they have no aggregator.

    ``linked(account id)`` is told when an aggregator's Regions have changed; ``kept(account id)``
    tells whether an aggregator may not be deleted now.
    """

    def __init__(
        self,
        state: State,
        paged: Paged,
        is_member: Callable[[Caller], bool],
        linked: Callable[[str], None],
        kept: Callable[[str], bool],
    ) -> None:
        self._state = state
        self._paged = paged
        self._is_member = is_member
        self._linked = linked
        self._kept = kept

    @property
    def operations(self) -> Mapping[str, Operation]:
        return {
            "CreateFindingAggregator": self.create_finding_aggregator,
            "GetFindingAggregator": self.get_finding_aggregator,
            "ListFindingAggregators": self.list_finding_aggregators,
            "UpdateFindingAggregator": self.update_finding_aggregator,
            "DeleteFindingAggregator": self.delete_finding_aggregator,
        }

    def create_finding_aggregator(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        if self._is_member(who):
            raise ServiceError(
                _INVALID, "A finding aggregator cannot be created by a member account."
            )
        if who.region in OPT_IN_REGIONS:
            raise ServiceError(_INVALID, f"{who.region} cannot be the aggregation Region")
        if who.account_id in self._state.aggregators:
            raise ServiceError(_INVALID, "The account has a finding aggregator already")
        mode, regions = _linking(who.region, params)
        arn = (
            f"arn:aws:securityhub:{who.region}:{who.account_id}:finding-aggregator/"
            f"{self._state.uuid()}"
        )
        aggregator = FindingAggregator(arn, who.region, mode, regions)
        self._state.aggregators[who.account_id] = aggregator
        return _described(aggregator)

    def get_finding_aggregator(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return _described(self._named(who, params))

    def list_finding_aggregators(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        aggregator = self._state.aggregators.get(who.account_id)
        arns = [] if aggregator is None else [{"FindingAggregatorArn": aggregator.arn}]
        shown, token = self._paged(arns, params, 100)
        return {"FindingAggregators": shown, **token}

    def update_finding_aggregator(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        aggregator = self._at_home(who, params)
        aggregator.mode, aggregator.regions = _linking(who.region, params)
        self._linked(who.account_id)
        return _described(aggregator)

    def delete_finding_aggregator(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        self._at_home(who, params)
        if self._kept(who.account_id):
            raise ServiceError(_INVALID, "Central configuration uses the finding aggregator")
        del self._state.aggregators[who.account_id]
        return {}

    def linked_regions(self, account_id: str) -> list[str]:
        """The linked Regions, in order; the modes that exclude take those the account has (BC)."""
        aggregator = self._state.aggregators[account_id]
        account = self._state.account(account_id)
        if aggregator.mode in (LinkingMode.SPECIFIED_REGIONS, LinkingMode.NO_REGIONS):
            chosen = set(aggregator.regions)
        else:
            every = DEFAULT_REGIONS | OPT_IN_REGIONS
            chosen = {region for region in every if account.can_use(region)}
            chosen -= set(aggregator.regions)
        return sorted(chosen - {aggregator.home})

    def _named(self, who: Caller, params: dict[str, Any]) -> FindingAggregator:
        aggregator = self._state.aggregators.get(who.account_id)
        if aggregator is None or aggregator.arn != params["FindingAggregatorArn"]:
            raise ServiceError("ResourceNotFoundException", "The finding aggregator does not exist")
        return aggregator

    def _at_home(self, who: Caller, params: dict[str, Any]) -> FindingAggregator:
        aggregator = self._named(who, params)
        if who.region != aggregator.home:
            raise ServiceError(_INVALID, f"The aggregation Region is {aggregator.home}")
        return aggregator


def _linking(home: str, params: dict[str, Any]) -> tuple[LinkingMode, list[str]]:
    mode, regions = params["RegionLinkingMode"], list(dict.fromkeys(params.get("Regions", [])))
    if mode not in list(LinkingMode):
        raise ServiceError(_INVALID, f"RegionLinkingMode: one of {', '.join(LinkingMode)}")
    takes_regions = mode in (
        LinkingMode.SPECIFIED_REGIONS,
        LinkingMode.ALL_REGIONS_EXCEPT_SPECIFIED,
    )
    if bool(regions) != takes_regions:
        demand = "required" if takes_regions else "not allowed"
        raise ServiceError(_INVALID, f"Regions: {demand} with {mode}")
    unknown = [one for one in regions if one == home or one not in DEFAULT_REGIONS | OPT_IN_REGIONS]
    if unknown:
        raise ServiceError(_INVALID, f"Regions: {unknown[0]} cannot be linked")
    return LinkingMode(mode), regions


def _described(aggregator: FindingAggregator) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "FindingAggregatorArn": aggregator.arn,
        "FindingAggregationRegion": aggregator.home,
        "RegionLinkingMode": aggregator.mode.value,
    }
    return answer | ({"Regions": list(aggregator.regions)} if aggregator.regions else {})
