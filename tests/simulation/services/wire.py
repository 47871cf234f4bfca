"""Results and errors in the protocols of AWS."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from infra.local.wire.http import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.simulation.services.reply import Refusal

_JSON = {"Content-Type": "application/x-amz-json-1.0"}
_XML = {"Content-Type": "text/xml"}


class Json:
    """The protocol of DynamoDB, EventBridge and Step Functions."""

    def answer(self, _: str, result: Mapping[str, Any]) -> Response:
        return Response(200, _JSON, json.dumps(result).encode())

    def refuse(self, refusal: Refusal) -> Response:
        body = {"__type": refusal.code, "message": refusal.message, **refusal.members}
        return Response(refusal.status, _JSON, json.dumps(body).encode())


class Query:
    """The protocol of SNS and STS."""

    def answer(self, operation: str, result: Mapping[str, Any]) -> Response:
        body = f"<{operation}Result>{_elements(result)}</{operation}Result>"
        text = f"<{operation}Response>{body}</{operation}Response>"
        return Response(200, _XML, text.encode())

    def refuse(self, refusal: Refusal) -> Response:
        members = {"Type": "Sender", "Code": refusal.code, "Message": refusal.message}
        text = f"<ErrorResponse><Error>{_elements(members)}</Error></ErrorResponse>"
        return Response(refusal.status, _XML, text.encode())


def _elements(members: Mapping[str, Any]) -> str:
    return "".join(
        f"<{name}>{_elements(value) if isinstance(value, dict) else escape(str(value))}</{name}>"
        for name, value in members.items()
    )
