"""A query's rows as CSV, written by the database itself: RFC 4180, UTF-8."""

import codecs

import asyncpg

from elevate_api.exports.download import Produce, Write


def csv_of(query: str, *, bom: bool = False) -> Produce:
    """Fields quoted where they must be, a line of names first, lines ended by CRLF; a byte order mark on request."""

    async def produce(connection: asyncpg.Connection, write: Write) -> None:
        lines = _LineEnds()

        async def convert(piece: bytes) -> None:
            await write(lines.convert(piece))

        if bom:
            await write(codecs.BOM_UTF8)
        await connection.copy_from_query(query, output=convert, format="csv", header=True, encoding="utf-8")

    return produce


class _LineEnds:
    """PostgreSQL ends lines with LF; those outside quotes become CRLF. A doubled quote leaves the state as it was."""

    def __init__(self) -> None:
        self._quoted = False

    def convert(self, piece: bytes) -> bytes:
        if b'"' not in piece:
            return piece if self._quoted else piece.replace(b"\n", b"\r\n")
        parts = piece.split(b'"')
        for number in range(int(self._quoted), len(parts), 2):
            parts[number] = parts[number].replace(b"\n", b"\r\n")
        self._quoted ^= len(parts) % 2 == 0
        return b'"'.join(parts)
