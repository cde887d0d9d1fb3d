"""Tells which answers may be kept for everybody, and makes such a one while it is sent."""

from collections.abc import Collection
from time import monotonic

from starlette.types import Message, Send

from elevate_api.kit.shelves import Answer, Tally

MAX_ANSWER = 256 * 1024
OVERHEAD = 1024
"""Bytes that keeping an answer costs beside its body, its headers and its target."""

_PER_REQUEST = frozenset(
    {b"x-request-id", b"ratelimit", b"ratelimit-policy", b"retry-after", b"date", b"server", b"connection", b"age"}
)
_OF_A_BODY = frozenset({b"content-type", b"content-length"})
START, BODY = "http.response.start", "http.response.body"


class Recorder:
    """Holds an answer back that may be kept until it is whole; every other passes through at once."""

    def __init__(self, send: Send, key: tuple[str, bytes, bytes], lifetime: float, tally: Tally) -> None:
        self._send = send
        self._key = key
        self._lifetime = lifetime
        self._tally = tally
        self._start: Message | None = None
        self._parts: list[bytes] = []
        self.answer: Answer | None = None
        self.request_id = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == START and may_be_kept(message["status"], message["headers"], self._key[2]):
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            await self._continue(message)

    async def _continue(self, message: Message) -> None:
        assert self._start is not None  # noqa: S101  (its only caller has looked)
        self._parts.append(message.get("body", b""))
        body = b"".join(self._parts)
        if len(body) > MAX_ANSWER:
            start, self._start = self._start, None
            await self._send(start)
            await self._send({**message, "body": body})
        elif not message.get("more_body", False):
            self.request_id = dict(self._start["headers"]).get(b"x-request-id", b"")
            self.answer = self._answer(self._start["headers"], body)

    def _answer(self, given: Collection[tuple[bytes, bytes]], body: bytes) -> Answer:
        headers = tuple((name.lower(), value) for name, value in given if name.lower() not in _PER_REQUEST)
        size = len(body) + sum(len(name) + len(value) for name, value in headers) + sum(map(len, self._key)) + OVERHEAD
        return Answer(
            headers=headers,
            headers_unmodified=tuple(header for header in headers if header[0] not in _OF_A_BODY),
            body={"type": BODY, "body": body},
            etag=dict(headers)[b"etag"],
            size=size,
            expires_at=monotonic() + self._lifetime,
            tally=self._tally,
        )


def may_be_kept(status: int, headers: Collection[tuple[bytes, bytes]], origin: bytes) -> bool:
    """Whether an answer says itself that it is everybody's: public, tagged, no cookie, the same for every caller.

    `origin` is the one that it was made for, empty for none.
    """
    said = {name.lower(): value.lower() for name, value in headers}
    cache = {part.strip().partition(b"=")[0] for part in said.get(b"cache-control", b"").split(b",")}
    vary = b",".join(value.lower() for name, value in headers if name.lower() == b"vary")
    return (
        status == 200  # noqa: PLR2004  (nothing else is kept)
        and b"public" in cache
        and not cache & {b"private", b"no-store", b"no-cache"}
        and b"etag" in said
        and b"set-cookie" not in said
        and b"content-encoding" not in said
        and {part.strip() for part in vary.split(b",")} <= {b"", b"origin"}
        and said.get(b"access-control-allow-origin", b"*") in {b"*", origin.lower()}
    )
