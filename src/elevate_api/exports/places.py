"""How many long reads may run at once in this process: each holds a database connection of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

from elevate_api.exports.errors import ExportsBusy


class Places:
    def __init__(self, places: int) -> None:
        self._free = places

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Raises ExportsBusy when none is free."""
        if self._free == 0:
            raise ExportsBusy
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1
