"""The one kind of failure the person who builds can do something about."""


class BuildError(Exception):
    """Says what is missing or wrong, and what to do."""
