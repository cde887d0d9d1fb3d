"""Public answers from memory, and every way to have somebody else's, a wrong or an endless one kept there."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from elevate_api.kit import context, memory, recording
from elevate_api.kit.memory import Memory
from elevate_api.kit.recording import may_be_kept
from elevate_api.kit.shelves import Answer, Shelves, Tally

PATH = "/board"
HOME, OTHER = "https://app.test", "https://admin.test"
PUBLIC = {"content-type": "application/json", "cache-control": "public, max-age=10", "etag": '"1"', "vary": "Origin"}
Handler = Callable[[Scope, Send], Awaitable[None]]


class Site:
    """A service behind a memory: counts what reaches it, answers what `handle` says."""

    def __init__(self, handle: Handler | None = None, **options: Any) -> None:
        self.seen: list[Scope] = []
        self.woken = 0
        self.served: dict[tuple[str, int], int] = {}
        self.handle = handle or self.echo
        self.memory = Memory(
            [PATH], max_bytes=options.pop("max_bytes", 1 << 20), origins=[HOME, OTHER], wake=self.wake,
            account=self.account, **options,
        )  # fmt: skip
        self.memory.confirm("first")

    def wake(self) -> None:
        self.woken += 1

    def account(self, served: Mapping[tuple[str, int], int]) -> None:
        for what, number in served.items():
            self.served[what] = self.served.get(what, 0) + number

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(scope)
        await self.handle(scope, send)

    async def echo(self, scope: Scope, send: Send) -> None:
        """Everything that a careless route could let slip: all that it can see of the request."""
        body = repr([scope[name] for name in ("headers", "state", "client", "query_string")]).encode()
        await respond(send, body, x_request_id=f"made-{len(self.seen)}")

    async def get(self, query: str = "", /, method: str = "GET", path: str = PATH, **headers: str) -> "Got":
        given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope: Scope = {
            "type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": given,
            "client": ("192.0.2.1", 1), "state": {"secret": headers.get("cookie", "")},
        }  # fmt: skip
        got = Got()
        ready = self.memory.find(scope)
        if ready is None:
            await self.memory.make(self.app, scope, nothing, got.send)
        else:
            for message in ready:
                await got.send(message)
        return got


class Got:
    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            assert not self.status, "answered twice"
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        self.body += message.get("body", b"")


async def nothing() -> Message:
    return {"type": "http.request", "body": b""}


async def respond(send: Send, body: bytes = b"{}", status: int = 200, **headers: str) -> None:
    said = PUBLIC | {"content-length": str(len(body))}
    said |= {name.replace("_", "-"): value for name, value in headers.items()}
    kept = [(name.encode(), value.encode()) for name, value in said.items() if value]
    await send({"type": "http.response.start", "status": status, "headers": kept})
    await send({"type": "http.response.body", "body": body})


def answering(status: int = 200, body: bytes = b"{}", **headers: str) -> Handler:
    async def handle(_: Scope, send: Send) -> None:
        await respond(send, body, status, **headers)

    return handle


async def test_an_answer_is_made_once_and_given_again_byte_for_byte() -> None:
    site = Site()

    answers = [await site.get("limit=5") for _ in range(3)]

    assert len(site.seen) == 1
    assert {answer.body for answer in answers} == {answers[0].body}
    assert all(answer.headers.items() >= PUBLIC.items() for answer in answers)


async def test_each_target_has_an_answer_of_its_own() -> None:
    site = Site()

    bodies = {(await site.get(query)).body for query in ("", "limit=5", "limit=6", "limit=5&", "LIMIT=5")}

    assert len(bodies) == len(site.seen) == 5


async def test_a_client_that_has_it_is_told_so_without_a_body() -> None:
    site = Site()
    for tag in ('"1"', 'W/"1"', '"0", "1"', "*"):
        answer = await site.get(if_none_match=tag)
        assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", '"1"'), tag
        assert "content-length" not in answer.headers
        assert answer.headers["cache-control"] == PUBLIC["cache-control"]
    assert (await site.get(if_none_match='"2"')).status == 200
    assert len(site.seen) == 1, "a condition belongs to the caller: the answer is made whole"


async def test_every_answer_has_a_request_id_of_its_own() -> None:
    site = Site()
    await site.get()

    given = (await site.get(x_request_id="mine-1")).headers["x-request-id"]
    made = {(await site.get()).headers["x-request-id"] for _ in range(100)}
    refused = (await site.get(x_request_id="x\r\nset-cookie: y")).headers["x-request-id"]

    assert given == "mine-1"
    assert len(made) == 100
    assert "set-cookie" not in refused


@pytest.mark.parametrize("header", ["authorization", "cookie", "x-forwarded-host", "host", "x-secret", "referer"])
async def test_nothing_of_whoever_asked_first_is_in_the_answer(header: str) -> None:
    site = Site()

    first = await site.get(**{header.replace("-", "_"): "s3cret-of-the-first"})
    second = await site.get()

    assert len(site.seen) == 1
    assert b"s3cret" not in first.body + second.body
    assert "s3cret" not in repr([first.headers, second.headers])


async def test_the_request_as_it_came_is_still_there_to_be_charged() -> None:
    site = Site()

    await site.get(authorization="Bearer mine")

    assert (b"authorization", b"Bearer mine") in site.seen[0][context.CALLER]["headers"]


async def test_what_a_caller_has_left_of_a_rate_limit_is_not_told_to_another() -> None:
    site = Site(answering(ratelimit='"anonymous";r=3', ratelimit_policy='"anonymous";q=300', retry_after="1"))

    await site.get()
    again = await site.get()

    assert len(site.seen) == 1
    assert not {"ratelimit", "ratelimit-policy", "retry-after"} & again.headers.keys()


@pytest.mark.parametrize(
    "handle",
    [
        *(answering(status) for status in (201, 204, 206, 301, 304, 401, 403, 404, 422, 429, 500, 503)),
        answering(set_cookie="a=b"),
        answering(cache_control="private, max-age=10"),
        answering(cache_control="public, no-store"),
        answering(cache_control="public, no-cache"),
        answering(cache_control='public, private="set-cookie"'),
        answering(cache_control="max-age=10"),
        answering(cache_control=""),
        answering(etag=""),
        answering(vary="Accept-Language"),
        answering(vary="Origin, Cookie"),
        answering(vary="*"),
        answering(content_encoding="gzip"),
        answering(access_control_allow_origin="https://somebody.test"),
        answering(body=b"x" * (recording.MAX_ANSWER + 1)),
    ],
)
async def test_what_is_not_everybodys_is_never_kept(handle: Handler) -> None:
    site = Site(handle)

    first, second = await site.get(), await site.get()

    assert len(site.seen) == 2
    assert (first.status, first.body) == (second.status, second.body)
    assert first.status != 0, "it still reaches who asked"
    assert site.memory.size == 0


async def test_an_error_is_not_kept_and_the_next_answer_is() -> None:
    site = Site(answering(503))
    assert (await site.get()).status == 503
    site.handle = answering()
    assert (await site.get()).status == 200
    site.handle = answering(503)
    assert (await site.get()).status == 200


async def test_a_failure_reaches_who_asked_and_sets_those_who_wait_free() -> None:
    gate = asyncio.Event()

    async def fail(_: Scope, _send: Send) -> None:
        await gate.wait()
        raise RuntimeError("broken")

    site = Site(fail)
    waiting = [asyncio.create_task(site.get()) for _ in range(5)]
    await asyncio.sleep(0)
    gate.set()

    outcomes = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [RuntimeError] * 5
    assert len(site.seen) == 5, "each has asked for itself"


async def test_an_answer_that_breaks_off_is_not_kept() -> None:
    async def half(_: Scope, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"public"), TAG]})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
        raise RuntimeError("broken")

    site = Site(half)
    with pytest.raises(RuntimeError):
        await site.get()
    site.handle = answering(body=b"whole")
    assert (await site.get()).body == b"whole"


TAG = (b"etag", b'"1"')


async def test_a_crowd_asks_once_when_the_version_changes() -> None:
    gate = asyncio.Event()
    site = Site()
    await site.get()

    async def slow(_: Scope, send: Send) -> None:
        await gate.wait()
        await respond(send, b"new")

    site.handle = slow
    site.memory.confirm("second")
    crowd = [asyncio.create_task(site.get()) for _ in range(100)]
    await asyncio.sleep(0)
    gate.set()

    assert {answer.body for answer in await asyncio.gather(*crowd)} == {b"new"}
    assert len(site.seen) == 2


async def test_a_client_that_goes_away_takes_nobody_with_it() -> None:
    gate = asyncio.Event()
    site = Site()

    async def slow(_: Scope, send: Send) -> None:
        await gate.wait()
        await respond(send, b"new")

    site.handle = slow
    first, second, third = [asyncio.create_task(site.get()) for _ in range(3)]
    await asyncio.sleep(0)
    second.cancel()
    first.cancel()
    await asyncio.sleep(0)
    gate.set()

    assert (await third).body == b"new"


@pytest.mark.parametrize("change", ["version", "write"])
async def test_what_was_being_made_when_something_changed_is_not_kept(change: str) -> None:
    started, gate = asyncio.Event(), asyncio.Event()
    site = Site(forget_after=["/me"])

    async def slow(_: Scope, send: Send) -> None:
        started.set()
        await gate.wait()
        await respond(send, b"old")

    site.handle = slow
    reading = asyncio.create_task(site.get())
    await started.wait()
    site.handle = answering(body=b"new")
    if change == "version":
        site.memory.confirm("second")
    else:
        await site.get(method="PATCH", path="/me")
    after = await site.get()  # does not wait for what began before
    gate.set()
    await reading

    assert after.body == b"new"
    assert (await site.get()).body == b"new"


async def test_the_same_version_keeps_what_is_there() -> None:
    site = Site()
    await site.get()
    site.memory.confirm("first")
    await site.get()
    assert len(site.seen) == 1


async def test_a_write_shows_before_its_own_answer_is_sent() -> None:
    site = Site(forget_after=["/me"])
    await site.get()

    async def changed(_: Scope, send: Send) -> None:
        await respond(send)
        assert site.memory.size == 0

    site.handle = changed
    await site.get(method="PATCH", path="/me")
    await site.get()
    assert len(site.seen) == 3


@pytest.mark.parametrize(
    ("method", "path", "status"), [("PATCH", "/me", 422), ("GET", "/me", 200), ("POST", "/x", 201)]
)
async def test_what_changes_nothing_forgets_nothing(method: str, path: str, status: int) -> None:
    site = Site(forget_after=["/me"])
    await site.get()
    site.handle = answering(status)
    await site.get(method=method, path=path)
    site.handle = answering()
    await site.get()
    assert len(site.seen) == 2


async def test_without_word_of_the_version_everything_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    for module in (memory, recording):
        monkeypatch.setattr(module, "monotonic", lambda: now[0])
    site = Site(lifetime_seconds=1000)
    await site.get()
    now[0] += memory.TRUST_SECONDS + 0.1
    await site.get()
    assert len(site.seen) == 2
    site.memory.confirm("first")
    await site.get()
    assert len(site.seen) == 2
    assert site.woken == 2, "whoever looks at versions is woken whenever something has to be made"


async def test_an_answer_lives_no_longer_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    for module in (memory, recording):
        monkeypatch.setattr(module, "monotonic", lambda: now[0])
    site = Site()
    await site.get()
    now[0] += memory.LIFETIME_SECONDS + 0.1
    site.memory.confirm("first")
    await site.get()
    assert len(site.seen) == 2


@pytest.mark.parametrize("origin", [HOME, OTHER])
async def test_an_allowed_origin_gets_an_answer_made_for_it(origin: str) -> None:
    async def cors(scope: Scope, send: Send) -> None:
        asked = dict(scope["headers"]).get(b"origin", b"").decode()
        await respond(send, access_control_allow_origin=asked)

    site = Site(cors)
    await site.get()
    for other in (HOME, OTHER):
        await site.get(origin=other)

    assert (await site.get(origin=origin)).headers["access-control-allow-origin"] == origin
    assert "access-control-allow-origin" not in (await site.get()).headers
    assert len(site.seen) == 3


async def test_strange_origins_make_no_answers_of_their_own() -> None:
    site = Site()
    for number in range(50):
        answer = await site.get(origin=f"https://{number}.evil.test")
        assert "access-control-allow-origin" not in answer.headers
    assert len(site.seen) == 1


async def test_two_origins_at_once_cannot_mix_their_answers() -> None:
    """CORS takes the first line of a header, a dictionary the last: what is made must be for the one it is kept for."""
    site = Site()
    scope: Scope = {
        "type": "http", "method": "GET", "path": PATH, "query_string": b"",
        "headers": [(b"origin", HOME.encode()), (b"origin", OTHER.encode())],
    }  # fmt: skip
    await site.memory.make(site.app, scope, nothing, Got().send)

    assert [value.decode() for name, value in site.seen[0]["headers"] if name == b"origin"] == [OTHER]
    assert site.memory.find({**scope, "headers": [(b"origin", HOME.encode())]}) is None


@pytest.mark.parametrize(
    ("method", "path"), [("HEAD", PATH), ("POST", PATH), ("GET", "/elsewhere"), ("GET", PATH + "/")]
)
async def test_nothing_else_is_touched(method: str, path: str) -> None:
    site = Site()
    for _ in range(2):
        await site.get(method=method, path=path, cookie="mine")
    assert len(site.seen) == 2
    assert all((b"cookie", b"mine") in scope["headers"] for scope in site.seen)


async def test_a_stream_of_new_targets_neither_grows_nor_evicts_what_is_asked_for() -> None:
    site = Site(answering(body=b"x" * 1000), max_bytes=100_000)
    await site.get("hot")
    await site.get("hot")
    for number in range(5000):
        await site.get(f"q={number}")
        if number % 20 == 0:
            await site.get("hot")
        assert site.memory.size <= 100_000
    assert sum(scope["query_string"] == b"hot" for scope in site.seen) == 1


async def test_targets_longer_than_any_real_one_are_not_kept() -> None:
    site = Site()
    for _ in range(2):
        await site.get("x" * (memory.MAX_TARGET + 1))
    assert len(site.seen) == 2


async def test_what_was_answered_from_memory_is_accounted_for() -> None:
    site = Site()
    for tag in ("", "", '"1"'):
        await site.get(if_none_match=tag)
    site.memory.confirm("first")
    site.memory.confirm("first")
    assert site.served == {(PATH, 200): 1, (PATH, 304): 1}, "the first was logged and counted as any request"


def make_answer(size: int) -> Answer:
    return Answer((), (), {}, b'"1"', size, 0, Tally())


def test_shelves_stay_within_their_bytes_whatever_is_put_and_asked_for() -> None:
    shelves = Shelves(1000)
    for number in range(200):
        shelves.put(number, make_answer(10 + number))
        shelves.get(number)
        shelves.get(number // 2)
        assert shelves.size <= 1000
    shelves.clear()
    assert (shelves.size, shelves.get(199)) == (0, None)


def test_an_answer_replaced_is_counted_once() -> None:
    shelves = Shelves(1000)
    for _ in range(5):
        shelves.put("a", make_answer(100))
    shelves.get("a")
    for _ in range(5):
        shelves.put("a", make_answer(200))
    assert shelves.size == 200


def test_an_answer_says_itself_that_it_is_everybodys() -> None:
    headers = [(name.encode(), value.encode()) for name, value in PUBLIC.items()]
    assert may_be_kept(200, headers, b"")
    assert may_be_kept(200, [*headers, (b"access-control-allow-origin", HOME.encode())], HOME.encode())
    assert not may_be_kept(200, [*headers, (b"access-control-allow-origin", HOME.encode())], OTHER.encode())
    assert not may_be_kept(200, [*headers, (b"Vary", b"Cookie")], b""), "every line of a header counts"
