"""A signing key of our own for development and tests: the same verification, without Clerk.

The key is made once and kept in the data directory, readable by its owner only. Wherever Clerk is configured, and in
staging and production, it is neither made nor accepted.
"""

import os
import time
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from elevate_api.auth.errors import TokenRefused
from elevate_api.config import Settings, SettingsError

ISSUER = "https://elevate.invalid/development"
KID = "elevate-development"
FILE = "development-signing-key.pem"
DEFAULT_TTL_SECONDS = 86_400
PRODUCTION = "in staging and production only Clerk issues tokens"


class DevelopmentOnly(SettingsError):
    """Tokens of our own are for development and tests, where Clerk is not configured."""


def is_enabled(settings: Settings) -> bool:
    return not settings.app.production and not settings.clerk.configured


def key_path(settings: Settings) -> Path:
    from elevate_api.postgres.paths import default_data_dir  # noqa: PLC0415  (production never loads that package)

    return (settings.embedded.data_dir or default_data_dir()) / FILE


def issue_token(settings: Settings, claims: dict[str, Any], ttl: int = DEFAULT_TTL_SECONDS) -> str:
    """Sign `claims` (`sub` is required) for `ttl` seconds from now; claims given by name override iat, nbf and exp.

    Raises DevelopmentOnly in staging and production and where Clerk is configured, SettingsError when the key cannot
    be kept.
    """
    if settings.app.production:
        raise DevelopmentOnly(PRODUCTION)
    if settings.clerk.configured:
        raise DevelopmentOnly(
            "Clerk is configured (CLERK_ISSUER, CLERK_JWKS_URL or CLERK_JWT_KEY) and issues the tokens"
        )
    now = int(time.time())
    payload = {"iss": ISSUER, "iat": now, "nbf": now, "exp": now + ttl, **claims}
    return jwt.encode(payload, load_or_create(key_path(settings)), algorithm="RS256", headers={"kid": KID})


def load_or_create(path: Path) -> rsa.RSAPrivateKey:
    """The key in `path`; two processes that find none agree on one. Raises SettingsError."""
    try:
        if not path.exists():
            _create(path)
        return _load(path)
    except OSError as error:
        raise SettingsError(f"ELEVATE_DATA_DIR: cannot keep the signing key in {path} ({error.strerror})") from error


def _load(path: Path) -> rsa.RSAPrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except ValueError:
        key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise SettingsError(f"ELEVATE_DATA_DIR: {path} holds no signing key; remove it and a new one is made")
    return key


def _create(path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _make_folder(path.parent)
    with NamedTemporaryFile(dir=path.parent, prefix=".key-") as draft:  # made 0600
        draft.write(pem)
        draft.flush()
        os.fsync(draft.fileno())
        try:
            os.link(draft.name, path)  # fails where a rename would replace the key that another process uses already
        except FileExistsError:
            return


def _make_folder(folder: Path) -> None:
    """Root's data directory must stay open to the account that the embedded server runs as."""
    mode = 0o755 if os.geteuid() == 0 else 0o700
    for path in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        path.mkdir(exist_ok=True)
        path.chmod(mode)


class DevelopmentKey:
    """Verifies with the key in the file, read again when it changes. Makes none: then no token can have been signed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._key: rsa.RSAPublicKey | None = None

    async def find(self, kid: str | None) -> rsa.RSAPublicKey:
        if kid != KID:
            raise TokenRefused("not a development token")
        try:
            status = self._path.stat()
            stamp = (status.st_ino, status.st_mtime_ns)
            if self._key is None or stamp != self._stamp:
                self._key, self._stamp = _load(self._path).public_key(), stamp
        except (OSError, SettingsError):
            raise TokenRefused("no development key") from None
        return self._key

    async def aclose(self) -> None:
        return
