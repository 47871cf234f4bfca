"""What Lambda hands to a handler beside the event."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

CONTEXT: Any = SimpleNamespace(
    function_name="Rollcall-Step",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:eu-west-1:111122223333:function:Rollcall-Step",
    aws_request_id="00000000-0000-4000-8000-000000000001",
)
