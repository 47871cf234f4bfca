"""The service models botocore carries."""

from __future__ import annotations

from functools import cache

from botocore.loaders import Loader
from botocore.model import ServiceModel


@cache
def service_model(name: str) -> ServiceModel:
    """The newest model of one service, by its botocore name."""
    return ServiceModel(Loader().load_service_model(name, "service-2"), name)


def is_rest(model: ServiceModel) -> bool:
    """True for rest-json, False for json 1.1; the local services speak no other protocol."""
    return bool(model.metadata["protocol"] == "rest-json")
