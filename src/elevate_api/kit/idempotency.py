"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): a POST that is repeated has one effect.

The key's row is written in the transaction of the effect, after the response is built and before it is sent:
a crash leaves neither. While that transaction is open, an advisory lock that ends with it tells "still running".
For who was erased meanwhile nothing is kept, and the effect refused: `idempotency_keys_before_insert` of the database.
"""

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, ClassVar

from fastapi import Depends, Header
from sqlalchemy import CursorResult, Index, LargeBinary, SmallInteger, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from starlette.requests import Request
from starlette.responses import Response

from elevate_api.kit.orm import Base, created_at
from elevate_api.kit.problems import Problem, ValidationFailed
from elevate_api.kit.problems.validation import PROBLEM_WHEN_MISSING
from elevate_api.kit.routing import Answered, before_commit

HEADER = "Idempotency-Key"
LIFETIME = timedelta(hours=24)
REPLAYED = "Idempotency-Replayed"

_STORED_HEADERS = ("content-type", "location", "etag")
_Dependency = Callable[..., Any]


class IdempotencyKeyRequired(Problem):
    status = 400
    code = "IDEMPOTENCY_KEY_REQUIRED"
    title = "Idempotency key required"
    detail = "This request must carry an Idempotency-Key header, so that repeating it is safe."


class IdempotencyKeyReused(Problem):
    status = 422
    code = "IDEMPOTENCY_KEY_REUSED"
    title = "Idempotency key reused"
    detail = "This key was used for another request; a new request needs a new key."


class IdempotencyKeyInUse(Problem):
    status = 409
    code = "IDEMPOTENCY_KEY_IN_USE"
    title = "Idempotency key in use"
    detail = "A request with this key is still running; repeat it in a moment to get its result."
    default_headers: ClassVar = {"Retry-After": "1"}


PROBLEMS = (IdempotencyKeyReused, IdempotencyKeyInUse)
"""What every route that takes a key can answer; those that require one add IdempotencyKeyRequired."""

PROBLEM_WHEN_MISSING["header", HEADER] = IdempotencyKeyRequired


class IdempotencyKey(Base):
    """The result of a successful POST, kept for 24 hours for its user and key."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("idempotency_keys_expires_at_idx", "expires_at"),)

    user_id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    status_code: Mapped[int] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, Any]]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[created_at]
    expires_at: Mapped[datetime]


_DESCRIPTION = "Repeating a request with the same key answers its first result again, for 24 hours."
KeyHeader = Header(alias=HEADER, min_length=1, max_length=255, pattern=r"^[\x20-\x7e]+$", description=_DESCRIPTION)


def idempotency(
    current_user_id: Callable[..., str | Awaitable[str]],
    transaction: Callable[..., AsyncGenerator[AsyncSession, None] | Any],
    *,
    required: bool = False,
) -> _Dependency:
    """Make the dependency that a creating POST declares: `dependencies=[Depends(idempotency(...))]` on a `kit` Route.

    `transaction` must be the very dependency (scope "function") whose session the handler writes with.
    Raises IdempotencyKeyReused, IdempotencyKeyInUse, and IdempotencyKeyRequired where `required`.
    """
    user = Annotated[str, Depends(current_user_id)]
    tx = Annotated[AsyncSession, Depends(transaction, scope="function")]

    async def optional_key(
        request: Request,
        user_id: user,
        session: tx,
        key: Annotated[str | None, KeyHeader] = None,
    ) -> None:
        if key is not None:
            await begin(request, session, user_id, key)

    async def required_key(
        request: Request,
        user_id: user,
        session: tx,
        key: Annotated[str, KeyHeader],
    ) -> None:
        await begin(request, session, user_id, key)

    return required_key if required else optional_key


async def purge(session: AsyncSession) -> int:
    """Delete what has expired; answers how many rows that was."""
    return await _delete(session, IdempotencyKey.expires_at <= func.now())


async def forget(session: AsyncSession, user_id: str) -> int:
    """Delete a user's stored results (they hold what the user wrote); answers how many rows that was."""
    return await _delete(session, IdempotencyKey.user_id == user_id)


async def _delete(session: AsyncSession, condition: Any) -> int:
    result = await session.execute(delete(IdempotencyKey).where(condition))
    assert isinstance(result, CursorResult)  # noqa: S101  (what a DELETE gives)
    return result.rowcount


async def begin(request: Request, session: AsyncSession, user_id: str, key: str) -> None:
    """Claim the key, or answer what its first request got."""
    if len(request.headers.getlist(HEADER)) > 1:
        raise ValidationFailed.at(f"header/{HEADER}", "must be sent once")
    claim = _Claim(session, user_id, key, _fingerprint(request, await request.body()))
    if not await claim.acquire():
        raise IdempotencyKeyInUse
    stored = await claim.find()
    if stored is None:
        before_commit(request, claim.store)
    elif stored.request_hash == claim.request_hash:
        raise Answered(_replay(stored))
    else:
        raise IdempotencyKeyReused


@dataclass(frozen=True, slots=True)
class _Claim:
    session: AsyncSession
    user_id: str
    key: str
    request_hash: bytes

    async def acquire(self) -> bool:
        """Take the lock that says "running"; it ends with the transaction, after its rows can be seen."""
        name = hashlib.sha256(f"idempotency\0{self.user_id}\0{self.key}".encode()).digest()
        number = int.from_bytes(name[:8], signed=True)
        return bool(await self.session.scalar(select(func.pg_try_advisory_xact_lock(number))))

    async def find(self) -> IdempotencyKey | None:
        """Look for a live row: in a statement of its own, whose snapshot is younger than the lock."""
        return await self.session.scalar(
            select(IdempotencyKey).where(
                IdempotencyKey.user_id == self.user_id,
                IdempotencyKey.key == self.key,
                IdempotencyKey.expires_at > func.now(),
            )
        )

    async def store(self, response: Response) -> None:
        """Keep a successful response; an expired row of the same key gives way, a live one ends this transaction."""
        if not HTTPStatus.OK <= response.status_code < HTTPStatus.MULTIPLE_CHOICES:
            return
        values = {
            "request_hash": self.request_hash,
            "status_code": response.status_code,
            "headers": {name: response.headers[name] for name in _STORED_HEADERS if name in response.headers},
            "body": bytes(response.body),
            "created_at": func.now(),
            "expires_at": func.now() + LIFETIME,
        }
        written = await self.session.scalar(
            insert(IdempotencyKey)
            .values(user_id=self.user_id, key=self.key, **values)
            .on_conflict_do_update(
                index_elements=["user_id", "key"], set_=values, where=IdempotencyKey.expires_at <= func.now()
            )
            .returning(IdempotencyKey.user_id)
        )
        if written is None:
            raise IdempotencyKeyInUse


def _fingerprint(request: Request, body: bytes) -> bytes:
    """Hash what makes a request the same: method, path, query and the very bytes of the body."""
    parts = (request.method.encode(), request.url.path.encode(), request.scope["query_string"], body)
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.digest()


def _replay(stored: IdempotencyKey) -> Response:
    return Response(stored.body, stored.status_code, {**stored.headers, REPLAYED: "true"})
