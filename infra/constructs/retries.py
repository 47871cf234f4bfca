"""Which errors a step is taken again for, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_stepfunctions as sfn

from functions.enrolment.errors import AccountNotReady, Conflict, ServiceUnavailable, Throttled

if TYPE_CHECKING:
    from aws_cdk import aws_stepfunctions_tasks as tasks

    from infra.config import Retry

OURS = tuple(kind.__name__ for kind in (Throttled, ServiceUnavailable, Conflict))
NOT_READY = AccountNotReady.__name__
# Lambda's own, with TooManyRequestsException, which AWS's list leaves out (aws-facts, section 3).
LAMBDA = (
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
)
# The function was killed, out of memory or of time (Step Functions guide, "Lambda.Unknown"; a
# timeout is also seen as the other). Every step can be taken again, but this may not heal.
CUT_SHORT = ("Lambda.Unknown", "Sandbox.Timedout", "Runtime.ExitError")
CUT_SHORT_ATTEMPTS = 2


def retry(task: tasks.LambdaInvoke, config: Retry) -> tasks.LambdaInvoke:
    """The task, taken again for what heals: by name, never for everything."""
    for errors, attempts in (
        (OURS, config.attempts),
        (LAMBDA, config.attempts),
        (CUT_SHORT, min(CUT_SHORT_ATTEMPTS, config.attempts)),
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
    """The task, taken again until Organizations knows the account as active.

    Without jitter, so that the time it is given is the time that is stated.
    """
    task.add_retry(
        errors=[NOT_READY],
        interval=cdk.Duration.seconds(config.account_first_wait),
        max_delay=cdk.Duration.seconds(config.account_longest_wait),
        max_attempts=config.account_attempts,
        backoff_rate=2,
    )
    return task
