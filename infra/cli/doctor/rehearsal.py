"""The rehearsal: what the deployment would make of the events that CloudTrail has recorded."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from functions.enrolment.errors import InvalidInput
from functions.enrolment.rate import Rate
from functions.intake.arrivals import ARRIVALS, CLOUDTRAIL
from functions.intake.events import read_event, require_publisher
from functions.intake.pattern import require_match
from infra.cli.doctor.event_path import matching_rule
from infra.cli.doctor.finding import Unread, ask, fail, not_checked, ok, warn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from functions.enrolment.account import AccountId
    from functions.enrolment.configuration import Configuration
    from infra.cli.doctor.event_path import DeployedRule
    from infra.cli.doctor.finding import Finding
    from infra.organization import OrganizationConfig

# Of the management account.
MANAGEMENT_ACTIONS = ("cloudtrail:LookupEvents",)
# CloudTrail API reference, LookupEvents: two requests per second, account and Region; 90 days.
RATES: Mapping[str, Rate] = {"cloudtrail:LookupEvents": Rate(2, 1)}
MOST_DAYS = 90
_PAGE = 50


class Fate(StrEnum):
    """What the deployment would make of an event.

    ``STARTED``: it starts a run. ``IGNORED``: no rule matches it. ``REFUSED``: a rule matches it
    and the intake refuses it.
    """

    STARTED = "started"
    IGNORED = "ignored"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One recorded event: ``at`` is its time in ISO 8601, ``account`` the one it is about.

    ``reason`` says why it starts no run, "" if it does.
    """

    event_id: str
    name: str
    at: str
    region: str
    fate: Fate
    account: AccountId | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """The events of one name that a Region has recorded, as CloudTrail's records."""

    name: str
    region: str
    records: Sequence[Mapping[str, Any]] | Unread


def lookups(
    wanted: Mapping[str, Mapping[str, Any]],
    organization: OrganizationConfig,
    regions: Sequence[str],
) -> list[tuple[str, str]]:
    """The names of the events that CloudTrail records, each with the Region that does."""
    return [
        (name, region)
        for name in wanted
        if ARRIVALS[name].event_source is not None
        for region in dict.fromkeys(regions)
        if organization.publishes(ARRIVALS[name].source, region)
    ]


def judge_unrecorded(
    wanted: Mapping[str, Mapping[str, Any]], looked_up: Sequence[tuple[str, str]]
) -> Iterator[Finding]:
    """The events that are not rehearsed, and why."""
    for name in wanted:
        if ARRIVALS[name].event_source is None:
            yield ok("recorded-events", f"{name}: CloudTrail does not record it; not rehearsed")
        elif name not in {each for each, _ in looked_up}:
            yield warn(
                "recorded-events",
                f"{name}: not rehearsed, as the Region that records it is not known; to do: set"
                " organization.control_tower_region in cdk.json, if you use Control Tower",
            )


def read_history(cloudtrail: Any, name: str, region: str, since: datetime) -> History:
    """The recorded events of a name, the newest first."""

    def read() -> list[Mapping[str, Any]]:
        records: list[Mapping[str, Any]] = []
        token: dict[str, str] = {}
        while True:
            page = cloudtrail.lookup_events(
                LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}],
                StartTime=since,
                MaxResults=_PAGE,
                **token,
            )
            records += [json.loads(one["CloudTrailEvent"]) for one in page["Events"]]
            if not page.get("NextToken"):
                return records
            token = {"NextToken": page["NextToken"]}

    return History(name, region, ask("cloudtrail:LookupEvents", read))


def as_delivered(record: Mapping[str, Any]) -> dict[str, Any]:
    """The event as EventBridge delivers a CloudTrail record.

    EventBridge user guide, "Events from AWS services via CloudTrail": the record is the detail.
    """
    service, call = CLOUDTRAIL
    source = str(record.get("eventSource", "")).partition(".")[0]
    return {
        "version": "0",
        "id": record.get("eventID", ""),
        "detail-type": service if record.get("eventType") == "AwsServiceEvent" else call,
        "source": f"aws.{source}",
        "account": record.get("recipientAccountId", ""),
        "time": record.get("eventTime", ""),
        "region": record.get("awsRegion", ""),
        "resources": [],
        "detail": dict(record),
    }


def rehearse(
    history: History,
    rules: Sequence[DeployedRule],
    matches: Callable[[str, Mapping[str, Any]], bool | Unread],
    configuration: Configuration,
    management: AccountId,
) -> list[Rehearsed] | Unread:
    """What the deployed rules, and the intake, make of the recorded events."""
    rehearsed = []
    for record in () if isinstance(history.records, Unread) else history.records:
        event = as_delivered(record)
        matched = matching_rule(rules, history.name, event, matches)
        if isinstance(matched, Unread):
            return matched
        fate, account, reason = _fate(
            event, matched is not None, history.name, configuration, management
        )
        rehearsed.append(
            Rehearsed(
                str(event["id"]),
                history.name,
                str(event["time"]),
                history.region,
                fate,
                account,
                reason,
            )
        )
    return rehearsed


def _fate(
    event: Mapping[str, Any],
    matched: bool,
    name: str,
    configuration: Configuration,
    management: AccountId,
) -> tuple[Fate, AccountId | None, str]:
    if not matched:
        try:
            require_match(ARRIVALS[name].pattern, event)
        except InvalidInput as error:
            return Fate.IGNORED, None, f"no rule matches it: {error}"
        return Fate.IGNORED, None, "no deployed rule matches it, though this version's pattern does"
    try:
        request = read_event(event, configuration)
        require_publisher(request, management)
    except InvalidInput as error:
        return Fate.REFUSED, None, str(error)
    return Fate.STARTED, request.accounts[0].id, ""


def judge_events(
    history: History, rehearsed: Sequence[Rehearsed] | Unread, days: int, management: AccountId
) -> Finding:
    """What the recorded events of one name prove."""
    name, place = history.name, f"{history.name} in {history.region}"
    records = history.records
    if isinstance(records, Unread):
        return not_checked("recorded-events", place, records)
    if isinstance(rehearsed, Unread):
        return not_checked("recorded-events", place, rehearsed)
    fates = Counter(one.fate for one in rehearsed)
    said = (
        f"{place}: {len(rehearsed)} in {days} days, {fates[Fate.STARTED]} understood,"
        f" {fates[Fate.IGNORED]} ignored, {fates[Fate.REFUSED]} refused"
    )
    if not rehearsed:
        return ok("recorded-events", f"{said} (nothing is proven about its body)")
    reasons = Counter(one.reason for one in rehearsed if one.fate is Fate.REFUSED)
    own = sum(_is_about(record, name, management) for record in records)
    if fates[Fate.REFUSED] > own:
        return fail("recorded-events", f"{said}: {reasons.most_common(1)[0][0]}")
    if fates[Fate.IGNORED] and not fates[Fate.STARTED]:
        first = next(one.reason for one in rehearsed if one.fate is Fate.IGNORED)
        return warn("recorded-events", f"{said}: {first}")
    return ok("recorded-events", said)


def _is_about(record: Mapping[str, Any], name: str, account: AccountId) -> bool:
    """Whether a record is about that account: the management account joins its organisation."""
    try:
        return ARRIVALS[name].account(as_delivered(record)) == account
    except InvalidInput:
        return False


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an account of an event stands today.

    ``gaps`` are the targets at which it is to be enrolled and is not; ``known``: the table has a
    membership of it. ``has_unknown_regions``: it was refused to say which Regions it has opted in
    to.
    """

    account: AccountId
    gaps: Sequence[str] = ()
    known: bool = False
    has_unknown_regions: bool = False

    @property
    def missed(self) -> bool:
        """Whether its event seems to have been lost."""
        return bool(self.gaps) and not self.known


def judge_accounts(
    standings: Sequence[Standing] | Unread, machine: str, region: str
) -> Iterator[Finding]:
    """Whether the accounts that came were enrolled."""
    if isinstance(standings, Unread):
        yield not_checked("missed-accounts", "The accounts of the events", standings)
        return
    if any(one.has_unknown_regions for one in standings):
        refused = Unread("account:ListRegions", "access denied")
        yield not_checked("missed-accounts", "Regions that the accounts have opted in to", refused)
    missed = [one for one in standings if one.missed]
    for one in missed:
        body = json.dumps({"accounts": [{"id": one.account}]})
        yield fail(
            "missed-accounts",
            f"{one.account} came and no run has enrolled it: not Enabled at {', '.join(one.gaps)}",
            f"aws stepfunctions start-execution --state-machine-arn {machine}"
            f" --input '{body}' --region {region}",
        )
    if standings and not missed:
        others = sum(bool(one.gaps) for one in standings)
        rest = f"; the table has memberships of the {others} that have gaps" if others else ""
        yield ok("missed-accounts", f"No run is missing for {len(standings)} accounts{rest}")


def accounts_of(rehearsed: Sequence[Rehearsed]) -> list[AccountId]:
    """The accounts for which a run would be started, each once."""
    return list(dict.fromkeys(one.account for one in rehearsed if one.account is not None))
