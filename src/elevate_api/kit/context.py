"""What the running request is called, for code that has no request at hand (logs, the audit trail, problem answers)."""

from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


def current_request_id() -> str | None:
    """Id of the request being answered in this context; None outside a request (jobs, the command line)."""
    return request_id.get()
