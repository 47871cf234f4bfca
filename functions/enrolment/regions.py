"""Which Regions are enabled by default.

Regions launched before 20 March 2019 are enabled for every account; every later one is an opt-in
Region (AWS Account Management reference, "Enable or disable AWS Regions in your account").
"""

from __future__ import annotations

_ENABLED_BY_DEFAULT = frozenset(
    {
        "ap-northeast-1",
        "ap-northeast-2",
        "ap-northeast-3",
        "ap-south-1",
        "ap-southeast-1",
        "ap-southeast-2",
        "ca-central-1",
        "eu-central-1",
        "eu-north-1",
        "eu-west-1",
        "eu-west-2",
        "eu-west-3",
        "sa-east-1",
        "us-east-1",
        "us-east-2",
        "us-west-1",
        "us-west-2",
    }
)
# The other partitions have no opt-in Regions.
_NO_OPT_IN = ("us-gov-", "cn-", "us-iso")


def is_opt_in(region: str) -> bool:
    """Whether an account must opt in to the Region before it can use it."""
    return region not in _ENABLED_BY_DEFAULT and not region.startswith(_NO_OPT_IN)
