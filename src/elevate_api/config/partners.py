"""Settings of those whom the service deals with: Clerk, Kajabi, callers that are machines, receivers of notices."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from elevate_api.config.values import (
    CommaList,
    Group,
    OptionalSecret,
    OptionalText,
    SecretList,
    SvixSecrets,
    TagPoints,
    UrlTokens,
    tag_points,
)


class ClerkSettings(Group):
    issuer: OptionalText = Field(None, validation_alias="CLERK_ISSUER")
    jwks_url: OptionalText = Field(None, validation_alias="CLERK_JWKS_URL")
    jwt_key: OptionalText = Field(None, validation_alias="CLERK_JWT_KEY")
    secret_key: OptionalSecret = Field(None, validation_alias="CLERK_SECRET_KEY")
    api_url: str = Field("https://api.clerk.com/v1", validation_alias="CLERK_API_URL")
    authorized_parties: CommaList = Field((), validation_alias="CLERK_AUTHORIZED_PARTIES")
    webhook_secrets: SvixSecrets = Field((), validation_alias="CLERK_WEBHOOK_SECRET")

    @property
    def configured(self) -> bool:
        return bool(self.issuer or self.jwks_url or self.jwt_key)


class KajabiSettings(Group):
    """Several tokens and secrets at once, so that they can be rotated. The API's two are optional."""

    webhook_tokens: UrlTokens = Field((), validation_alias="KAJABI_WEBHOOK_TOKENS")
    webhook_secrets: SecretList = Field((), validation_alias="KAJABI_WEBHOOK_SECRET")
    learn_tags: Annotated[Mapping[str, TagPoints], NoDecode, BeforeValidator(tag_points)] = Field(
        {"elevate-ai-1-completed": 10, "elevate-ai-2-completed": 10, "learn_completed": 20},
        validation_alias="KAJABI_LEARN_TAGS",
    )
    api_url: str = Field("https://api.kajabi.com/v1", validation_alias="KAJABI_API_URL")
    client_id: OptionalText = Field(None, validation_alias="KAJABI_CLIENT_ID")
    client_secret: OptionalSecret = Field(None, validation_alias="KAJABI_CLIENT_SECRET")
    site_id: OptionalText = Field(None, validation_alias="KAJABI_SITE_ID")
    pull_seconds: int = Field(3600, ge=60, validation_alias="KAJABI_PULL_SECONDS")


class MachineSettings(Group):
    cron_secret: OptionalSecret = Field(None, validation_alias="CRON_SECRET")
    metrics_token: OptionalSecret = Field(None, validation_alias="METRICS_TOKEN")


class NoticeSettings(Group):
    """Who hears of alerts, besides the log. Addresses come from here only, never from a request."""

    webhook_url: OptionalSecret = Field(None, validation_alias="ALERT_WEBHOOK_URL")
    slack_url: OptionalSecret = Field(None, validation_alias="ALERT_SLACK_WEBHOOK_URL")
    email_to: CommaList = Field((), validation_alias="ALERT_EMAIL_TO")
    email_from: OptionalText = Field(None, validation_alias="ALERT_EMAIL_FROM")
    smtp_host: OptionalText = Field(None, validation_alias="SMTP_HOST")
    smtp_port: int = Field(587, ge=1, le=65535, validation_alias="SMTP_PORT")
    smtp_security: Literal["starttls", "tls", "none"] = Field("starttls", validation_alias="SMTP_SECURITY")
    smtp_username: OptionalText = Field(None, validation_alias="SMTP_USERNAME")
    smtp_password: OptionalSecret = Field(None, validation_alias="SMTP_PASSWORD")


class TracingSettings(Group):
    endpoint: OptionalText = Field(None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
