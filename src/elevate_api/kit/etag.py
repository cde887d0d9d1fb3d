"""Validators and freshness of public reads (RFC 9110 section 13, RFC 9111)."""

import hashlib
import re
from collections.abc import Mapping, Sequence

from starlette.responses import Response

_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_KEPT = ("etag", "cache-control", "vary", "content-location", "expires", "date")
_DIGEST_BYTES = 16  # 128 bits: no two bodies of ours share a tag by chance


def strong(body: bytes) -> str:
    """Make a tag for these very bytes."""
    return f'"{hashlib.sha256(body).hexdigest()[: _DIGEST_BYTES * 2]}"'


def weak(version: bytes) -> str:
    """Make a tag for anything that says the same as `version`, byte for byte or not."""
    return "W/" + strong(version)


def matches(if_none_match: str | None, tag: str) -> bool:
    """Whether the client has `tag` already: weak comparison with a list of tags, or `*`. Malformed: it has not."""
    if if_none_match is None:
        return False
    given, opaque = if_none_match.strip(), tag.removeprefix("W/")
    if given in {"*", tag, opaque}:
        return True
    return opaque in _TAG.findall(given)


def cache_control(
    *, max_age: int, public: bool = True, shared_max_age: int | None = None, stale_while_revalidate: int | None = None
) -> str:
    """Build the value of a Cache-Control header; all times in seconds. `max_age=0` means: ask again each time."""
    parts = ["public" if public else "private", f"max-age={max_age}"]
    if shared_max_age is not None:
        parts.append(f"s-maxage={shared_max_age}")
    if stale_while_revalidate is not None:
        parts.append(f"stale-while-revalidate={stale_while_revalidate}")
    if max_age == 0:
        parts.append("must-revalidate")
    return ", ".join(parts)


def conditional(
    if_none_match: str | None,
    body: bytes,
    *,
    cache: str,
    tag: str | None = None,
    media_type: str = "application/json",
    vary: Sequence[str] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer `body` with its tag (a strong one unless given), or 304 without it when the client has it already."""
    tag = tag or strong(body)
    kept = {**(headers or {}), "ETag": tag, "Cache-Control": cache}
    if vary:
        kept["Vary"] = ", ".join(vary)
    if matches(if_none_match, tag):
        return Response(status_code=304, headers={name: kept[name] for name in kept if name.lower() in _KEPT})
    return Response(body, media_type=media_type, headers=kept)
