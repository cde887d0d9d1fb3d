"""Cursors are opaque, typed and safe to tamper with; pages know whether there is another."""

import base64
import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import pytest
from fastapi import Depends, FastAPI, Query, Request, Response
from hypothesis import given
from hypothesis import strategies as st

from elevate_api.kit.paging import Page, PageParams, Paging, cut, decode_cursor, encode_cursor, link_next
from elevate_api.kit.problems import ValidationFailed
from elevate_api.kit.schemas import Schema


class Number(Schema):
    value: int


@given(
    st.tuples(
        st.datetimes(timezones=st.just(UTC)),
        st.uuids(),
        st.integers(-(2**63), 2**63 - 1),
        st.text(st.characters(codec="utf-8", min_codepoint=1)),
        st.booleans(),
        st.none() | st.integers(0, 9),
        st.dates(),
        st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**6), max_value=10**6),
    )
)
def test_a_cursor_gives_back_its_key(key: tuple[Any, ...]) -> None:
    codec: tuple[Any, ...] = (datetime, UUID, int, str, bool, int | None, date, Decimal)
    assert decode_cursor(encode_cursor(key), codec) == key


def test_times_of_a_cursor_are_in_utc() -> None:
    east = datetime(2025, 1, 1, 7, 0, 0, 123456, tzinfo=timezone(timedelta(hours=7)))
    (decoded,) = decode_cursor(encode_cursor([east]), (datetime,))
    assert decoded == east
    assert decoded.tzinfo is UTC


def raw(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


HOSTILE = [
    "",
    "x",
    "!!!!",
    "\u00e4",
    "a" * 1024,
    raw(b"\xff\xfe"),
    raw("text"),
    raw({}),
    raw([]),
    raw([1]),
    raw([2, "2025-01-01T00:00:00Z", 5]),
    raw(["1", "2025-01-01T00:00:00Z", 5]),
    raw([True, "2025-01-01T00:00:00Z", 5]),
    raw([1, "2025-01-01T00:00:00", 5]),
    raw([1, "0001-01-01T00:00:00+14:00", 5]),
    raw([1, 1735689600, 5]),
    raw([1, "2025-01-01T00:00:00Z", "5"]),
    raw([1, "2025-01-01T00:00:00Z", 5.5]),
    raw([1, "2025-01-01T00:00:00Z", 2**63]),
    raw([1, "2025-01-01T00:00:00Z", 10**40]),
    raw([1, "2025-01-01T00:00:00Z", 5, 6]),
    raw([1, None, 5]),
    raw([1, "2025-01-01T00:00:00Z", True]),
    raw(b"[" * 700),
    encode_cursor(["2025-01-01T00:00:00Z", 5]) + "\n",
    encode_cursor(["2025-01-01T00:00:00Z", 5]) + "=",
]


@pytest.mark.parametrize("cursor", HOSTILE)
def test_a_cursor_that_was_tampered_with_is_refused(cursor: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        decode_cursor(cursor, (datetime, int))
    assert [error.pointer for error in caught.value.errors] == ["query/cursor"]


@given(st.text())
def test_no_text_breaks_the_decoder(cursor: str) -> None:
    with pytest.raises(ValidationFailed):
        decode_cursor(cursor, (datetime, UUID))


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_a_cursor_holds_nothing_that_cannot_be_stored(text: str) -> None:
    with pytest.raises(ValidationFailed):
        decode_cursor(raw([1, text]), (str,))


def test_one_row_more_than_asked_for_tells_of_another_page() -> None:
    def key(row: int) -> tuple[int]:
        return (row,)

    assert cut([], 2, key) == ([], None)
    assert cut([1, 2], 2, key) == ([1, 2], None)
    assert cut([1, 2, 3], 2, key) == ([1, 2], encode_cursor([2]))


def test_a_page_of_things_is_named_after_them() -> None:
    assert Page[Number].__name__ == "NumberPage"


@pytest.fixture
def numbers(app: FastAPI) -> None:
    @app.get("/numbers")
    async def numbers(
        request: Request, response: Response, page: Paging, tag: Annotated[list[str] | None, Query()] = None
    ) -> Page[Number]:
        after = page.after(int)
        start = after[0] + 1 if after else 0
        rows, cursor = cut(list(range(start, 50))[: page.fetch], page.limit, lambda row: (row,))
        link_next(request, response, cursor)
        return Page(items=[Number(value=row) for row in rows], next_cursor=cursor)


@pytest.mark.usefixtures("numbers")
async def test_following_the_links_sees_every_item_once(client: httpx.AsyncClient) -> None:
    target, seen = "/numbers?limit=7&tag=a&tag=b%26c", []
    while target:
        answer = await client.get(target)
        seen += [item["value"] for item in answer.json()["items"]]
        link = answer.links.get("next", {}).get("url", "")
        assert bool(link) == (answer.json()["nextCursor"] is not None)
        if link:
            query = parse_qs(urlsplit(link).query)
            assert query["tag"] == ["a", "b&c"]
            assert query["limit"] == ["7"]
            assert query["cursor"] == [answer.json()["nextCursor"]]
        target = link
    assert seen == list(range(50))


@pytest.mark.usefixtures("numbers")
@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "query/limit"),
        ("limit=101", "query/limit"),
        ("limit=-1", "query/limit"),
        ("limit=x", "query/limit"),
        ("limit=99999999999999999999999", "query/limit"),
        ("limit=1e1", "query/limit"),
        ("cursor=nonsense", "query/cursor"),
        ("cursor=", "query/cursor"),
        ("cursor=" + "a" * 2000, "query/cursor"),
    ],
)
async def test_bad_paging_is_named(client: httpx.AsyncClient, query: str, pointer: str) -> None:
    answer = await client.get(f"/numbers?{query}")
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_without_parameters_a_page_has_twenty(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.get("/")
    async def get(page: Annotated[PageParams, Depends()]) -> int:
        return page.limit

    assert (await client.get("/")).json() == 20
