"""MiniStack, and what it takes to make it answer as AWS does."""
