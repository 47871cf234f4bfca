"""The app for an organisation whose services are administered from another account."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest

from functions.enrolment.account import AccountId
from functions.enrolment.configuration import Reconcile
from functions.enrolment.scope import Scope
from infra.app import build
from infra.asset import staged_asset
from infra.config import DeploymentConfig
from infra.notifications import Notifications, Subscriber
from infra.organization import OrganizationConfig
from tests.conftest import ACCEPTING, cdk_json
from tests.support.event_samples import OPTED_IN_TO

if TYPE_CHECKING:
    from pathlib import Path

ORGANIZED = DeploymentConfig(
    replace(
        ACCEPTING,
        regions=(*ACCEPTING.regions, OPTED_IN_TO),
        scope=Scope(include_paths=("o-aa111bb222/r-ab12/",)),
        reconcile=Reconcile(schedule="cron(0 6 * * ? *)"),
    ),
    organization=OrganizationConfig(
        management_account=AccountId("999988887777"),
        administrator_account=AccountId("111122223333"),
        home_region="eu-west-1",
        control_tower_region="eu-central-1",
    ),
    notifications=Notifications(
        results=(
            Subscriber("email", "security@example.com"),
            Subscriber("sqs", "arn:aws:sqs:eu-west-1:111122223333:results"),
        ),
        alarms=(
            Subscriber("email", "security@example.com"),
            Subscriber("lambda", "arn:aws:lambda:eu-west-1:111122223333:function:page"),
        ),
    ),
    tags={"team": "security"},
)


Templates = dict[str, dict[str, Any]]


def synthesise(config: DeploymentConfig, folder: Path) -> Templates:
    """The templates, by the stack's name; the assembly stays in the folder."""
    app = cdk.App(outdir=str(folder), context=cdk_json())
    build(app, config, staged_asset())
    app.synth()
    return {
        path.name.removesuffix(".template.json"): json.loads(path.read_text())
        for path in folder.glob("*.template.json")
    }


@pytest.fixture(scope="session")
def organized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The assembly's folder: every stack there is, and every event wanted."""
    folder = tmp_path_factory.mktemp("organized.cdk.out")
    synthesise(ORGANIZED, folder)
    return folder


@pytest.fixture(scope="session")
def templates(organized: Path) -> Templates:
    """Its templates, by the stack's name."""
    return {
        path.name.removesuffix(".template.json"): json.loads(path.read_text())
        for path in organized.glob("*.template.json")
    }
