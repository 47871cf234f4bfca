"""Organizations' throttling, from the page Quotas for AWS Organizations."""

from __future__ import annotations

from infra.local.facts.rates import Rate

# For an account and for its whole organization.
_LIST = (Rate(5, 8), Rate(6, 10))
_RARE = (Rate(2, 2), Rate(2, 3))
_SERVICES = (Rate(1, 3), Rate(1, 4))
BOTH = {
    "DescribeAccount": (Rate(20, 30), Rate(24, 36)),
    "ListAccounts": (Rate(8, 12), Rate(9, 15)),
    "ListChildren": (Rate(6, 10), Rate(7, 12)),
    "ListTagsForResource": (Rate(10, 15), Rate(12, 18)),
    "ListAccountsForParent": _LIST,
    "ListParents": _LIST,
    "ListOrganizationalUnitsForParent": _LIST,
    "ListDelegatedAdministrators": _LIST,
    "ListCreateAccountStatus": _LIST,
    "ListHandshakesForAccount": _LIST,
    "ListHandshakesForOrganization": _LIST,
    "DescribeOrganizationalUnit": _RARE,
    "DescribeCreateAccountStatus": _RARE,
    "ListRoots": (Rate(1, 2), Rate(1, 3)),
    "ListDelegatedServicesForAccount": _SERVICES,
    "ListAWSServiceAccessForOrganization": _SERVICES,
}
# For an account only.
ACCOUNT = {
    "DescribeOrganization": Rate(1, 2),
    "MoveAccount": Rate(2, 3),
    "RemoveAccountFromOrganization": Rate(2, 2),
    "CreateAccount": Rate(0.1, 3),
    "CloseAccount": Rate(0.05, 1),
}
