from dataclasses import dataclass

from elevate_api.kit.procedures import ProcedureFailed


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a line of a file. Lines count from 1; a record over several lines has the first one's."""

    line: int
    message: str
    column: str | None = None

    def __str__(self) -> str:
        where = f"line {self.line}" if self.column is None else f"line {self.line}, {self.column}"
        return f"{where}: {self.message}"


class BadFile(ProcedureFailed):
    """A file cannot be imported; nothing was written."""

    def __init__(self, faults: list[Fault], *, more: bool = False) -> None:
        lines = [str(fault) for fault in faults]
        super().__init__("nothing was imported:\n  " + "\n  ".join([*lines, *(["..."] if more else [])]))
        self.faults = faults
