"""Who Clerk says somebody is, whichever way it was said: a token's claims, the API, a webhook."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from elevate_api.auth.claims import Claims, clean_email, clean_link, clean_text


@dataclass(frozen=True, slots=True)
class Identity:
    """None means "not said", never "has none"."""

    id: str
    email: str | None = None
    email_verified: bool = False
    name: str | None = None
    username: str | None = None
    avatar_url: str | None = None

    @property
    def is_complete(self) -> bool:
        return self.email is not None and self.name is not None

    def completed_by(self, other: "Identity | None") -> "Identity":
        """Fill what is missing here from `other`. An e-mail and its verification stay together."""
        if other is None:
            return self
        mail = self if self.email is not None else other
        return replace(
            self,
            email=mail.email,
            email_verified=mail.email_verified,
            name=self.name or other.name,
            username=self.username or other.username,
            avatar_url=self.avatar_url or other.avatar_url,
        )


def from_claims(claims: Claims) -> Identity:
    return Identity(
        id=claims.sub,
        email=claims.email,
        email_verified=claims.email_verified,
        name=claims.name,
        username=claims.username,
        avatar_url=claims.picture,
    )


def from_clerk(user: Mapping[str, Any]) -> Identity:
    """Read a user object of Clerk's API or webhooks, whose fields `shared/integrations.md` lists.

    An address counts as verified unless Clerk says otherwise of it. Raises ValueError without a usable id.
    """
    user_id = user.get("id")
    if not isinstance(user_id, str) or not user_id:
        raise ValueError("a Clerk user without an id")
    primary = _primary_email(user)
    email = clean_email(primary.get("email_address"))
    names = (clean_text(user.get("first_name")), clean_text(user.get("last_name")))
    return Identity(
        id=user_id,
        email=email,
        email_verified=email is not None and _is_verified(primary),
        name=clean_text(" ".join(name for name in names if name)),
        username=clean_text(user.get("username")),
        avatar_url=clean_link(user.get("image_url")),
    )


def _primary_email(user: Mapping[str, Any]) -> Mapping[str, Any]:
    addresses = user.get("email_addresses")
    for address in addresses if isinstance(addresses, list) else ():
        if isinstance(address, dict) and address.get("id") == user.get("primary_email_address_id"):
            return address
    return {}


def _is_verified(address: Mapping[str, Any]) -> bool:
    verification = address.get("verification")
    return not isinstance(verification, dict) or verification.get("status", "verified") == "verified"
