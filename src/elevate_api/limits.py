"""Whom a request is charged to: signed-in callers by who they are, everybody else by address."""

from fastapi import Request

from elevate_api.auth.caller import optional_claims
from elevate_api.config import RateLimitSettings
from elevate_api.kit.ratelimit import Charge, RateLimiter, address_of

EXEMPT = ("/health/", "/api/health/", "/metrics", "/api/webhooks/", "/console")
"""Pollers, machines whose deliveries must not be lost, and pages, whose calls of the API are charged instead."""
SECRETS_OF_THEIR_OWN = "/api/cron/"
"""Their bearer token is no session token and is not judged as one."""
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


def build_limiter(settings: RateLimitSettings) -> RateLimiter | None:
    if not settings.enabled:
        return None
    rules = {"anonymous": [settings.anonymous], "reads": [settings.reads], "writes": [settings.writes]}
    return RateLimiter(rules, settings.storage)


async def charge(request: Request) -> Charge | None:
    path = request.url.path
    if path.startswith(EXEMPT):
        return None
    claims = None if path.startswith(SECRETS_OF_THEIR_OWN) else await optional_claims(request)
    if claims is None:
        return Charge("anonymous", address_of(request.scope))
    return Charge("reads" if request.method in _READS else "writes", claims.sub)
