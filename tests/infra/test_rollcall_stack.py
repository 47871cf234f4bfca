"""The stack in the administrator's account, as it is deployed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import functions.steps
from functions.enrolment.configuration import read_configuration
from functions.enrolment.document import Document
from functions.enrolment.errors import InvalidInput
from functions.enrolment.membership import STEP_SECONDS
from functions.enrolment.ownership import LEASE_SECONDS
from functions.services import registry
from infra.names import a_deployment_name
from infra.schedule import overdue_hours
from tests.conftest import ACCEPTING
from tests.infra.alarms import (
    check_alarms,
    check_undelivered_events,
    policy_of,
    queue_of_rules,
    refuses_plain_http,
    watched_queues,
)
from tests.infra.support import (
    arrival_rules,
    invoked,
    machine_of,
    resources,
    steps,
    text,
    the,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY = 86400


def test_every_step_is_one_function(template: Mapping[str, Any]) -> None:
    folder = Path(str(functions.steps.__file__)).parent
    modules = {path.stem for path in folder.glob("*.py") if "\ndef handler(" in path.read_text()}

    assert set(steps(template)) == modules
    assert len(resources(template, "AWS::Lambda::Function")) == len(modules)


def test_functions_are_alike_and_share_one_asset(template: Mapping[str, Any]) -> None:
    made = list(steps(template).values())

    assert len({text(function["Code"]["S3Key"]) for function in made}) == 1
    for function in made:
        assert function["Runtime"] == "python3.14"
        assert function["Architectures"] == ["arm64"]
        assert function["TracingConfig"] == {"Mode": "Active"}
        assert 60 <= function["Timeout"] <= 900


def test_only_steps_about_the_whole_organisation_have_more_memory(
    template: Mapping[str, Any],
) -> None:
    memory = {module: function["MemorySize"] for module, function in steps(template).items()}

    assert memory.pop("survey_organization") == memory.pop("publish_reconcile") == 2048
    assert memory.pop("start_runs") == 1024
    assert set(memory.values()) == {512}


def test_every_function_has_its_own_role_and_its_own_log(template: Mapping[str, Any]) -> None:
    made = steps(template).values()
    logs = resources(template, "AWS::Logs::LogGroup")
    own_logs = {text(function["LoggingConfig"]["LogGroup"]) for function in made}

    assert len({text(function["Role"]) for function in made}) == len(made)
    assert len(own_logs) == len(made)
    assert own_logs < set(logs)
    assert {properties["RetentionInDays"] for properties in logs.values()} == {365}


def test_steps_are_told_what_they_read(template: Mapping[str, Any]) -> None:
    common = {
        "ROLLCALL_ADMINISTRATOR",
        "ROLLCALL_PARTITION",
        "ROLLCALL_CONFIGURATION",
        "ROLLCALL_TABLE",
    }

    places = {"ROLLCALL_BUS", "ROLLCALL_TOPIC", "ROLLCALL_RESULTS_BUCKET"}
    others = {
        "plan_onboarding": {"ROLLCALL_RESULTS_BUCKET"},
        "survey_organization": {"ROLLCALL_RESULTS_BUCKET"},
        "start_runs": {"ROLLCALL_RESULTS_BUCKET", "ROLLCALL_ONBOARDING_MACHINE"},
    }

    for module, function in steps(template).items():
        variables = function["Environment"]["Variables"]
        publishing = places if module.startswith(("publish_", "close_")) else set()
        expected = common | publishing | others.get(module, set())
        assert {name for name in variables if name.startswith("ROLLCALL_")} == expected
        # Lambda's limit is 4 KB in all.
        assert sum(len(name) + len(text(value)) for name, value in variables.items()) < 4000


def test_steps_read_the_configuration_that_was_deployed(template: Mapping[str, Any]) -> None:
    variables = steps(template)["get_members"]["Environment"]["Variables"]
    document = Document(json.loads(variables["ROLLCALL_CONFIGURATION"]))

    assert read_configuration(document, registry.SERVICES) == ACCEPTING


def test_every_rule_starts_the_machine_with_the_event_as_it_is(
    template: Mapping[str, Any],
) -> None:
    machine = machine_of(template)
    (bus,) = resources(template, "AWS::Events::EventBus")

    for rule in arrival_rules(template).values():
        assert text(rule["EventBusName"]) == bus
        (target,) = rule["Targets"]
        assert text(target["Arn"]) == machine
        assert target["RetryPolicy"] == {
            "MaximumEventAgeInSeconds": DAY,
            "MaximumRetryAttempts": 185,
        }
        assert "Input" not in target
        assert "InputTransformer" not in target


def test_an_execution_that_ended_badly_is_closed(template: Mapping[str, Any]) -> None:
    machine, reconciles = machine_of(template), machine_of(template, "ReconcileMachineArn")
    arrivals = arrival_rules(template)
    rules = [r for k, r in resources(template, "AWS::Events::Rule").items() if k not in arrivals]
    permissions = resources(template, "AWS::Lambda::Permission").values()
    watched = {}
    for rule in rules:
        (target,) = rule["Targets"]
        pattern = rule["EventPattern"]
        assert "EventBusName" not in rule
        assert pattern["detail-type"] == ["Step Functions Execution Status Change"]
        assert pattern["detail"]["status"] == ["FAILED", "ABORTED", "TIMED_OUT"]
        exactly, *children = pattern["detail"]["stateMachineArn"]
        watched[invoked(template, text(target["Arn"]))] = [
            text(exactly),
            *(text(child["prefix"]) for child in children),
        ]

    assert watched == {"close_run": [machine, f"{machine}/"], "publish_reconcile": [reconciles]}
    assert {invoked(template, text(each["FunctionName"])) for each in permissions} == set(watched)


def test_no_step_that_takes_memberships_may_run_longer_than_a_lease_holds(
    template: Mapping[str, Any],
) -> None:
    # They read memberships at most.
    reconciling = {"survey_organization", "start_runs", "await_runs", "publish_reconcile"}
    timeouts = [
        properties["Timeout"]
        for module, properties in steps(template).items()
        if module not in reconciling
    ]

    assert max(timeouts) <= STEP_SECONDS < LEASE_SECONDS


def test_what_cannot_be_delivered_waits_in_an_encrypted_queue(template: Mapping[str, Any]) -> None:
    check_undelivered_events(template)


def test_the_machine_and_the_queue_are_watched(
    template: Mapping[str, Any], definition: Mapping[str, Any]
) -> None:
    alarms = resources(template, "AWS::CloudWatch::Alarm").values()
    machines = [alarm for alarm in alarms if alarm["Namespace"] == "AWS/States"]
    machine, reconciles = machine_of(template), machine_of(template, "ReconcileMachineArn")
    # A child that fails, is aborted or times out fails its run; the label is that of the map.
    (label,) = {state["Label"] for state in definition["States"].values() if state["Type"] == "Map"}
    children = f"{machine}/{label}"

    # Two about the coverage, and one about no reconcile at all.
    assert len(alarms) == len(machines) + len(watched_queues(template)) + 2 + 1
    check_alarms(template)
    for alarm in machines:
        assert (alarm["Statistic"], alarm["TreatMissingData"]) == ("Sum", "notBreaching")
    watched = {
        (alarm["MetricName"], text(dimension["Value"])): alarm["AlarmDescription"]
        for alarm in machines
        for dimension in alarm["Dimensions"]
        if dimension["Name"] == "StateMachineArn"
    }
    assert set(watched) == {
        ("ExecutionsFailed", machine),
        ("ExecutionsAborted", machine),
        ("ExecutionsTimedOut", machine),
        ("ExecutionThrottled", machine),
        ("ExecutionThrottled", children),
        ("ExecutionsFailed", reconciles),
        ("ExecutionsAborted", reconciles),
        ("ExecutionsTimedOut", reconciles),
        ("ExecutionThrottled", reconciles),
    }
    for (metric, watched_machine), about in watched.items():
        what = "reconcile" if watched_machine == reconciles else "run"
        ended = metric.startswith("Executions")
        command = "status --gaps" if what == "reconcile" else "runs --outcome failed"
        assert (f"start a {what} by hand" in about) == ended
        assert (f".venv/bin/rollcall {command}" in about) == ended
        assert not re.search(r"\{[a-z]", about)
    assert "runs --outcome incomplete" in watched["ExecutionsFailed", machine]
    for error in ("ReconcileIncomplete", "ConfirmationRequired", "ReconcileFailed"):
        assert error in watched["ExecutionsFailed", reconciles]


def test_what_a_reconcile_found_of_the_coverage_stays_until_the_next_one(
    template: Mapping[str, Any],
) -> None:
    alarms = resources(template, "AWS::CloudWatch::Alarm").values()
    measured = {
        one["MetricName"]: one
        for one in alarms
        if one["Namespace"] == "Rollcall" and one["TreatMissingData"] != "breaching"
    }

    assert set(measured) == {"CoverageFell", "OldGaps"}
    for alarm in measured.values():
        # Reconciles are the only ones that measure it, and days may be between two.
        assert (alarm["Statistic"], alarm["TreatMissingData"]) == ("Maximum", "ignore")
        assert "Dimensions" not in alarm
        assert "run: .venv/bin/rollcall status --gaps. " in alarm["AlarmDescription"]


def test_reconciles_are_scheduled_once_in_a_window_with_few_attempts(
    templates: Mapping[str, dict[str, Any]], template: Mapping[str, Any]
) -> None:
    scheduled = templates["Rollcall"]
    schedule = the(scheduled, "AWS::Scheduler::Schedule")
    target = schedule["Target"]

    every_day = the(template, "AWS::Scheduler::Schedule")["ScheduleExpression"]
    assert every_day == "cron(23 4 * * ? *)"
    assert schedule["ScheduleExpression"] == "cron(0 6 * * ? *)"
    assert schedule["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}
    assert text(target["Arn"]) == machine_of(scheduled, "ReconcileMachineArn")
    assert json.loads(target["Input"]) == {"source": "schedule"}
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 5}


def test_a_reconcile_that_could_not_be_started_raises_an_alarm(
    templates: Mapping[str, dict[str, Any]],
) -> None:
    """Its event waits in a queue of its own: what is in the other is redriven as an arrival."""
    template = templates["Rollcall"]
    target = the(template, "AWS::Scheduler::Schedule")["Target"]
    queue = text(target["DeadLetterConfig"]["Arn"])

    assert queue != queue_of_rules(template)
    assert refuses_plain_http(policy_of(template, queue))
    about = watched_queues(template)[queue]
    assert "A reconcile was not started at its time" in about
    assert "start a reconcile by hand" in about


def test_that_no_reconcile_ends_raises_an_alarm(template: Mapping[str, Any]) -> None:
    alarms = resources(template, "AWS::CloudWatch::Alarm").values()
    (alarm,) = (one for one in alarms if one["TreatMissingData"] == "breaching")
    hours, about = overdue_hours(ACCEPTING), text(alarm["AlarmDescription"])

    # Every period is without data; CloudWatch's limit for periods of an hour is a week.
    assert (alarm["Period"], alarm["EvaluationPeriods"]) == (3600, hours)
    assert "DatapointsToAlarm" not in alarm
    assert (alarm["Namespace"], alarm["MetricName"]) == ("Rollcall", "CoverageFell")
    assert (alarm["Statistic"], "Dimensions" in alarm) == ("SampleCount", False)
    assert f"for {hours} hours" in about
    assert "After the first deployment" in about
    for command in ("doctor", "runs"):
        assert f"run: .venv/bin/rollcall {command}." in about
    machine = machine_of(template, "ReconcileMachineArn")
    assert f"--state-machine-arn {machine} --input '{{}}' --region eu-west-1." in about


def test_without_an_organisation_the_bus_admits_nobody_else(template: Mapping[str, Any]) -> None:
    assert not resources(template, "AWS::Events::EventBusPolicy")


@pytest.mark.parametrize("output", ["StateMachineArn", "ReconcileMachineArn"])
def test_a_machine_logs_all_but_its_data_and_is_traced(
    template: Mapping[str, Any], output: str
) -> None:
    machine = template["Resources"][machine_of(template, output)]["Properties"]

    assert machine["LoggingConfiguration"]["Level"] == "ALL"
    assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False
    assert machine["TracingConfiguration"] == {"Enabled": True}
    # Standard is what CloudFormation makes where nothing is said.
    assert machine.get("StateMachineType", "STANDARD") == "STANDARD"
    (destination,) = machine["LoggingConfiguration"]["Destinations"]
    name = text(destination["CloudWatchLogsLogGroup"]["LogGroupArn"])
    log = resources(template, "AWS::Logs::LogGroup")[name]
    assert log["LogGroupName"].startswith("/aws/vendedlogs/states/Rollcall")


def test_no_other_deployment_has_the_log_of_reconciles(template: Mapping[str, Any]) -> None:
    """The log of onboardings has the name of the stack, which is the configured one."""
    logs = {
        str(log["LogGroupName"]).removeprefix("/aws/vendedlogs/states/")
        for log in resources(template, "AWS::Logs::LogGroup").values()
        if "LogGroupName" in log
    }
    (reconciles,) = logs - {"Rollcall"}

    assert len(logs) == 2
    with pytest.raises(InvalidInput):
        a_deployment_name(reconciles, "rollcall.name")


def test_the_table_is_what_the_ledger_needs(template: Mapping[str, Any]) -> None:
    table = the(template, "AWS::DynamoDB::Table")

    assert table["KeySchema"] == keys("pk", "sk")
    (index,) = table["GlobalSecondaryIndexes"]
    assert index == {
        "IndexName": "by-time",
        "KeySchema": keys("kind", "started_at"),
        "Projection": {"ProjectionType": "ALL"},
    }
    assert {a["AttributeName"]: a["AttributeType"] for a in table["AttributeDefinitions"]} == {
        "pk": "S",
        "sk": "S",
        "kind": "S",
        "started_at": "N",
    }
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


def test_the_table_is_encrypted_restorable_and_outlives_its_stack(
    template: Mapping[str, Any],
) -> None:
    table = the(template, "AWS::DynamoDB::Table")
    (resource,) = [r for r in template["Resources"].values() if r["Type"] == "AWS::DynamoDB::Table"]

    assert table["SSESpecification"] == {"SSEEnabled": True}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert resource["DeletionPolicy"].startswith("Retain")
    assert resource["UpdateReplacePolicy"] == "Retain"


def test_the_topics_are_encrypted_and_refuse_plain_http(template: Mapping[str, Any]) -> None:
    topics = resources(template, "AWS::SNS::Topic")
    policies = resources(template, "AWS::SNS::TopicPolicy").values()
    results, operations = (
        text(template["Outputs"][name]["Value"]) for name in ("TopicArn", "OperationsTopicArn")
    )
    (key,) = resources(template, "AWS::KMS::Key")

    assert set(topics) == {results, operations}
    assert text(topics[results]["KmsMasterKeyId"]).endswith(":alias/aws/sns")
    assert text(topics[operations]["KmsMasterKeyId"]) == key
    assert len(policies) == 2
    for policy in policies:
        assert refuses_plain_http(policy["PolicyDocument"]["Statement"])


def test_outputs_name_what_people_and_programs_ask_for(template: Mapping[str, Any]) -> None:
    kinds = {
        name: template["Resources"][text(output["Value"])]["Type"]
        for name, output in template["Outputs"].items()
    }

    assert (
        kinds.items()
        >= {
            "StateMachineArn": "AWS::StepFunctions::StateMachine",
            "ReconcileMachineArn": "AWS::StepFunctions::StateMachine",
            "BusName": "AWS::Events::EventBus",
            "BusArn": "AWS::Events::EventBus",
            "EventArchiveArn": "AWS::Events::Archive",
            "TableName": "AWS::DynamoDB::Table",
            "TopicArn": "AWS::SNS::Topic",
            "ResultsBucketName": "AWS::S3::Bucket",
            "OperationsTopicArn": "AWS::SNS::Topic",
            "UndeliveredEventsUrl": "AWS::SQS::Queue",
            "DashboardName": "AWS::CloudWatch::Dashboard",
        }.items()
    )


def keys(partition: str, sort: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]
