"""One port in front of the local services and MiniStack."""
