"""boto3 clients of this account and of member accounts, created on first use and reused."""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, overload

from functions.aws.calls import CLIENT_CONFIG, MEMBER_CONFIG, calling
from functions.enrolment.errors import AccessDenied

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import boto3
    from botocore.config import Config
    from mypy_boto3_account import AccountClient
    from mypy_boto3_detective import DetectiveClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_guardduty import GuardDutyClient
    from mypy_boto3_organizations import OrganizationsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_securityhub import SecurityHubClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_sts import STSClient

    from functions.aws.pacing import Pacing
    from functions.enrolment.account import AccountId

SESSION_NAME = "rollcall"
SESSION_SECONDS = 900  # the minimum of STS
RENEWAL_SECONDS = 120  # credentials are renewed this long before they expire

ACTIONS: Mapping[str, tuple[str, ...]] = {"as_member": ("sts:AssumeRole",)}


class Clients:
    """The clients of one identity; each is created once, because that is slow.

    A member's clients use the same session with other credentials, so that botocore loads each
    service's model once. ``clock`` returns epoch seconds. Clients wait for ``pacing`` before each
    request, if it is given.

    Threads may share them: ``making`` is held while a client is made, because sessions are not
    thread-safe (boto3 guide, "Session"). All clients of a session share it.
    """

    def __init__(
        self,
        session: boto3.Session,
        clock: Callable[[], float] = time.time,
        credentials: Mapping[str, Any] | None = None,
        config: Config = CLIENT_CONFIG,
        pacing: Pacing | None = None,
        making: Lock | None = None,
    ) -> None:
        self._session = session
        self._clock = clock
        self._config = config
        self._pacing = pacing
        self._making = making or Lock()
        self._credentials = dict(credentials or {})
        self._made: dict[tuple[str, str], Any] = {}
        self._members: dict[tuple[str, ...], tuple[Clients, float]] = {}

    @overload
    def client(self, service: Literal["account"], region: str) -> AccountClient: ...
    @overload
    def client(self, service: Literal["detective"], region: str) -> DetectiveClient: ...
    @overload
    def client(self, service: Literal["dynamodb"], region: str) -> DynamoDBClient: ...
    @overload
    def client(self, service: Literal["events"], region: str) -> EventBridgeClient: ...
    @overload
    def client(self, service: Literal["guardduty"], region: str) -> GuardDutyClient: ...
    @overload
    def client(self, service: Literal["organizations"], region: str) -> OrganizationsClient: ...
    @overload
    def client(self, service: Literal["s3"], region: str) -> S3Client: ...
    @overload
    def client(self, service: Literal["securityhub"], region: str) -> SecurityHubClient: ...
    @overload
    def client(self, service: Literal["sns"], region: str) -> SNSClient: ...
    @overload
    def client(self, service: Literal["stepfunctions"], region: str) -> SFNClient: ...
    @overload
    def client(self, service: Literal["sts"], region: str) -> STSClient: ...
    @overload
    def client(self, service: str, region: str) -> Any: ...
    def client(self, service: Any, region: str) -> Any:
        """The client of a service in a Region."""
        with self._making:
            if (service, region) not in self._made:
                make: Any = self._session.client
                # STS is called for members only, with the same limits as their calls.
                config = MEMBER_CONFIG if service == "sts" else self._config
                made = make(service, region_name=region, config=config, **self._credentials)
                if self._pacing is not None:
                    self._pacing.attach(made)
                self._made[service, region] = made
            return self._made[service, region]

    def paced(self, pacing: Pacing) -> Clients:
        """New clients of the same identity that wait for ``pacing`` before each request."""
        session, clock, credentials = self._session, self._clock, self._credentials
        return Clients(session, clock, credentials, self._config, pacing, self._making)

    def as_member(
        self, account_id: AccountId, role_name: str, external_id: str, partition: str
    ) -> Clients:
        """Clients with a member account's role, assumed through STS in the session's own Region.

        Raises:
            AccessDenied: the role may not be assumed or does not exist (STS does not say which).
            CredentialsRefused: STS does not know this identity's credentials.
        """
        key = (account_id, role_name, external_id, partition)
        members, usable_until = self._members.get(key, (None, 0.0))
        if members is None or self._clock() >= usable_until:
            role_arn = f"arn:{partition}:iam::{account_id}:role/{role_name}"
            members, usable_until = self._assume(role_arn, external_id)
            self._members[key] = members, usable_until
        return members

    def _assume(self, role_arn: str, external_id: str) -> tuple[Clients, float]:
        sts = self.client("sts", self._session.region_name)
        try:
            with calling("STS", "AssumeRole"):
                credentials = sts.assume_role(
                    RoleArn=role_arn,
                    RoleSessionName=SESSION_NAME,
                    DurationSeconds=SESSION_SECONDS,
                    ExternalId=external_id,
                )["Credentials"]
        except AccessDenied as error:
            raise type(error)(f"{role_arn} cannot be assumed: {error}") from error
        clients = Clients(
            self._session,
            self._clock,
            {
                "aws_access_key_id": credentials["AccessKeyId"],
                "aws_secret_access_key": credentials["SecretAccessKey"],
                "aws_session_token": credentials["SessionToken"],
            },
            MEMBER_CONFIG,
            making=self._making,
        )
        return clients, credentials["Expiration"].timestamp() - RENEWAL_SECONDS
