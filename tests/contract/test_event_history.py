"""CloudTrail's event history on the local AWS: the events that services have put on the buses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.support.events import sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.process import LocalAws

HERE = "us-east-1"


def put(
    aws: LocalAws, account: str, event: dict[str, Any], number: int, bus: str = "default"
) -> str:
    """Put an event on a bus of the account, as AWS does at that minute; returns CloudTrail's id."""
    detail = event["detail"] | {
        "eventID": f"{number:08}-0000-4000-8000-000000000000",
        "eventTime": f"2026-11-20T08:{number:02}:00Z",
    }
    place = {"account": account, "region": HERE, "bus": bus}
    aws.control("POST", "events", place | {"event": event | {"detail": detail}})
    return str(detail["eventID"])


def lookup(aws: LocalAws, account: str, region: str = HERE, **asked: Any) -> dict[str, Any]:
    answer: dict[str, Any] = aws.client("cloudtrail", account, region).lookup_events(**asked)
    return answer


def by_name(name: str) -> list[dict[str, str]]:
    return [{"AttributeKey": "EventName", "AttributeValue": name}]


def test_events_are_found_by_name_the_newest_first_in_pages(
    aws: LocalAws, new_account: Callable[[], str]
) -> None:
    account = new_account()
    moved = [put(aws, account, sample("move_account"), number) for number in (2, 1, 3)]
    put(aws, account, sample("create_account_api_call"), 4)

    first = lookup(aws, account, LookupAttributes=by_name("MoveAccount"), MaxResults=2)
    second = lookup(
        aws,
        account,
        LookupAttributes=by_name("MoveAccount"),
        MaxResults=2,
        NextToken=first["NextToken"],
    )

    assert [one["EventId"] for one in first["Events"]] == [moved[2], moved[0]]
    assert [one["EventId"] for one in second["Events"]] == [moved[1]]
    assert "NextToken" not in second
    detail = json.loads(first["Events"][0]["CloudTrailEvent"])
    assert detail["requestParameters"] == sample("move_account")["detail"]["requestParameters"]


def test_an_account_sees_its_own_events_of_the_region(
    aws: LocalAws, new_account: Callable[[], str]
) -> None:
    account, other = new_account(), new_account()
    put(aws, account, sample("move_account"), 1)
    # No CloudTrail event.
    place = {"account": account, "region": HERE, "bus": "default"}
    aws.control("POST", "events", place | {"event": sample("account_region_opt_in_status_change")})

    assert len(lookup(aws, account)["Events"]) == 1
    assert lookup(aws, account, "eu-west-1")["Events"] == []
    assert lookup(aws, other)["Events"] == []
    assert lookup(aws, account, StartTime="2026-11-20T08:02:00Z")["Events"] == []


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (
            {"LookupAttributes": by_name("A") + by_name("B")},
            "InvalidLookupAttributesException",
        ),
        ({"NextToken": "x"}, "InvalidNextTokenException"),
    ],
    ids=["two attributes", "token"],
)
def test_invalid_lookups_are_refused(
    aws: LocalAws, new_account: Callable[[], str], asked: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError) as refused:
        lookup(aws, new_account(), **asked)

    assert refused.value.response["Error"]["Code"] == code


def test_put_events_reaches_a_bus_of_another_account_that_admits_the_caller(
    aws: LocalAws, new_account: Callable[[], str]
) -> None:
    owner, admitted, stranger = new_account(), new_account(), new_account()
    events = aws.client("events", owner, HERE)
    arn = events.create_event_bus(Name="ours")["EventBusArn"]
    events.put_permission(
        EventBusName="ours", Action="events:PutEvents", Principal=admitted, StatementId="them"
    )
    queue = aws.client("sqs", owner, HERE)
    url = queue.create_queue(QueueName="seen")["QueueUrl"]
    events.put_rule(Name="all", EventBusName="ours", EventPattern='{"source": ["test"]}')
    target = {"Id": "queue", "Arn": f"arn:aws:sqs:{HERE}:{owner}:seen"}
    events.put_targets(Rule="all", EventBusName="ours", Targets=[target])
    entry = {"Source": "test", "DetailType": "A Test", "Detail": "{}", "EventBusName": arn}

    result = aws.client("events", admitted, HERE).put_events(Entries=[entry])
    with pytest.raises(ClientError) as refused:
        aws.client("events", stranger, HERE).put_events(Entries=[entry])

    assert result["FailedEntryCount"] == 0
    [message] = queue.receive_message(QueueUrl=url, WaitTimeSeconds=2)["Messages"]
    assert json.loads(message["Body"])["account"] == admitted
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
