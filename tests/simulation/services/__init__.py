"""The services around the steps, in memory: requests as boto3 sends them, answers as AWS's."""
