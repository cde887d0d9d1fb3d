"""Whom a request is charged to: signed-in callers by who they are, everybody else by address."""

from fastapi import Request

from elevate_api.auth.caller import optional_claims
from elevate_api.config import Settings
from elevate_api.kit import context
from elevate_api.kit.db import Address
from elevate_api.kit.ratelimit import MEMORY, Charge, RateLimiter, address_of, enforce
from elevate_api.kit.shared_limits import SharedMemory

EXEMPT = ("/health/", "/api/health/", "/metrics", "/api/webhooks/", "/console")
"""Pollers, machines whose deliveries must not be lost, and pages, whose calls of the API are charged instead."""
SHARED = "database"
SECRETS_OF_THEIR_OWN = "/api/cron/"
"""Their bearer token is no session token and is not judged as one."""
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


def build_limiter(settings: Settings, address: Address) -> RateLimiter | None:
    """`address` is where the processes share what they count. None when limits are switched off."""
    limits = settings.rate_limits
    if not limits.enabled:
        return None
    rules = {"anonymous": [limits.anonymous], "reads": [limits.reads], "writes": [limits.writes]}
    kind = limits.storage
    if kind == "auto":
        kind = SHARED if settings.app.production else MEMORY
    return RateLimiter(rules, SharedMemory(address) if kind == SHARED else kind)


async def limit(request: Request) -> None:
    """Raises RateLimited."""
    if request.app.state.rate_limiter is not None:
        await enforce(request, await charge(request))


async def charge(request: Request) -> Charge | None:
    request = Request(request.scope.get(context.CALLER, request.scope))
    path = request.scope["path"]
    if path.startswith(EXEMPT):
        return None
    claims = None if path.startswith(SECRETS_OF_THEIR_OWN) else await optional_claims(request)
    if claims is None:
        return Charge("anonymous", address_of(request.scope))
    return Charge("reads" if request.method in _READS else "writes", claims.sub)
