"""Questions that are asked at the same moment, put to the database as one.

Most of what a short read costs is the way to the database and the start of a statement, on both sides. So whoever asks
while others ask shares a statement with them; whoever is alone waits for nobody. Nothing is kept: an answer is always
read after its question was put.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")

FLIGHTS = 2
"""Statements under way at once: one is made ready and told about while the other is answered."""
MOST = 64
"""Questions in a statement."""


class Together(Generic[Question, Answer]):
    """`ask` puts a question; `read` gets those of one statement, and answers each of them in their order.

    What `read` raises, everybody is told who shares the statement.
    """

    def __init__(
        self,
        read: Callable[[Sequence[Question]], Awaitable[Sequence[Answer]]],
        *,
        flights: int = FLIGHTS,
        most: int = MOST,
    ) -> None:
        self._read = read
        self._flights = flights
        self._most = most
        self._waiting: deque[tuple[Question, asyncio.Future[Answer]]] = deque()
        self._under_way = 0
        self._tasks: set[asyncio.Task[None]] = set()
        """Held here, as the loop itself forgets a task that nobody holds."""

    async def ask(self, question: Question) -> Answer:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if self._under_way < self._flights:
            self._under_way += 1
            # In a context of its own: it belongs to no request more than to another.
            flight = asyncio.create_task(self._fly(), context=Context())
            self._tasks.add(flight)
            flight.add_done_callback(self._tasks.discard)
        return await answer

    async def _fly(self) -> None:
        """Begins once everybody who has just been heard has asked."""
        try:
            while self._waiting:
                number = min(len(self._waiting), self._most)
                await self._answer([self._waiting.popleft() for _ in range(number)])
        finally:
            self._under_way -= 1  # at once: who is answered may ask again before the task counts as done

    async def _answer(self, asked: Sequence[tuple[Question, "asyncio.Future[Answer]"]]) -> None:
        try:
            answers = await self._read([question for question, _ in asked])
            for (_, future), answer in zip(asked, answers, strict=True):
                if not future.done():  # who asked may have gone
                    future.set_result(answer)
        except Exception as error:  # noqa: BLE001  (told to everybody, who raise it)
            for _, future in asked:
                if not future.done():
                    future.set_exception(error)
        finally:
            for _, future in asked:
                future.cancel()  # nobody is left waiting, whatever ended this
