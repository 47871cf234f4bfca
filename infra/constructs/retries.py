"""The errors for which a step is retried, and with which waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_stepfunctions as sfn

from functions.enrolment.errors import AccountNotReady, Conflict, ServiceUnavailable, Throttled

if TYPE_CHECKING:
    from aws_cdk import aws_stepfunctions_tasks as tasks

    from infra.config import Retry

OWN = tuple(error.__name__ for error in (Throttled, ServiceUnavailable, Conflict))
NOT_READY = AccountNotReady.__name__
# Lambda's errors, with TooManyRequestsException, which AWS's list of them does not contain.
LAMBDA = (
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
)
# The function ran out of memory or time (Step Functions guide, "Lambda.Unknown"; a timeout is also
# reported as Sandbox.Timedout). Every step can be retried safely, but the cause may be permanent.
KILLED = ("Lambda.Unknown", "Sandbox.Timedout", "Runtime.ExitError")
KILLED_ATTEMPTS = 2


def retry(task: tasks.LambdaInvoke, config: Retry) -> tasks.LambdaInvoke:
    """The task, with retries for transient errors, each by name and never States.ALL."""
    for errors, attempts in (
        (OWN, config.attempts),
        (LAMBDA, config.attempts),
        (KILLED, min(KILLED_ATTEMPTS, config.attempts)),
    ):
        task.add_retry(
            errors=list(errors),
            interval=cdk.Duration.seconds(config.first_wait),
            max_delay=cdk.Duration.seconds(config.longest_wait),
            max_attempts=attempts,
            backoff_rate=2,
            jitter_strategy=sfn.JitterType.FULL,
        )
    return task


def retry_until_account_ready(task: tasks.LambdaInvoke, config: Retry) -> tasks.LambdaInvoke:
    """The task, retried until Organizations reports the account as active.

    Without jitter, so that the waits add up to exactly the documented time.
    """
    task.add_retry(
        errors=[NOT_READY],
        interval=cdk.Duration.seconds(config.account_first_wait),
        max_delay=cdk.Duration.seconds(config.account_longest_wait),
        max_attempts=config.account_attempts,
        backoff_rate=2,
    )
    return task
