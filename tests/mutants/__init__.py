"""Mutation testing of the rules and of the services (``make mutants``)."""
