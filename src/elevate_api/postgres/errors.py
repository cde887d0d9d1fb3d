"""What can go wrong with the embedded server, each with a sentence that says what to do."""


class EmbeddedPostgresError(RuntimeError):
    """Base of the errors of this package; its text is meant for the person at the keyboard."""


class BinariesNotFoundError(EmbeddedPostgresError):
    """No PostgreSQL of version 15 or later runs on this machine."""


class StartError(EmbeddedPostgresError):
    """The server could not be created, started, adopted or stopped."""


class ToolError(EmbeddedPostgresError):
    """A client tool (psql, initdb) ended with an error; ``output`` is what it printed."""

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output
