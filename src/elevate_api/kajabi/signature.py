"""Is this call authentic? Pure; every comparison takes the same time whatever the secret and the guess.

Kajabi itself signs nothing, so its hook carries a token in the URL; relays sign the body or send a shared secret
(shared/integrations.md).
"""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

SIGNATURE_HEADER = "X-Kajabi-Signature"
SECRET_HEADER = "X-Webhook-Secret"  # noqa: S105  (a header's name)
_PREFIX = "sha256="


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a call brought along; None for what it did not."""

    token: str | None = None
    secret: str | None = None
    signature: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """`tokens` are good in the URL; `shared` sign bodies and are good in X-Webhook-Secret. Several, for rotation."""

    tokens: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()

    def recognise(self, given: Credentials, body: bytes) -> bool:
        """Whether any of the three ways proves the caller. Without secrets nobody is recognised."""
        ways = (
            _is_one_of(given.token, self.tokens),
            _is_one_of(given.secret, self.shared),
            _is_signed(given.signature, self.shared, body),
        )
        return any(ways)


def sign(secret: str, body: bytes) -> str:
    """HMAC-SHA256 of the raw body, in hexadecimal."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _is_one_of(guess: str | None, secrets: Iterable[str]) -> bool:
    if guess is None:
        return False
    # Digests have one length, so the time says nothing about the length of a secret either.
    offered = hashlib.sha256(_bytes(guess)).digest()
    return _any([hmac.compare_digest(offered, hashlib.sha256(_bytes(secret)).digest()) for secret in secrets])


def _is_signed(signature: str | None, secrets: Iterable[str], body: bytes) -> bool:
    if signature is None:
        return False
    offered = _bytes(signature.strip().lower().removeprefix(_PREFIX))
    return _any([hmac.compare_digest(offered, sign(secret, body).encode()) for secret in secrets])


def _any(verdicts: list[bool]) -> bool:
    """Over a list, not a generator: all of them were compared, whichever fits."""
    return any(verdicts)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
