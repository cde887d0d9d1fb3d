"""Answers kept as bytes, within a number of bytes."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from starlette.types import Message

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(slots=True)
class Tally:
    """How many were answered from memory, with 200 and with 304."""

    whole: int = 0
    unmodified: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """A 200, ready to be sent again. Times are of `time.monotonic`."""

    headers: Headers
    headers_unmodified: Headers
    body: Message
    etag: bytes
    size: int
    expires_at: float
    tally: Tally


class Shelves:
    """Answers by key within a number of bytes, the longest unused leaving first.

    One half is for what was asked for once only: a stream of ever new targets turns over that half and leaves what is
    asked for again and again alone (segmented LRU).
    """

    def __init__(self, max_bytes: int) -> None:
        self._once = _Shelf(max_bytes // 2)
        self._again = _Shelf(max_bytes - max_bytes // 2)

    def get(self, key: Hashable) -> Answer | None:
        found = self._again.answers.get(key)
        if found is not None:
            self._again.answers.move_to_end(key)
            return found
        found = self._once.take(key)
        if found is not None:
            for older in self._again.put(key, found):
                self._once.put(*older)
        return found

    def put(self, key: Hashable, answer: Answer) -> None:
        """Keep it where its key was; at first with what was asked for once."""
        shelf = self._again if key in self._again.answers else self._once
        shelf.put(key, answer)

    def clear(self) -> None:
        self._once.clear()
        self._again.clear()

    @property
    def size(self) -> int:
        """Bytes in use."""
        return self._once.size + self._again.size


class _Shelf:
    def __init__(self, max_bytes: int) -> None:
        self.answers: OrderedDict[Hashable, Answer] = OrderedDict()
        self.size = 0
        self._max_bytes = max_bytes

    def put(self, key: Hashable, answer: Answer) -> list[tuple[Hashable, Answer]]:
        """Answer what had to leave; that may be the new one itself."""
        self.take(key)
        self.answers[key] = answer
        self.size += answer.size
        left = []
        while self.size > self._max_bytes:
            oldest, gone = self.answers.popitem(last=False)
            self.size -= gone.size
            left.append((oldest, gone))
        return left

    def take(self, key: Hashable) -> Answer | None:
        found = self.answers.pop(key, None)
        if found is not None:
            self.size -= found.size
        return found

    def clear(self) -> None:
        self.answers.clear()
        self.size = 0
