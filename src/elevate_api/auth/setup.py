"""From settings to a verifier."""

from elevate_api.auth import devkeys
from elevate_api.auth.keys import BadKey, JwksKeys, KeySource, PemKey
from elevate_api.auth.tokens import TokenVerifier
from elevate_api.config import ClerkSettings, Settings, SettingsError

JWKS_PATH = "/.well-known/jwks.json"


def build_verifier(settings: Settings) -> TokenVerifier:
    """The verifier of this process; whoever builds it closes it (`aclose`). No network and no file is touched yet.

    Raises SettingsError: nothing to verify with in production, an unusable PEM, an address that anybody could forge.
    """
    if devkeys.is_enabled(settings):
        keys = devkeys.DevelopmentKey(devkeys.key_path(settings))
        return TokenVerifier(keys, issuer=devkeys.ISSUER)
    clerk = settings.clerk
    source = _clerk_keys(clerk, https_only=settings.app.production)
    return TokenVerifier(source, issuer=clerk.issuer, authorized_parties=clerk.authorized_parties)


def _clerk_keys(clerk: ClerkSettings, *, https_only: bool) -> KeySource:
    """A PEM needs no network and goes before the JWKS document."""
    if clerk.jwt_key:
        try:
            return PemKey(clerk.jwt_key)
        except BadKey as error:
            raise SettingsError(f"CLERK_JWT_KEY: {error}") from error
    url = clerk.jwks_url or (clerk.issuer.rstrip("/") + JWKS_PATH if clerk.issuer else None)
    if url is None:
        raise SettingsError("CLERK_ISSUER, CLERK_JWKS_URL or CLERK_JWT_KEY: one is required in production")
    if not url.startswith("https://" if https_only else ("https://", "http://")):
        raise SettingsError(f"{'CLERK_JWKS_URL' if clerk.jwks_url else 'CLERK_ISSUER'}: must be an https:// address")
    return JwksKeys(url)
