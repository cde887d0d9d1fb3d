"""Both catalogues say the same things, and nothing in them is left over."""

import re
from collections.abc import Iterator
from string import Formatter
from zoneinfo import ZoneInfo

import pytest
from pydantic.alias_generators import to_camel

from elevate_api.alerts.rules import Name
from elevate_api.auth.roles import Role
from elevate_api.console import pages
from elevate_api.console.formats import Formats
from elevate_api.console.words import FOLDER, LANGUAGES, number, words_of
from elevate_api.kajabi.rules import Status
from elevate_api.points.rules import ActivityCode
from elevate_api.review.suspicion import WarningCode
from elevate_api.submissions.payloads import PAYLOADS
from elevate_api.submissions.schemas import SubmissionStatus, Visibility

PACKAGE = FOLDER.parent
KEY = re.compile(r"""["'`]([a-z_]+(?:\.[A-Za-z0-9_]+)*)["'`]""")
NAMED = re.compile(r"""\b(?:t|words)\(\s*["']([A-Za-z0-9_.]+)["']\s*[,)]""")
COUNTED = re.compile(r"""(?:t|words)\.n\(\s*["']([a-z_.]+)["']""")

PUT_TOGETHER: dict[str, set[str]] = {
    "role.": set(Role),
    "stage.": set(ActivityCode),
    "error.title.": {str(status) for status in pages._WORDED},
    "error.text.": {str(status) for status in pages._WORDED},
    "field.": {to_camel(name) for payload in PAYLOADS.values() for name in payload.model_fields},
    "status.": set(SubmissionStatus),
    "visibility.": set(Visibility),
    "warning.": set(WarningCode),
    "review.key.": {"next", "previous", "approve", "reject", "adjust", "select", "take", "help"},
    "js.desk.bulk_": {f"{decision}.{form}" for decision in ("approve", "reject") for form in ("one", "other")},
    "board.period.": {"all", "30d"},
    "board.stats.": {"learning", "peers", "students", "stories"},
    "time.": {"days", "hours", "minutes"},
    "ops.": {"activity", "views", "backups", "integrity", "server"},
    "ops.rule.": set(Name),
    "ops.health.": {"healthy", "degraded", "unhealthy"},
    "ops.check.": {"pass", "warn", "fail"},
    "ops.check.name.": {"database", "migrations", "views", "figures", "pool", "scheduler"},
    "ops.alert.": {"PENDING", "FIRING", "ACKNOWLEDGED"},
    "ops.views.": {"filled", "empty", "missing"},
    "ops.kajabi.status.": set(Status),
    "badge.": {"STARTER", "IN_CLASS_INNOVATOR", "COMMUNITY_VOICE", "AMPLIFIER", "SHINE_NOMINEE"},
}
"""Keys that no source holds as a whole: how they begin, and everything that they can go on with."""


def texts(language: str) -> dict[str, str]:
    return dict(words_of(language)._texts)


def used() -> Iterator[str]:
    for path in sorted(PACKAGE.rglob("*")):
        if path.suffix in {".py", ".html", ".js"} and "vendor" not in path.parts:
            source = path.read_text(encoding="utf-8")
            yield from (match[1] for match in KEY.finditer(source))
            yield from (f"{match[1]}.{form}" for match in COUNTED.finditer(source) for form in ("one", "other"))
    for beginning, ends in PUT_TOGETHER.items():
        yield from (beginning + end for end in ends)


def test_the_languages_have_the_same_texts() -> None:
    first, *others = (texts(language) for language in LANGUAGES)
    for other in others:
        assert other.keys() ^ first.keys() == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_things_are_filled_in(language: str) -> None:
    formatter = Formatter()
    for key, text in texts(language).items():
        filled = {name for _, name, _, _ in formatter.parse(text) if name}
        assert filled == {name for _, name, _, _ in formatter.parse(texts("en")[key]) if name}, key


def test_no_text_is_unused() -> None:
    assert texts("en").keys() - set(used()) == set()


def test_every_key_that_is_named_has_its_text() -> None:
    named = {
        match[1]
        for path in sorted(PACKAGE.rglob("*"))
        if path.suffix in {".py", ".html", ".js"} and "vendor" not in path.parts and path.name != "__init__.py"
        for match in NAMED.finditer(path.read_text(encoding="utf-8"))
    }
    assert len(named) > 100
    assert named - texts("en").keys() == set()


def test_every_key_that_is_put_together_has_its_texts() -> None:
    wanted = {beginning + end for beginning, ends in PUT_TOGETHER.items() for end in ends}
    assert wanted - texts("en").keys() == set()


def test_numbers_and_sizes_are_written_as_in_the_language() -> None:
    assert (number(1234.5, "en"), number(1234.5, "id")) == ("1,234.5", "1.234,5")
    english, indonesian = (Formats(words_of(language), ZoneInfo("Asia/Jakarta")) for language in ("en", "id"))
    assert english.moment("2026-01-31T20:05:00Z") == "1 Feb 2026, 03:05"
    assert indonesian.moment("2026-04-30T20:05:00Z") == "1 Mei 2026, 03.05"
    assert english.day("2026-01-31") == "31 Jan 2026"
    assert [english.duration(seconds) for seconds in (0, 0.004, 0.25, 59, 60, 7200, 200_000)] == [
        "0 s", "4.0 ms", "250 ms", "59 s", "1 min", "2 h", "2 d",
    ]  # fmt: skip
    assert [english.bytes(size) for size in (None, 0, 1023, 1536, 52_428_800)] == [
        "–",
        "0 B",
        "1,023 B",
        "1.5 kB",
        "50 MB",
    ]
