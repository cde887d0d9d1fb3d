"""Session tokens as Clerk makes them, signed with a key of the test run."""

import time
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ISSUER = "https://clerk.leaps.test"
KEY_ID = "test-key"


@cache
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def public_pem() -> str:
    encoded = (
        private_key()
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return encoded.decode()


def token(user_id: str, **claims: Any) -> str:
    """A valid token of 60 s; a claim given as None is left out."""
    now = int(time.time())
    payload: dict[str, Any] = {
        "sub": user_id,
        "iss": ISSUER,
        "iat": now,
        "nbf": now,
        "exp": now + 60,
        "sid": f"sess_{user_id}",
        "v": 2,
        **claims,
    }
    payload = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(payload, private_key(), algorithm="RS256", headers={"kid": KEY_ID})


def bearer(user_id: str, **claims: Any) -> dict[str, str]:
    """Headers that sign a request in."""
    return {"Authorization": f"Bearer {token(user_id, **claims)}"}
