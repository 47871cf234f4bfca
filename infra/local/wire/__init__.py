"""The AWS wire protocols, driven by the botocore service models: rest-json and json 1.1."""
