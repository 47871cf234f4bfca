"""The sample events that start a run, with the rule they match; the others match none."""

from __future__ import annotations

from tests.support.events import EVENTS

BROUGHT_BY = {
    "accept_handshake.INFERRED": "AcceptHandshake",
    "account_joined_organization_created.INFERRED": "AccountJoinedOrganization",
    "account_joined_organization_invited.INFERRED": "AccountJoinedOrganization",
    "account_region_opt_in_status_change": "Region Opt-In Status Change",
    "controltower_create_managed_account_succeeded": "CreateManagedAccount",
    "controltower_enable_baseline_succeeded": "EnableBaseline",
    "controltower_update_managed_account_succeeded": "UpdateManagedAccount",
    "create_account_result_succeeded": "CreateAccountResult",
    "create_gov_cloud_account_result_succeeded.INFERRED": "CreateAccountResult",
    "move_account": "MoveAccount",
}
SAMPLES = sorted(path.stem for path in EVENTS.glob("*.json"))
# The Region in the sample of an opt-in event.
OPTED_IN_TO = "ap-east-1"
