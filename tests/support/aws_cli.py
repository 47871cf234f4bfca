"""A substitute for the AWS CLI, if it is not installed: ``SERVICE OPERATION --option value``.

Of the CLI's own options it knows ``--query``, and of ``--output`` only ``text``.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import boto3
import jmespath  # type: ignore[import-untyped]  # ships no types
from botocore import xform_name
from botocore.exceptions import ClientError


def main(service: str, operation: str, *options: str) -> None:
    # Endpoint, Region and credentials come from the environment only.
    client: Any = boto3.Session().client(service)  # type: ignore[call-overload]  # any service
    method = operation.replace("-", "_")
    model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method])
    shapes = {} if model.input_shape is None else model.input_shape.members
    members = {f"--{xform_name(name, '-')}": name for name in shapes}
    given = dict(zip(options[::2], options[1::2], strict=True))
    query, output = given.pop("--query", None), given.pop("--output", None)
    parameters: dict[str, Any] = {}
    for option, value in given.items():
        text = shapes[members[option]].type_name == "string"
        parameters[members[option]] = value if text else json.loads(value)
    try:
        answer = getattr(client, method)(**parameters)
    except ClientError as error:
        sys.exit(f"\n{error}")
    result = jmespath.search(query, answer) if query else answer
    print(as_text(result) if output == "text" else json.dumps(result, default=str))  # noqa: T201  # its output


def as_text(result: Any) -> str:
    """A list of lists as rows, one list as one row, as the CLI prints them."""
    if not isinstance(result, list):
        return str(result)
    rows = result if result and isinstance(result[0], list) else [result]
    return "\n".join("\t".join(map(str, row)) for row in rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
