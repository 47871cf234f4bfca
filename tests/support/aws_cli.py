"""A substitute for the AWS CLI, if it is not installed: ``SERVICE OPERATION --option value``."""

from __future__ import annotations

import json
import sys
from typing import Any

import boto3
from botocore import xform_name


def main(service: str, operation: str, *options: str) -> None:
    # Endpoint, Region and credentials come from the environment only.
    client: Any = boto3.Session().client(service)  # type: ignore[call-overload]  # any service
    method = operation.replace("-", "_")
    model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method])
    members = {f"--{xform_name(name, '-')}": name for name in model.input_shape.members}
    parameters: dict[str, Any] = {}
    for option, value in zip(options[::2], options[1::2], strict=True):
        shape = model.input_shape.members[members[option]]
        text = shape.type_name == "string"
        parameters[members[option]] = value if text else json.loads(value)
    print(json.dumps(getattr(client, method)(**parameters), default=str))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
