"""Conditional answers."""

import pytest

from elevate_api.kit import etag

TAG = etag.strong(b"body")


def test_tags_follow_the_bytes() -> None:
    assert etag.strong(b"body") == TAG != etag.strong(b"other")
    assert etag.weak(b"body") == f"W/{TAG}"
    assert TAG[0] == TAG[-1] == '"'


@pytest.mark.parametrize(
    "header", [TAG, f"W/{TAG}", "*", " * ", f'"x", {TAG}', f'W/"a,b",W/{TAG} , "y"', f'"", {TAG}', f"  {TAG}  "]
)
@pytest.mark.parametrize("tag", [TAG, f"W/{TAG}"])
def test_a_client_that_has_it_is_recognised(header: str, tag: str) -> None:
    assert etag.matches(header, tag)


@pytest.mark.parametrize(
    "header",
    [None, "", '"x"', TAG.strip('"'), TAG[:-1], f"w/{TAG[:-2]}", "**", '"*"', f'"{TAG}x', '"' * 65_000, "W/" * 30_000],
)
def test_anything_else_is_answered_in_full(header: str | None) -> None:
    assert not etag.matches(header, TAG)


def test_the_full_answer_carries_tag_and_freshness() -> None:
    answer = etag.conditional(
        None, b"body", cache="public, max-age=5", vary=["Accept-Encoding"], headers={"X-Version": "1"}
    )
    assert (answer.status_code, answer.body) == (200, b"body")
    assert answer.headers["etag"] == TAG
    assert answer.headers["cache-control"] == "public, max-age=5"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-version"] == "1"


def test_not_modified_keeps_what_a_cache_needs_and_nothing_else() -> None:
    answer = etag.conditional(TAG, b"body", cache="public, max-age=5", vary=["Accept"], headers={"X-Version": "1"})
    assert (answer.status_code, answer.body) == (304, b"")
    assert dict(answer.headers) == {"etag": TAG, "cache-control": "public, max-age=5", "vary": "Accept"}


def test_a_tag_may_be_given() -> None:
    weak = etag.weak(b"7")
    assert etag.conditional(None, b"body", cache="", tag=weak).headers["etag"] == weak
    assert etag.conditional(weak, b"another body", cache="", tag=weak).status_code == 304


def test_cache_control() -> None:
    assert etag.cache_control(max_age=5) == "public, max-age=5"
    assert etag.cache_control(max_age=0, public=False) == "private, max-age=0, must-revalidate"
    assert (
        etag.cache_control(max_age=5, shared_max_age=10, stale_while_revalidate=60)
        == "public, max-age=5, s-maxage=10, stale-while-revalidate=60"
    )
