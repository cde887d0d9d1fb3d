"""Where pages renew Clerk's session token by themselves (static/session.js): the instance's Frontend API.

A token is good for a minute. In the front end Clerk's script asks for the next one; the console's pages load nobody's
script and ask themselves, of this one address, which the issuer of the tokens is.
"""

import re
from urllib.parse import urlsplit

from fastapi import Request

from elevate_api.config import Settings

_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?")
_CLIENT = re.compile(r"__client_uat(_[\w-]{8})?", re.ASCII)


def frontend_api(settings: Settings) -> str | None:
    """The address without a slash at its end; None where Clerk is not configured, or in production without https."""
    issuer = (settings.clerk.issuer or "").rstrip("/")
    parts = urlsplit(issuer)
    schemes = {"https"} if settings.app.production else {"https", "http"}
    return issuer if parts.scheme in schemes and _HOST.fullmatch(parts.netloc) else None


def frontend_origin(settings: Settings) -> str | None:
    """What a policy allows connections to."""
    address = frontend_api(settings)
    if address is None:
        return None
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def is_signed_in_at_clerk(request: Request) -> bool:
    """Clerk's own hint, in a cookie for the whole domain: when it last signed in, 0 for signed out."""
    return any(_CLIENT.fullmatch(name) and value not in {"", "0"} for name, value in request.cookies.items())
