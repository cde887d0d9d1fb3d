"""Questions asked at the same moment: who shares a statement with whom, and what happens when one ends badly."""

import asyncio
from collections.abc import Sequence

import pytest

from elevate_api.kit.together import Together


class Reader:
    """Answers each question with its double once it is let; keeps what each statement was asked."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.turns = asyncio.Semaphore(0)
        self.fault: Exception | None = None

    async def read(self, questions: Sequence[int]) -> list[int]:
        self.asked.append(list(questions))
        await self.turns.acquire()
        if self.fault is not None:
            raise self.fault
        return [2 * question for question in questions]

    def let(self, statements: int = 100) -> None:
        for _ in range(statements):
            self.turns.release()


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_asks_at_the_same_moment_shares_a_statement_and_each_gets_their_own_answer() -> None:
    reader = Reader()
    together = Together(reader.read)
    reader.let()

    answers = await asyncio.gather(*(together.ask(number) for number in range(10)))

    assert answers == [2 * number for number in range(10)]
    assert reader.asked == [list(range(10))]


async def test_who_is_alone_waits_for_nobody() -> None:
    reader = Reader()
    reader.let()

    assert await Together(reader.read).ask(7) == 14
    assert reader.asked == [[7]]


async def test_who_has_an_answer_may_ask_again_at_once() -> None:
    reader = Reader()
    together = Together(reader.read, flights=1)
    reader.let()

    async with asyncio.timeout(5):
        assert [await together.ask(number) for number in range(3)] == [0, 2, 4]


async def test_while_statements_are_under_way_the_next_one_gathers() -> None:
    reader = Reader()
    together = Together(reader.read, flights=2)
    asked = []
    for number in range(6):
        asked.append(asyncio.create_task(together.ask(number)))
        await _settle()
    assert reader.asked == [[0], [1]]

    reader.let()

    assert await asyncio.gather(*asked) == [0, 2, 4, 6, 8, 10]
    assert reader.asked == [[0], [1], [2, 3, 4, 5]]


async def test_a_statement_has_only_so_many_questions() -> None:
    reader = Reader()
    together = Together(reader.read, flights=1, most=4)
    reader.let()

    assert await asyncio.gather(*(together.ask(number) for number in range(10))) == [2 * n for n in range(10)]
    assert [len(questions) for questions in reader.asked] == [4, 4, 2]


async def test_a_fault_is_told_to_those_who_share_it_and_to_nobody_after_them() -> None:
    reader = Reader()
    together = Together(reader.read)
    reader.let()
    reader.fault = ConnectionError("gone")

    failed = await asyncio.gather(together.ask(1), together.ask(2), return_exceptions=True)
    reader.fault = None

    assert [type(error) for error in failed] == [ConnectionError, ConnectionError]
    assert await together.ask(3) == 6


async def test_who_goes_away_takes_nobody_along() -> None:
    reader = Reader()
    together = Together(reader.read)
    asked = [asyncio.create_task(together.ask(number)) for number in range(3)]
    await _settle()
    asked[0].cancel()
    await _settle()

    reader.let()

    assert await asyncio.gather(*asked[1:]) == [2, 4]
    with pytest.raises(asyncio.CancelledError):
        await asked[0]


async def test_nobody_is_left_waiting_for_an_answer_that_was_forgotten() -> None:
    async def forgetful(_questions: Sequence[int]) -> list[int]:
        return [1]

    together = Together(forgetful)
    answers = await asyncio.gather(together.ask(1), together.ask(2), return_exceptions=True)

    assert answers[0] == 1
    assert isinstance(answers[1], ValueError)
