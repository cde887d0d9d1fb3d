"""Ways to tell somebody: webhooks and e-mail. Addresses come from the settings only."""

import asyncio
import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any, Protocol

import httpx

from elevate_api.alerts.messages import Message, as_email, as_slack
from elevate_api.config import NoticeSettings

SEND_SECONDS = 10.0


class NotDelivered(Exception):
    """The message names what went wrong, never the address: a webhook's address is its secret."""


class Channel(Protocol):
    async def send(self, message: Message) -> None:
        """Raises NotDelivered."""


class Webhook:
    """POSTs JSON; any 2xx is a delivery. Redirects are not followed."""

    def __init__(self, url: str, *, slack: bool = False) -> None:
        self._url = url
        self._slack = slack

    async def send(self, message: Message) -> None:
        body: Mapping[str, Any] = as_slack(message) if self._slack else message
        try:
            async with httpx.AsyncClient(timeout=SEND_SECONDS, follow_redirects=False) as client:
                answer = await client.post(self._url, json=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotDelivered(type(error).__name__) from None  # its text holds the address
        if not answer.is_success:
            raise NotDelivered(f"answered {answer.status_code}")


class Email:
    def __init__(self, settings: NoticeSettings) -> None:
        self._settings = settings

    async def send(self, message: Message) -> None:
        mail = as_email(message, self._settings.email_from or "", self._settings.email_to)
        try:
            await asyncio.to_thread(self._send, mail)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            code = getattr(error, "smtp_code", None)
            raise NotDelivered(type(error).__name__ if code is None else f"SMTP {code}") from None

    def _send(self, mail: EmailMessage) -> None:
        settings = self._settings
        secure = ssl.create_default_context()
        host, port = settings.smtp_host or "", settings.smtp_port
        if settings.smtp_security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=SEND_SECONDS, context=secure)
        else:
            server = smtplib.SMTP(host, port, timeout=SEND_SECONDS)
        with server:
            if settings.smtp_security == "starttls":
                server.starttls(context=secure)
            if settings.smtp_username:
                password = settings.smtp_password.get_secret_value() if settings.smtp_password else ""
                server.login(settings.smtp_username, password)
            server.send_message(mail)


def build(settings: NoticeSettings) -> dict[str, Channel]:
    """The channels that are set up, by name."""
    channels: dict[str, Channel] = {}
    if settings.webhook_url is not None:
        channels["webhook"] = Webhook(settings.webhook_url.get_secret_value())
    if settings.slack_url is not None:
        channels["slack"] = Webhook(settings.slack_url.get_secret_value(), slack=True)
    if settings.email_to:
        channels["email"] = Email(settings)
    return channels
