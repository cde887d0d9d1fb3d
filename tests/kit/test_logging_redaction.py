"""Log lines: one form for all loggers, no secrets whoever put them in."""

import json
import logging as standard
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from elevate_api.kit import logging


@pytest.fixture(autouse=True)
def _root_as_it_was() -> Iterator[None]:
    root = standard.getLogger()
    names = (
        "",
        "uvicorn",
        "uvicorn.error",
        "uvicorn.access",
        "sqlalchemy",
        "apscheduler",
        "alembic",
        "httpx",
        "httpcore",
        "asyncio",
    )
    before = [(name, standard.getLogger(name or None)) for name in names]
    state = [(logger, logger.level, list(logger.handlers), logger.propagate, logger.disabled) for _, logger in before]
    yield
    for logger, level, handlers, propagate, disabled in state:
        logger.level, logger.handlers, logger.propagate, logger.disabled = level, handlers, propagate, disabled
    root.manager._clear_cache()  # type: ignore[attr-defined]


def fail(message: str, _local: str = "") -> None:
    raise ValueError(message)


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    line = json.loads(capsys.readouterr().err.strip().splitlines()[-1])
    assert isinstance(line, dict)
    return line


def test_a_line_is_json_with_its_context(capsys: pytest.CaptureFixture[str]) -> None:
    logging.configure("INFO", json=True)
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        structlog.get_logger().info("done", rows=3)
    line = last_line(capsys)
    assert (line["event"], line["rows"], line["request_id"], line["level"]) == ("done", 3, "r1", "info")
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize("name", ["uvicorn.error", "sqlalchemy.engine", "some.library"])
def test_the_standard_library_speaks_the_same_way(capsys: pytest.CaptureFixture[str], name: str) -> None:
    logging.configure("INFO", json=True)
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        standard.getLogger(name).warning("slow: %s for %s", 5, "ada@example.org", extra={"password": "hunter2"})
    line = last_line(capsys)
    assert line["event"] == "slow: 5 for [email]"
    assert (line["logger"], line["level"], line["request_id"]) == (name, "warning", "r1")
    assert line["password"] == "[redacted]"


def test_uvicorns_coloured_copy_of_its_message_is_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    logging.configure("INFO", json=True)
    standard.getLogger("uvicorn.error").info("Started [%d]", 5, extra={"color_message": "Started [\x1b[36m%d\x1b[0m]"})
    line = last_line(capsys)
    assert line["event"] == "Started [5]"
    assert "color_message" not in line


def test_a_traceback_is_a_member_of_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    logging.configure("INFO", json=True)
    try:
        fail("for ada@example.org")
    except ValueError:
        structlog.get_logger().exception("failed")
        own = last_line(capsys)
        standard.getLogger("x").exception("failed")
        foreign = last_line(capsys)
    for line in (own, foreign):
        assert line["exception"].endswith("ValueError: for [email]")


def test_people_see_no_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    logging.configure("INFO", json=False)
    secret = "hunter2"
    try:
        fail("failed", secret)
    except ValueError:
        structlog.get_logger().exception("failed")
    assert "hunter2" not in capsys.readouterr().err


def test_a_level_silences_what_is_below(capsys: pytest.CaptureFixture[str]) -> None:
    logging.configure("warning", json=True)
    structlog.get_logger().info("quiet")
    standard.getLogger("x").info("quiet")
    standard.getLogger("uvicorn.access").warning("GET /api/webhooks/kajabi/hunter2")
    assert capsys.readouterr().err == ""


def test_uvicorn_sees_that_nobody_hears_its_access_log_and_writes_none() -> None:
    logging.configure("info", json=True)
    assert not standard.getLogger("uvicorn.access").hasHandlers()  # what uvicorn asks of each connection


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("Authorization", "Bearer abc"),
        ("cookie", "__session=abc"),
        ("svix-signature", "v1,abc"),
        ("access_token", b"abc"),
        ("client_secret", ["abc"]),
        ("password", {"new": "abc"}),
        ("api_key", "abc"),
        ("email", "abc"),
    ],
)
def test_members_that_hold_secrets_are_redacted(key: str, value: Any) -> None:
    assert logging.redact(None, "info", {key: value}) == {key: "[redacted]"}
    assert "abc" not in repr(logging.redact(None, "info", {"outer": [{"inner": {key: value}}]}))


@pytest.mark.parametrize(
    ("value", "clean"),
    [
        ("mail to ada.l+x@mail.example.co.id!", "mail to [email]!"),
        ("Authorization: Bearer a.b-c_d", "Authorization: Bearer [redacted]"),
        ("postgres://app:hunter2@db.example:5432/x", "postgres://app:[redacted]@db.example:5432/x"),
        ("token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "token [redacted]"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "[redacted]"),
        ("key sb_secret_abc123", "key [redacted]"),
        ("plain @ text", "plain @ text"),
    ],
)
def test_secrets_inside_texts_are_redacted(value: str, clean: str) -> None:
    assert logging.redact(None, "info", {"event": value, "deep": [{"x": (value,)}]}) == {
        "event": clean,
        "deep": [{"x": [clean]}],
    }


def test_numbers_about_secrets_are_no_secrets() -> None:
    assert logging.redact(None, "info", {"tokens": 3, "emails_sent": 5}) == {"tokens": 3, "emails_sent": 5}
