"""How figures and times are written, in the visitor's language and the programme's time zone."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from elevate_api.console.words import Words, number

MINUTE, HOUR, DAY = 60, 3600, 86_400
_KIBI = 1024
_TEN = 10


class Formats:
    """The filters of the templates. Times arrive as the API writes them, RFC 3339; None is written as a dash."""

    def __init__(self, words: Words, zone: ZoneInfo) -> None:
        self._words = words
        self._zone = zone

    def number(self, value: float | None) -> str:
        return "–" if value is None else number(value, self._words.language)

    def day(self, value: str | None) -> str:
        """22 Nov 2026; a plain date is no moment and moves to no other zone."""
        if not value:
            return "–"
        moment = datetime.fromisoformat(value)
        if "T" in value:
            moment = moment.astimezone(self._zone)
        month = self._words("time.months").split()[moment.month - 1]
        return f"{moment.day} {month} {moment.year}"

    def clock(self, value: str | None) -> str:
        if not value:
            return "–"
        separator = "." if self._words.language == "id" else ":"
        return datetime.fromisoformat(value).astimezone(self._zone).strftime(f"%H{separator}%M")

    def moment(self, value: str | None) -> str:
        return f"{self.day(value)}, {self.clock(value)}" if value else "–"

    def ago(self, value: str | None) -> str:
        if not value:
            return "–"
        seconds = (datetime.now(UTC) - datetime.fromisoformat(value)).total_seconds()
        return self._words("time.now") if seconds < MINUTE else self._words("time.ago", time=self.duration(seconds))

    def duration(self, seconds: float | None) -> str:
        """In its largest unit, rounded down: 120 ms, 45 s, 12 min, 5 h, 3 d."""
        if seconds is None:
            return "–"
        for size, name in ((DAY, "days"), (HOUR, "hours"), (MINUTE, "minutes")):
            if seconds >= size:
                return self._words(f"time.{name}", n=number(int(seconds // size), self._words.language))
        if 0 < seconds < 1:
            thousandths = seconds * 1000
            shown = round(thousandths, 1) if thousandths < _TEN else int(thousandths)
            return self._words("time.milliseconds", n=number(shown, self._words.language))
        return self._words("time.seconds", n=number(int(seconds), self._words.language))

    def bytes(self, value: float | None) -> str:
        if value is None:
            return "–"
        size, units = float(value), ["B", "kB", "MB", "GB", "TB"]
        while size >= _KIBI and len(units) > 1:
            size /= _KIBI
            units.pop(0)
        shown = round(size, 1) if 0 < size < _TEN and units[0] != "B" else int(size)
        return f"{number(shown, self._words.language)} {units[0]}"

    def filters(self) -> dict[str, object]:
        names = ("number", "day", "clock", "moment", "ago", "duration", "bytes")
        return {name: getattr(self, name) for name in names}
