"""Where AWS's behaviour is known in more than one way, or is not known: what `set_switches` takes.

A switch is added here, and read by its name from `State.switches`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

OFF, ON = "off", "on"
ABSENT, PRESENT = "absent", "present"
REFUSED, CUT, TAKEN = "refused", "cut", "taken"
USABLE, DENIED = "usable", "denied"
ACCOUNT, RULE, ROLE, CALLER = "account", "rule", "role", "caller"

_VERIFIED = "its statuses include a failed verification of the e-mail address"
_NOT_VERIFIED = "inferred: no page names a check of the account before the invitation"
_CHECKED = "inferred: no page says that accounts that do not exist are taken"

# By name: each value with its source, the default first.
SWITCHES: Mapping[str, Mapping[str, str]] = {
    "securityhub_rate_limits": {
        OFF: "for tests that do not wait",
        ON: "documented in the API's model: 10 requests a second, bursts of 30, in an account "
        "and Region; that all other operations share them is inferred",
    },
    "organizations_rate_limits": {
        OFF: "for tests that do not wait",
        ON: "documented in Quotas for AWS Organizations, for an account and for an organization",
    },
    "organizations_account_status": {
        ABSENT: "documented in the API's model: `Account.Status` is retired since 2026-09-09",
        PRESENT: "what AWS answered until then; that it is gone has not been observed",
    },
    "organizations_pending_closure": {
        USABLE: "documented in the Organizations User Guide: an account that is being closed can "
        "still be used",
        DENIED: "observed: no role of such an account can be assumed "
        "(experimental-programmatic-access-ccft 21)",
    },
    "securityhub_over_fifty": {
        CUT: "observed: the rest is left unprocessed (aws-secure-environment-accelerator 814)",
        REFUSED: "the API's model has 50 as the most for CreateMembers",
    },
    "securityhub_unknown_account": {REFUSED: _CHECKED, TAKEN: _NOT_VERIFIED},
    "guardduty_unknown_account": {TAKEN: f"documented: {_VERIFIED}", REFUSED: _CHECKED},
    "detective_unknown_account": {TAKEN: f"documented: {_VERIFIED}", REFUSED: _CHECKED},
    # With which identity PutTargets checks the policy of a bus in another account or Region. That
    # it does was observed (aws/aws-cdk 3323).
    "events_target_identity": {
        ACCOUNT: "inferred: the sender's account is what AWS's examples name as the principal",
        RULE: "inferred: AWS's examples restrict the account to rules by aws:SourceArn",
        ROLE: "inferred: the target's role signs the delivery",
        CALLER: "inferred: whoever calls PutTargets",
    },
}


def default_switches() -> dict[str, str]:
    return {name: next(iter(values)) for name, values in SWITCHES.items()}


def switched(switches: Mapping[str, str], given: Mapping[str, object]) -> dict[str, str]:
    """The switches with some others. Raises ValueError that names the key and what it takes."""
    changed = dict(switches)
    for name, value in given.items():
        if name not in SWITCHES:
            raise ValueError(f"{name}: one of {', '.join(SWITCHES)}")
        if not isinstance(value, str) or value not in SWITCHES[name]:
            raise ValueError(f"{name}: one of {', '.join(SWITCHES[name])}")
        changed[name] = value
    return changed
