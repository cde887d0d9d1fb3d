"""The `elevate` command: one module a group, thin over the services."""

import sys

INTERRUPTED = 130
"""128 + SIGINT, as shells count it."""


def main() -> None:
    """The entry point. Loading takes a moment, and a Ctrl-C in it deserves no traceback either."""
    try:
        from elevate_api.cli.commands import app  # noqa: PLC0415 - see above

        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
