"""Names and kinds of evidence files. Pure.

What a browser says about a file is untrusted: the name is cleaned, its ending follows the kind, and the kind is one
of five that `inspection` holds against the bytes.
"""

import re
import unicodedata
from collections.abc import Mapping
from enum import StrEnum
from urllib.parse import quote

MAX_NAME = 150
"""Characters. Any file system takes the UTF-8 of most names of that length."""


class ContentType(StrEnum):
    """What may be uploaded."""

    PDF = "application/pdf"
    JPEG = "image/jpeg"
    PNG = "image/png"
    WEBP = "image/webp"
    CSV = "text/csv"


ENDINGS: Mapping[ContentType, tuple[str, ...]] = {
    ContentType.PDF: (".pdf",),
    ContentType.JPEG: (".jpg", ".jpeg"),
    ContentType.PNG: (".png",),
    ContentType.WEBP: (".webp",),
    ContentType.CSV: (".csv",),
}
"""The first is appended to a name that has none of them."""

_UNSAFE = re.compile(r'[<>:"|?*`$%;&]')  # reserved by Windows, or with a meaning to shells and templates
_NOT_TOKEN = re.compile(r"[^A-Za-z0-9 ._()+-]")


def clean_name(given: str, kind: ContentType) -> str:
    """A file name without path, control or invisible characters, ending as `kind` does; never empty."""
    last = re.split(r"[/\\]", given)[-1]
    visible = "".join(" " if c.isspace() else c for c in unicodedata.normalize("NFC", last) if c.isspace() or _shows(c))
    name = re.sub(r"\s+", " ", _UNSAFE.sub("_", visible)).strip().rstrip(" .")
    ending = next((e for e in ENDINGS[kind] if name.lower().endswith(e)), None)
    stem = (name[: -len(ending)] if ending else name).strip(" .") or "evidence"
    ending = ending or ENDINGS[kind][0]
    return stem[: MAX_NAME - len(ending)].rstrip(" .") + ending


def _shows(character: str) -> bool:
    """Controls, formats (text that runs backwards), surrogates, private and unassigned ones do not."""
    return not unicodedata.category(character).startswith("C")


def attachment_disposition(name: str) -> str:
    """A Content-Disposition that downloads (RFC 6266): a plain name for all, the real one in UTF-8 (RFC 8187)."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = _NOT_TOKEN.sub("_", plain).strip(" .")
    if plain == name:
        return f'attachment; filename="{plain}"'
    return f"attachment; filename=\"{plain or 'file'}\"; filename*=UTF-8''{quote(name, safe='')}"
