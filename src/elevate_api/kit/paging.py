"""Keyset paging: a page is asked for by the key of the last row seen, never by an offset."""

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query
from pydantic import TypeAdapter
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from elevate_api.kit.problems import ValidationFailed
from elevate_api.kit.schemas import Schema, in_utc

MAX_LIMIT = 100
DEFAULT_LIMIT = 20
MAX_CURSOR = 1024
VERSION = 1
"""First element of every cursor; raise it when the meaning of the values after it changes."""

Item = TypeVar("Item")
Row = TypeVar("Row")
_INT64 = range(-(2**63), 2**63)


class Page(Schema, Generic[Item]):
    """One page of a list; `nextCursor` is null on the last."""

    items: list[Item]
    next_cursor: str | None

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """Name the schema `SubmissionPage` rather than `Page[Submission]`, for generators of clients."""
        return "".join(re.sub(r"\W", "", getattr(param, "__name__", str(param))) for param in params) + "Page"


@dataclass(frozen=True, slots=True)
class PageParams:
    """What a list was asked for. Handlers take it as `Paging`."""

    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Most items to answer.")] = DEFAULT_LIMIT
    cursor: Annotated[
        str | None, Query(max_length=MAX_CURSOR, description="`nextCursor` of the page before; opaque.")
    ] = None

    def after(self, *codec: type) -> tuple[Any, ...] | None:
        """Key of the last row of the page before, with the types of `codec`; None on the first page."""
        return None if self.cursor is None else decode_cursor(self.cursor, codec)

    @property
    def fetch(self) -> int:
        """How many rows to select: one more than are shown tells whether there is another page."""
        return self.limit + 1


Paging = Annotated[PageParams, Depends()]


def cut(rows: Sequence[Row], limit: int, key: Callable[[Row], tuple[Any, ...]]) -> tuple[list[Row], str | None]:
    """From up to `limit + 1` rows: those of the page, and the cursor of the next page or None."""
    shown = list(rows[:limit])
    return shown, encode_cursor(key(shown[-1])) if shown and len(rows) > limit else None


def link_next(request: Request, response: Response, cursor: str | None) -> None:
    """Name the next page in a Link header (RFC 8288): path and query, its other parameters kept."""
    if cursor is None:
        return
    path = request.url.path
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    response.headers.append("Link", f'<{path}?{urlencode([*query, ("cursor", cursor)])}>; rel="next"')


def encode_cursor(values: Sequence[Any]) -> str:
    """Write the values of a key (str, int, bool, UUID, Decimal, aware datetime, date, None) as an opaque cursor."""
    return base64.urlsafe_b64encode(to_json([VERSION, *values])).rstrip(b"=").decode()


def decode_cursor(cursor: str, codec: Sequence[Any]) -> tuple[Any, ...]:
    """Read a cursor whose values have the types of `codec`, times in UTC. Raises ValidationFailed at query/cursor."""
    try:
        raw = base64.b64decode(cursor.replace("=", "!") + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        version, *values = _adapter(tuple(codec)).validate_json(raw, strict=True)
        if version == VERSION:
            return tuple(_checked(value) for value in values)
    except ValueError:  # of base64, pydantic and _checked alike
        pass
    raise ValidationFailed.at("query/cursor", "is not a cursor that this list gave out")


@lru_cache(maxsize=256)
def _adapter(codec: tuple[Any, ...]) -> TypeAdapter[Any]:
    return TypeAdapter(tuple[int, *codec])  # type: ignore[valid-type]  # the types are known at run time only


def _checked(value: Any) -> Any:
    """Refuse (ValueError) what PostgreSQL cannot take, and bring times to UTC."""
    if isinstance(value, str) and "\0" in value:
        raise ValueError("U+0000")
    if isinstance(value, int) and value not in _INT64:
        raise ValueError("outside 64 bits")
    if isinstance(value, datetime):
        return _instant(value)
    return value


def _instant(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("no offset")
    return in_utc(value)
