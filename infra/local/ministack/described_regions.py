"""ec2:DescribeRegions, of the Regions that the account has; MiniStack's has opted in to all."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ministack.core.responses import get_account_id
from ministack.services import ec2

from infra.local.facts.regions import DEFAULT_REGIONS, OPT_IN_REGIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.ministack.admission import KnowsAccounts

    Answer = tuple[int, dict[str, str], bytes]
    Form = dict[str, list[str]]


def describe_regions_of(
    accounts: KnowsAccounts,
) -> Callable[[Callable[[Form], Answer]], Callable[[Form], Answer]]:
    """DescribeRegions, in place of MiniStack's."""

    def describe_regions(form: Form) -> Answer:
        named = ec2._parse_member_list(form, "RegionName")
        everything = bool(named) or ec2._p(form, "AllRegions").lower() == "true"
        filters = ec2._parse_filters(form)
        items = []
        for region in sorted(DEFAULT_REGIONS | OPT_IN_REGIONS):
            status = _opt_in_status(region, enabled=accounts.can_use(get_account_id(), region))
            values = {
                "region-name": region,
                "endpoint": f"ec2.{region}.amazonaws.com",
                "opt-in-status": status,
            }
            off = status == "not-opted-in" and not everything
            if off or (named and region not in named) or not _matches(values, filters):
                continue
            items.append(
                f"<item><regionName>{region}</regionName>"
                f"<regionEndpoint>{values['endpoint']}</regionEndpoint>"
                f"<optInStatus>{status}</optInStatus></item>"
            )
        body = f"<regionInfo>{''.join(items)}</regionInfo>"
        answer: Answer = ec2._xml(200, "DescribeRegionsResponse", body)
        return answer

    return lambda _: describe_regions


def _opt_in_status(region: str, *, enabled: bool) -> str:
    if region in DEFAULT_REGIONS:
        return "opt-in-not-required"
    return "opted-in" if enabled else "not-opted-in"


def _matches(values: dict[str, str], filters: dict[str, list[str]]) -> bool:
    return all(
        any(fnmatchcase(values[name], wanted) for wanted in filters[name])
        for name in values
        if name in filters
    )
