"""The kinds of values that settings have: lists, secrets, time zones, points by tag; and the group they stand in."""

import base64
import re
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MIN_SECRET_LENGTH = 16
"""Characters; what cron services ask of CRON_SECRET, taken for every shared secret of ours."""
SVIX_PREFIX = "whsec_"
BACKUP_KEY_BYTES = 32


class Group(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)


def _split(value: Any) -> Any:
    """`a, b` -> `("a", "b")`; what is no text is left to pydantic."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _blank_to_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _no_url_marks(values: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    """A token in a URL must arrive as it was written."""
    if all(re.fullmatch(r"[A-Za-z0-9._~-]+", value.get_secret_value()) for value in values):
        return values
    message = "letters, digits, '.', '_', '~' and '-' only, as tokens stand in a URL"
    raise ValueError(message)


def _svix_secrets(values: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    for value in values:
        text = value.get_secret_value()
        try:
            key = base64.b64decode(text.removeprefix(SVIX_PREFIX), validate=True)
        except ValueError:
            key = b""
        if not text.startswith(SVIX_PREFIX) or len(key) < MIN_SECRET_LENGTH:
            message = (
                f"{SVIX_PREFIX} and the base64 of {MIN_SECRET_LENGTH} bytes or more, as Clerk's dashboard shows it"
            )
            raise ValueError(message)
    return values


def _backup_keys(values: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    for value in values:
        try:
            key = base64.b64decode(value.get_secret_value(), validate=True)
        except ValueError:
            key = b""
        if len(key) != BACKUP_KEY_BYTES:
            message = f"the base64 of {BACKUP_KEY_BYTES} random bytes, as `openssl rand -base64 32` prints"
            raise ValueError(message)
    return values


def tag_points(value: Any) -> Any:
    """`one=10, two=20` -> `{"one": 10, "two": 20}`, tags lower-cased."""
    if not isinstance(value, str):
        return value
    pairs = [part.rpartition("=") for part in value.split(",") if part.strip()]
    tags = {tag.strip().lower(): points.strip() for tag, _, points in pairs}
    if len(tags) != len(pairs) or not all(tags) or not all(re.fullmatch(r"\d{1,4}", p) for p in tags.values()):
        message = "tag=points, comma-separated, each tag once"
        raise ValueError(message)
    return {tag: int(points) for tag, points in tags.items()}


def _known_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        message = f"no such time zone: {value!r}"
        raise ValueError(message) from error
    return value


TagPoints = Annotated[int, Field(ge=1, le=1000)]
CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
SecretList = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)]
OptionalText = Annotated[str | None, BeforeValidator(_blank_to_none)]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(_blank_to_none)]
OptionalPath = Annotated[Path | None, BeforeValidator(_blank_to_none)]
TimeZoneName = Annotated[str, AfterValidator(_known_zone)]
UrlTokens = Annotated[SecretList, AfterValidator(_no_url_marks)]
SvixSecrets = Annotated[SecretList, AfterValidator(_svix_secrets)]
BackupKeys = Annotated[SecretList, AfterValidator(_backup_keys)]
