"""What a notice says: one JSON message, from which Slack's and the e-mail are made. Pure."""

from collections.abc import Mapping
from datetime import datetime
from email.message import EmailMessage
from typing import Any

from elevate_api.alerts.evaluate import Kind, Notice

Message = Mapping[str, Any]
_MARKS = {Kind.FIRING: ":rotating_light:", Kind.REMINDER: ":repeat:", Kind.RESOLVED: ":white_check_mark:"}


def message_of(notice: Notice, environment: str) -> dict[str, Any]:
    """`dedupeKey` is the same for every notice of one incident, for receivers that put them together."""
    rule, state = notice.rule, notice.state
    opened = _instant(state.opened_at)
    return {
        "version": 1,
        "service": "elevate-api",
        "environment": environment,
        "rule": rule.name.value,
        "severity": rule.severity.value,
        "title": rule.title,
        "kind": notice.kind.value,
        "status": state.status.value,
        "summary": state.summary,
        "evidence": dict(state.evidence),
        "count": state.count,
        "openedAt": opened,
        "resolvedAt": _instant(state.resolved_at),
        "sentAt": _instant(notice.at),
        "dedupeKey": f"{rule.name.value}:{opened}",
    }


def headline(message: Message) -> str:
    return f"[{message['kind'].upper()}] {message['severity']}: {message['title']} ({message['environment']})"


def as_slack(message: Message) -> dict[str, Any]:
    """The body of a Slack incoming webhook: https://api.slack.com/messaging/webhooks."""
    since = "" if message["kind"] == Kind.RESOLVED else f" since {message['openedAt']}"
    summary = str(message["summary"]).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    mark = _MARKS[Kind(message["kind"])]
    return {"text": f"{mark} *{headline(message)}*\n{summary}\nrule `{message['rule']}`{since}"}


def as_email(message: Message, sender: str, recipients: tuple[str, ...]) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = headline(message)
    mail["From"], mail["To"] = sender, ", ".join(recipients)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday replies
    lines = [f"{name}: {value}" for name, value in message.items() if name not in {"version", "title"}]
    mail.set_content("\n".join([str(message["title"]), "", *lines, ""]))
    return mail


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")
