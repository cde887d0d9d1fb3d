"""An unsafe request of the console must come from one of its own pages, and says so twice.

The header `X-Console` cannot be set by a form, and by another site's script only after a preflight that the service
does not grant it. `Sec-Fetch-Site`, or `Origin` where a browser does not send that, is written by the browser itself.
"""

from fastapi import Request

HEADER = "x-console"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class ForeignRequest(Exception):
    """Answered 403."""


def refuse_foreign(request: Request) -> None:
    """Raises ForeignRequest."""
    if request.method in SAFE:
        return
    if request.headers.get(HEADER) != "1" or not _same_origin(request):
        raise ForeignRequest


def _same_origin(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    own = f"{request.url.scheme}://{request.url.netloc}"
    return request.headers.get("origin") == own
