"""What would be unsafe or unusable in production, said at the start instead of found out later."""

import re
from typing import TYPE_CHECKING

from pydantic import SecretStr

from elevate_api.config.partners import NoticeSettings
from elevate_api.config.values import MIN_SECRET_LENGTH

if TYPE_CHECKING:
    from elevate_api.config.settings import Settings

PLACEHOLDER = re.compile(r"change[-_ ]?me|placeholder|example|your[-_ ]|password|replace[-_ ]?me", re.IGNORECASE)


def production_faults(settings: "Settings") -> list[str]:
    """What would be unsafe or unusable outside development; empty when all is well."""
    faults = []
    if settings.database.url is None:
        faults.append("DATABASE_URL: required in production, the embedded server is for development and one machine")
    if not settings.clerk.configured:
        faults.append("CLERK_ISSUER, CLERK_JWKS_URL or CLERK_JWT_KEY: one is required in production")
    if settings.clerk.configured and not settings.clerk.issuer:
        faults.append("CLERK_ISSUER: required in production, or tokens of another instance would be accepted")
    faults += notice_faults(settings.notices)
    for name, secret in weak_candidates(settings):
        if secret is not None and len(set(secret.get_secret_value())) < MIN_SECRET_LENGTH // 2:
            faults.append(f"{name}: too simple, use a random value")
        elif secret is not None and len(secret.get_secret_value()) < MIN_SECRET_LENGTH:
            faults.append(f"{name}: shorter than {MIN_SECRET_LENGTH} characters")
        elif secret is not None and PLACEHOLDER.search(secret.get_secret_value()):
            faults.append(f"{name}: a placeholder, use a random value")
    return faults


def notice_faults(notices: NoticeSettings) -> list[str]:
    """What keeps notices from going out; empty when all is well."""
    if not notices.email_to:
        return []
    wanted = {"SMTP_HOST": notices.smtp_host, "ALERT_EMAIL_FROM": notices.email_from}
    return [f"{name}: required where ALERT_EMAIL_TO is set" for name, value in wanted.items() if not value]


def weak_candidates(settings: "Settings") -> list[tuple[str, SecretStr | None]]:
    return [
        ("CRON_SECRET", settings.machines.cron_secret),
        ("METRICS_TOKEN", settings.machines.metrics_token),
        *(("KAJABI_WEBHOOK_TOKENS", token) for token in settings.kajabi.webhook_tokens),
        *(("KAJABI_WEBHOOK_SECRET", secret) for secret in settings.kajabi.webhook_secrets),
        *(("CLERK_WEBHOOK_SECRET", secret) for secret in settings.clerk.webhook_secrets),
    ]
