"""The five files and their columns, as queries that the database itself turns into CSV.

Text that a spreadsheet would take for a formula gets an apostrophe in front (OWASP, "CSV injection"); numbers, times
and truth values are no text and stay as they are. Times are RFC 3339 in UTC.
"""

import string
from dataclasses import dataclass
from enum import StrEnum

from elevate_api.leaderboards.queries import Period


class CsvFile(StrEnum):
    USERS = "users"
    SUBMISSIONS = "submissions"
    LEDGER = "ledger"
    LEADERBOARD = "leaderboard"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    sql: str


_MARKS = r"""\u00a0\u200b\u3000\ufeff"''"""
_SIGN = r"=+\-@\uff1d\uff0b\uff0d\uff20"  # those of full width count in Asian editions
# What begins like a formula, after any space, quote or invisible mark, and what begins with a tab or an end of line.
_FORMULA = rf"^[\s{_MARKS}]*[{_SIGN}]|^[ {_MARKS}]*[\t\r\n]"
# Where lists are parted by semicolons (Indonesian Excel among them), a field's own semicolon begins another cell.
_CELL = rf"([;\t])([\s{_MARKS}]*)([{_SIGN}])"
_GUARDED = rf"""CASE WHEN {{0}} ~ '{_FORMULA}' THEN '''' ELSE '' END
             || regexp_replace({{0}}, '{_CELL}', '\1\2''\3', 'g')"""
# The patterns find nothing in what begins with a letter, a digit or a brace and has neither semicolon nor tab. Nearly
# every cell is like that, and seeing it takes a tenth of the time that the patterns take.
_FIRST = ",".join(str(ord(character)) for character in (*string.digits, *string.ascii_letters, "{"))
_HARMLESS = rf"""ascii({{0}}) = ANY ('{{{{{_FIRST}}}}}'::integer[])
             AND strpos({{0}}, ';') = 0 AND strpos({{0}}, E'\t') = 0"""
_TEXT = f"CASE WHEN {_HARMLESS} THEN {{0}} ELSE {_GUARDED} END"


def _text(name: str, sql: str | None = None) -> _Column:
    return _Column(name, _TEXT.format(f"({sql or name})::text"))


def _plain(name: str, sql: str | None = None) -> _Column:
    return _Column(name, sql or name)


def _truth(name: str) -> _Column:
    """`true` or `false`, where COPY would write `t` or `f`."""
    return _Column(name, f"{name}::text")


def _time(name: str, sql: str | None = None) -> _Column:
    return _Column(name, f"to_char(({sql or name}) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")


def _select(source: str, *columns: _Column) -> str:
    return f"SELECT {', '.join(f'{column.sql} AS {column.name}' for column in columns)} FROM {source}"


_USERS = _select(
    "users ORDER BY created_at, id",
    _text("id"), _text("handle"), _text("name"), _text("email"), _truth("email_verified"), _text("role"),
    _text("region"), _text("school"), _text("cohort"), _truth("show_on_leaderboard"), _text("kajabi_contact_id"),
    _time("suspended_at"), _time("erase_at"), _time("erased_at"), _time("created_at"), _time("updated_at"),
)  # fmt: skip

_SUBMISSIONS = _select(
    "submissions ORDER BY id",
    _plain("id"), _text("user_id"), _text("activity_code"), _text("status"), _plain("version"), _text("visibility"),
    _text("payload"), _plain("peers_trained"), _plain("students_trained"), _text("reviewer_id"), _text("review_note"),
    _plain("points_awarded"), _text("adjustment_reason"), _time("reviewed_at"), _text("revoked_by"),
    _time("revoked_at"), _text("revoke_reason"), _time("created_at"), _time("updated_at"),
)  # fmt: skip

_LEDGER = _select(
    "points_ledger ORDER BY id",
    _plain("id"), _text("user_id"), _text("activity_code"), _text("source"), _plain("delta_points"),
    _text("external_event_id"), _time("event_time"), _time("created_at"),
)  # fmt: skip

_AUDIT = _select(
    "audit_log ORDER BY id",
    _plain("id"), _text("actor_id"), _text("action"), _text("target_type"), _text("target_id"), _text("details"),
    _text("request_id"), _time("created_at"),
)  # fmt: skip


def _leaderboard(period: Period) -> str:
    """Ranks are those of the whole view; who left the board since its refresh is not shown (as on the board)."""
    ranked = f"SELECT *, rank() OVER (ORDER BY total_points DESC) AS rank FROM {period.view}"
    return _select(
        f"({ranked}) b JOIN users u ON u.id = b.user_id "
        "WHERE u.erased_at IS NULL AND u.show_on_leaderboard AND u.role = 'PARTICIPANT' "
        "ORDER BY b.total_points DESC, b.reached_at, b.user_id",
        _plain("rank", "b.rank"), _text("handle", "u.handle"), _text("name", "u.name"), _text("school", "b.school"),
        _text("cohort", "b.cohort"), _plain("points", "b.total_points"), _plain("entries", "b.entries"),
        _time("last_activity_at", "b.reached_at"),
    )  # fmt: skip


def query_of(file: CsvFile, period: Period = Period.ALL) -> str:
    """The SELECT behind a file; `period` counts for the leaderboard."""
    fixed = {
        CsvFile.USERS: _USERS,
        CsvFile.SUBMISSIONS: _SUBMISSIONS,
        CsvFile.LEDGER: _LEDGER,
        CsvFile.AUDIT: _AUDIT,
    }
    return fixed.get(file) or _leaderboard(period)
