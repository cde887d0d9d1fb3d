"""What every schema on the wire shares: names, times, and strings that PostgreSQL can store."""

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

MAX_URL = 2048


class Schema(BaseModel):
    """camelCase on the wire, snake_case in Python; unknown fields are refused. Times are declared as `Instant`."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        from_attributes=True,
        serialize_by_alias=True,
        ser_json_inf_nan="null",
    )


class Body(Schema):
    """What a request brings: its fields have their names on the wire and no second ones, as the document says."""

    model_config = ConfigDict(populate_by_name=False)


def rfc3339(value: object) -> object:
    """Refuse what pydantic would take for a time besides RFC 3339: bare numbers and dates (ValueError)."""
    if isinstance(value, datetime) or (isinstance(value, str) and "t" in value.lower()):
        return value
    raise ValueError("must be a date and time with an offset, as in 2025-01-31T08:00:00Z")


def in_utc(value: datetime) -> datetime:
    """Convert to UTC (ValueError where a calendar of years 1 to 9999 has no name for it)."""
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("is outside the years 1 to 9999 in UTC") from None


def https_url(value: str) -> str:
    """`value` if a page may link to it: https, a host, no user or password, nothing that ends a URL inside a text."""
    if any(character <= " " or character in "\x7f\"'<>\\^`{|}" for character in value) or not value.isprintable():
        raise ValueError("must not contain spaces, quotes, angle brackets, backslashes or control characters")
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("must be a valid URL") from None
    if not value.startswith("https://") or not host:
        raise ValueError("must be an https:// URL with a host")
    if "@" in parts.netloc:
        raise ValueError("must not contain a user name or password")
    return value


Text = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[^\x00]*$")]
"""A string without white space around it; bounds by `Annotated[Text, Field(min_length=1, max_length=200)]`.

PostgreSQL's text cannot hold U+0000; lone surrogates are no string to pydantic in the first place.
"""

# Controls, line ends, and what turns the direction of a text around (and so of the page that it is shown on).
_NOT_ON_A_LINE = r"\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"
_INVISIBLE = r"\s\u200b-\u200f\u2060\ufeff"

Line = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        min_length=1,
        max_length=200,
        pattern=rf"^[^{_NOT_ON_A_LINE}]*[^{_NOT_ON_A_LINE}{_INVISIBLE}][^{_NOT_ON_A_LINE}]*$",
    ),
]
"""A required short text, such as a name or a title: one line, with something to see on it."""


def whole(value: object) -> object:
    """Refuse (ValueError) what pydantic would take for an integer besides numbers: texts and truth values."""
    if isinstance(value, str | bytes | bool):
        raise ValueError("must be a whole number")  # noqa: TRY004 - pydantic takes ValueError for a fault of the input
    return value


Whole = Annotated[int, BeforeValidator(whole)]
"""A JSON number without a fraction; 2.0 is one (JSON Schema), "2" and true are not."""

Instant = Annotated[AwareDatetime, BeforeValidator(rfc3339), AfterValidator(in_utc)]
"""A point in time: an offset is required on the way in, UTC with `Z` on the way out (RFC 3339)."""

HttpsUrl = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=9, max_length=MAX_URL),
    AfterValidator(https_url),
    Field(json_schema_extra={"format": "uri", "pattern": "^https://"}),
]
"""An https address as text, at most 2048 characters, safe to render as a link. It is never fetched."""
