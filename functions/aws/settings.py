"""The settings of a step, from its environment variables."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from functions.enrolment.account import AccountId, is_account_id
from functions.enrolment.configuration import Configuration, read_configuration
from functions.enrolment.document import Document, a_string
from functions.enrolment.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from functions.enrolment.service import Service


@dataclass(frozen=True, slots=True)
class Settings:
    """A step's settings. Those that only some steps have are read through properties."""

    administrator_id: AccountId
    partition: str
    configuration: Configuration
    table_name: str = ""
    bus_name: str = ""
    topic_arn: str = ""
    results_bucket_name: str = ""
    onboarding_machine_arn: str = ""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], services: Sequence[Service]) -> Settings:
        """Read the ``ROLLCALL_…`` variables.

        Raises:
            InvalidInput: a value is invalid; the message names the variable and what is allowed.
        """
        document = Document(dict(environ))
        return cls(
            administrator_id=document.required("ROLLCALL_ADMINISTRATOR", _an_account_id),
            partition=document.required("ROLLCALL_PARTITION", a_string(32)),
            configuration=document.required(
                "ROLLCALL_CONFIGURATION", lambda v, path: _a_configuration(v, path, services)
            ),
            table_name=environ.get("ROLLCALL_TABLE", ""),
            bus_name=environ.get("ROLLCALL_BUS", ""),
            topic_arn=environ.get("ROLLCALL_TOPIC", ""),
            results_bucket_name=environ.get("ROLLCALL_RESULTS_BUCKET", ""),
            onboarding_machine_arn=environ.get("ROLLCALL_ONBOARDING_MACHINE", ""),
        )

    @property
    def table(self) -> str:
        """The name of the table; raises ``InvalidInput`` in a step that has none."""
        return _given("ROLLCALL_TABLE", self.table_name)

    @property
    def bus(self) -> str:
        """The name of the event bus; raises ``InvalidInput`` in a step that has none."""
        return _given("ROLLCALL_BUS", self.bus_name)

    @property
    def topic(self) -> str:
        """The ARN of the topic; raises ``InvalidInput`` in a step that has none."""
        return _given("ROLLCALL_TOPIC", self.topic_arn)

    @property
    def results_bucket(self) -> str:
        """The name of the bucket of results; raises ``InvalidInput`` in a step that has none."""
        return _given("ROLLCALL_RESULTS_BUCKET", self.results_bucket_name)

    @property
    def onboarding_machine(self) -> str:
        """The ARN of the machine of onboardings; raises ``InvalidInput`` in a step without it."""
        return _given("ROLLCALL_ONBOARDING_MACHINE", self.onboarding_machine_arn)


def _given(variable: str, value: str) -> str:
    if not value:
        raise InvalidInput(variable, "is required in this step's environment")
    return value


def _an_account_id(value: object, path: str) -> AccountId:
    if not isinstance(value, str) or not is_account_id(value):
        raise InvalidInput(path, "takes an account id of twelve digits")
    return AccountId(value)


def _a_configuration(value: object, path: str, services: Sequence[Service]) -> Configuration:
    try:
        document = Document(json.loads(str(value)), path)
    except json.JSONDecodeError as error:
        raise InvalidInput(path, "takes JSON") from error
    configuration = read_configuration(document, services)
    document.close()
    return configuration
