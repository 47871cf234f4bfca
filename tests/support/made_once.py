"""What boto3 and moto read or make anew for every session, call or run, made once for all tests."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.session

if TYPE_CHECKING:
    import boto3
    import pytest


def read_models_once(patch: pytest.MonkeyPatch) -> None:
    """Sessions share one loader, which keeps each service's model: most of what a client costs."""
    patch.setattr(botocore.session, "create_loader", cache(botocore.session.create_loader))


def make_clients_once(session: boto3.Session, patch: pytest.MonkeyPatch) -> None:
    """The session gives the same client again for the same arguments."""
    patch.setattr(session, "client", cache(session.client))


def interpret_cheaply(patch: pytest.MonkeyPatch) -> None:
    """moto's interpreter parses the same definition for every run, and makes a client for every
    invocation. What it parses holds nothing of a run: a map's children share it, too.
    """
    from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
    from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
    from moto.stepfunctions.parser.asl.utils import boto_client

    make = boto_client.boto_client_for

    @cache
    def client(region: str, service: str) -> Any:
        return make(region=region, service=service)

    def client_for(region: str, service: str, state_credentials: object = None) -> Any:
        return client(region, service)

    patch.setattr(lambda_eval_utils, "boto_client_for", client_for)
    parse = staticmethod(cache(AmazonStateLanguageParser.parse))
    patch.setattr(AmazonStateLanguageParser, "parse", parse)
