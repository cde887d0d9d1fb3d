"""A repeated POST has one effect, whatever happens in between."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Header, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text

from elevate_api.kit import idempotency, problems
from elevate_api.kit.db import Database, Tx, transaction
from elevate_api.kit.problems import Unauthenticated
from elevate_api.kit.routing import Route
from elevate_api.kit.schemas import Schema

ClientFor = Callable[[FastAPI], httpx.AsyncClient]
KEY = "Idempotency-Key"


class Note(Schema):
    text: str
    status: int = 201


async def user_id(x_user: Annotated[str | None, Header()] = None) -> str:
    if x_user is None:
        raise Unauthenticated
    return x_user


@pytest.fixture
async def notes(database: Database, owner: Database) -> None:
    """A table whose rows are the effects that are counted."""
    async with owner.session() as session:
        await session.execute(text("CREATE TABLE notes (id serial PRIMARY KEY, user_id text, body text)"))
        await session.execute(text("GRANT SELECT, INSERT ON notes TO elevate_app"))
        await session.execute(text("GRANT USAGE ON SEQUENCE notes_id_seq TO elevate_app"))


@pytest.fixture
def gate() -> asyncio.Event:
    """While it is clear, `POST /slow` waits with its transaction open."""
    return asyncio.Event()


@pytest.fixture
def app(database: Database, notes: None, gate: asyncio.Event) -> FastAPI:
    app = FastAPI()
    app.router.route_class = Route
    app.state.database = database
    problems.install(app, {})
    optional = [Depends(idempotency.idempotency(user_id, transaction))]
    required = [Depends(idempotency.idempotency(user_id, transaction, required=True))]

    async def write(session: Tx, note: Note) -> int:
        number = await session.scalar(
            text("INSERT INTO notes (user_id, body) VALUES ('u', :body) RETURNING id"), {"body": note.text}
        )
        assert isinstance(number, int)
        return number

    @app.post("/notes", status_code=201, dependencies=optional)
    async def create(note: Note, session: Tx, response: Response) -> dict[str, Any]:
        number = await write(session, note)
        response.headers["Location"] = f"/notes/{number}"
        response.headers["Set-Cookie"] = "a=b"
        return {"id": number, "text": note.text}

    @app.post("/required", status_code=204, dependencies=required)
    async def create_required(note: Note, session: Tx) -> None:
        await write(session, note)

    @app.post("/slow", dependencies=optional)
    async def slow(note: Note, session: Tx, request: Request) -> int:
        number = await write(session, note)
        request.app.state.waiting.set()
        await gate.wait()
        return number

    @app.post("/answers", dependencies=optional)
    async def answers(note: Note, session: Tx) -> JSONResponse:
        await write(session, note)
        return JSONResponse({}, note.status)

    @app.post("/fails", dependencies=optional)
    async def fails(note: Note, session: Tx) -> None:
        await write(session, note)
        raise problems.Conflict

    @app.post("/commit-fails", dependencies=optional)
    async def commit_fails(note: Note, session: Tx) -> None:
        await write(session, note)
        await session.execute(text("SET LOCAL statement_timeout = 0"))
        await session.execute(text("INSERT INTO late VALUES (1)"))

    app.state.waiting = asyncio.Event()
    return app


@pytest.fixture
def client(app: FastAPI, client_for: ClientFor) -> httpx.AsyncClient:
    client = client_for(app)
    client.headers["X-User"] = "ada"
    return client


async def count(database: Database, table: str) -> int:
    async with database.session() as session:
        number = await session.scalar(text(f"SELECT count(*) FROM {table}"))
    assert isinstance(number, int)
    return number


async def test_the_same_request_gets_the_same_answer_and_one_effect(
    client: httpx.AsyncClient, database: Database
) -> None:
    first = await client.post("/notes", json={"text": "a"}, headers={KEY: "k1"})
    second = await client.post("/notes", json={"text": "a"}, headers={KEY: "k1"})

    assert (first.status_code, first.json(), first.headers["location"]) == (201, {"id": 1, "text": "a"}, "/notes/1")
    assert (second.status_code, second.content) == (201, first.content)
    assert second.headers["location"] == "/notes/1"
    assert second.headers["content-type"] == first.headers["content-type"]
    assert second.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert "set-cookie" not in second.headers
    assert await count(database, "notes") == 1


async def test_an_answer_without_a_body_is_repeated_too(client: httpx.AsyncClient, database: Database) -> None:
    for _ in range(2):
        answer = await client.post("/required", json={"text": "a"}, headers={KEY: "k1"})
        assert (answer.status_code, answer.content) == (204, b"")
    assert await count(database, "notes") == 1


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/notes", b'{"text":"b"}'),
        ("/notes", b'{"text": "a"}'),
        ("/notes?x=1", b'{"text":"a"}'),
        ("/answers", b'{"text":"a"}'),
    ],
)
async def test_a_key_belongs_to_one_request(
    client: httpx.AsyncClient, database: Database, path: str, content: bytes
) -> None:
    headers = {KEY: "k1", "Content-Type": "application/json"}
    await client.post("/notes", content=b'{"text":"a"}', headers=headers)
    answer = await client.post(path, content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert await count(database, "notes") == 1


async def test_a_key_belongs_to_one_user(client: httpx.AsyncClient, database: Database) -> None:
    for user in ("ada", "bob"):
        answer = await client.post("/notes", json={"text": "a"}, headers={KEY: "k1", "X-User": user})
        assert "idempotency-replayed" not in answer.headers
    assert await count(database, "notes") == 2


async def test_without_a_key_every_request_counts(client: httpx.AsyncClient, database: Database) -> None:
    for _ in range(2):
        assert (await client.post("/notes", json={"text": "a"})).status_code == 201
    assert await count(database, "notes") == 2
    assert await count(database, "idempotency_keys") == 0


async def test_a_key_may_be_required(client: httpx.AsyncClient, database: Database) -> None:
    answer = await client.post("/required", json={"text": 5})
    assert (answer.status_code, answer.json()["code"]) == (400, "IDEMPOTENCY_KEY_REQUIRED")
    assert await count(database, "notes") == 0


async def test_the_document_says_whether_a_key_is_required(app: FastAPI) -> None:
    def parameter(path: str) -> Any:
        found = app.openapi()["paths"][path]["post"]["parameters"]
        return next(item for item in found if item["name"] == KEY)

    assert parameter("/required")["required"] is True
    assert parameter("/notes")["required"] is False


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "\u00e4", "a\0b", "\x7f"])
async def test_a_key_is_printable_and_short(client: httpx.AsyncClient, database: Database, key: str) -> None:
    headers = [(KEY.encode(), key.encode("latin-1")), (b"X-User", b"ada")]
    answer = await client.post("/notes", json={"text": "a"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_FAILED")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["header/Idempotency-Key"]
    assert await count(database, "notes") == 0


@pytest.mark.parametrize("key", ["x", "x" * 255, '"8e03978e-40d5"', "a b~!", "'; DROP TABLE notes; --"])
async def test_any_printable_key_will_do(client: httpx.AsyncClient, key: str) -> None:
    await client.post("/notes", json={"text": "a"}, headers={KEY: key})
    answer = await client.post("/notes", json={"text": "a"}, headers={KEY: key})
    assert answer.headers["idempotency-replayed"] == "true"


async def test_two_keys_are_no_key(client: httpx.AsyncClient) -> None:
    answer = await client.post("/notes", json={"text": "a"}, headers=[(KEY, "a"), (KEY, "b"), ("X-User", "ada")])
    assert answer.status_code == 422


async def test_sign_in_comes_first(client: httpx.AsyncClient) -> None:
    del client.headers["X-User"]
    assert (await client.post("/required", json={})).status_code == 401


async def test_a_request_that_is_still_running_is_not_repeated(
    app: FastAPI, client: httpx.AsyncClient, database: Database, gate: asyncio.Event
) -> None:
    first = asyncio.create_task(client.post("/slow", json={"text": "a"}, headers={KEY: "k1"}))
    await app.state.waiting.wait()
    running = await client.post("/slow", json={"text": "a"}, headers={KEY: "k1"})
    gate.set()
    done = await first
    after = await client.post("/slow", json={"text": "a"}, headers={KEY: "k1"})

    assert (running.status_code, running.json()["code"]) == (409, "IDEMPOTENCY_KEY_IN_USE")
    assert running.headers["retry-after"] == "1"
    assert (done.status_code, after.content) == (200, done.content)
    assert await count(database, "notes") == 1


async def test_a_row_that_came_in_between_undoes_the_effect(
    app: FastAPI, client: httpx.AsyncClient, database: Database, gate: asyncio.Event
) -> None:
    """What the lock prevents: even without it, the primary key lets only one of two effects stand."""
    late = asyncio.create_task(client.post("/slow", json={"text": "a"}, headers={KEY: "k1"}))
    await app.state.waiting.wait()
    async with database.session() as session:
        await session.execute(
            text(
                "INSERT INTO idempotency_keys (user_id, key, request_hash, status_code, headers, body, expires_at)"
                " VALUES ('ada', 'k1', '', 200, '{}', '', now() + interval '1 hour')"
            )
        )
    gate.set()
    assert (await late).json()["code"] == "IDEMPOTENCY_KEY_IN_USE"
    assert await count(database, "notes") == 0


@pytest.mark.parametrize("attempt", range(3))
async def test_twenty_simultaneous_repetitions_have_one_effect(
    client: httpx.AsyncClient, database: Database, attempt: int
) -> None:
    answers = await asyncio.gather(
        *(client.post("/notes", json={"text": "a"}, headers={KEY: f"k{attempt}"}) for _ in range(20))
    )
    created = [answer for answer in answers if answer.status_code == 201]
    assert await count(database, "notes") == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert {answer.content for answer in created} == {b'{"id":1,"text":"a"}'}
    assert sum("idempotency-replayed" not in answer.headers for answer in created) == 1


@pytest.mark.parametrize(("path", "body"), [("/fails", {"text": "a"}), ("/notes", {"text": 5}), ("/notes", {"zzz": 1})])
async def test_a_failure_is_not_kept(client: httpx.AsyncClient, database: Database, path: str, body: Any) -> None:
    answer = await client.post(path, json=body, headers={KEY: "k1"})
    assert answer.status_code in {409, 422}
    assert await count(database, "idempotency_keys") == 0
    assert await count(database, "notes") == 0
    assert (await client.post("/notes", json={"text": "a"}, headers={KEY: "k1"})).status_code == 201


@pytest.mark.parametrize(("status", "kept"), [(200, 1), (202, 1), (299, 1), (302, 0), (400, 0), (503, 0)])
async def test_only_success_is_kept(client: httpx.AsyncClient, database: Database, status: int, kept: int) -> None:
    await client.post("/answers", json={"text": "a", "status": status}, headers={KEY: "k1"})
    assert await count(database, "idempotency_keys") == kept


async def test_a_commit_that_fails_leaves_neither_effect_nor_key(
    client: httpx.AsyncClient, database: Database, owner: Database
) -> None:
    async with owner.session() as session:
        await session.execute(text("CREATE TABLE late (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)"))
        await session.execute(text("INSERT INTO late VALUES (1)"))
        await session.execute(text("GRANT SELECT, INSERT ON late TO elevate_app"))

    answer = await client.post("/commit-fails", json={"text": "a"}, headers={KEY: "k1"})

    assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")
    assert await count(database, "notes") == 0
    assert await count(database, "idempotency_keys") == 0


async def test_a_key_is_forgotten_after_a_day(client: httpx.AsyncClient, database: Database) -> None:
    await client.post("/notes", json={"text": "a"}, headers={KEY: "k1"})
    async with database.session() as session:
        lifetime = await session.scalar(text("SELECT expires_at - created_at FROM idempotency_keys"))
        assert lifetime == idempotency.LIFETIME
        await session.execute(text("UPDATE idempotency_keys SET expires_at = now()"))

    again = await client.post("/notes", json={"text": "b"}, headers={KEY: "k1"})
    replayed = await client.post("/notes", json={"text": "b"}, headers={KEY: "k1"})

    assert "idempotency-replayed" not in again.headers
    assert replayed.content == again.content
    assert await count(database, "notes") == 2
    assert await count(database, "idempotency_keys") == 1


async def test_purging_removes_what_has_expired_and_nothing_else(client: httpx.AsyncClient, database: Database) -> None:
    for key in ("old", "new"):
        await client.post("/notes", json={"text": "a"}, headers={KEY: key})
    async with database.session() as session:
        await session.execute(text("UPDATE idempotency_keys SET expires_at = now() WHERE key = 'old'"))
    async with database.session() as session:
        assert await idempotency.purge(session) == 1
        assert await session.scalar(text("SELECT key FROM idempotency_keys")) == "new"


async def test_what_a_user_wrote_can_be_forgotten(client: httpx.AsyncClient, database: Database) -> None:
    for user in ("ada", "bob"):
        await client.post("/notes", json={"text": "a"}, headers={KEY: "k1", "X-User": user})
    async with database.session() as session:
        assert await idempotency.forget(session, "ada") == 1
    assert await count(database, "idempotency_keys") == 1
