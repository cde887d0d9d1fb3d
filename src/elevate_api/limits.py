"""Whom a request is charged to: signed-in callers by who they are, everybody else by address."""

from fastapi import Request

from elevate_api.auth.caller import OptionalClaims
from elevate_api.config import RateLimitSettings
from elevate_api.kit.ratelimit import Charge, RateLimiter, address_of

EXEMPT = ("/health/", "/api/health/", "/metrics", "/api/webhooks/")
"""Pollers, and machines whose deliveries must not be lost."""
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


def build_limiter(settings: RateLimitSettings) -> RateLimiter | None:
    if not settings.enabled:
        return None
    rules = {"anonymous": [settings.anonymous], "reads": [settings.reads], "writes": [settings.writes]}
    return RateLimiter(rules, settings.storage)


async def charge(request: Request, claims: OptionalClaims) -> Charge | None:
    if request.url.path.startswith(EXEMPT):
        return None
    if claims is None:
        return Charge("anonymous", address_of(request.scope))
    return Charge("reads" if request.method in _READS else "writes", claims.sub)
