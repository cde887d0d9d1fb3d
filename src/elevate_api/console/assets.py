"""Static files, read once: their address holds a hash of all of them, so that a browser may keep them for a year."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import Request, Response

FOLDER = Path(__file__).parent / "static"
PATH = "/console/static"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
FOREVER = "public, max-age=31536000, immutable"
BRIEFLY = "public, max-age=60"
"""Of files under another version's address: a page of the version before, while a deploy is under way."""
_HASH_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Asset:
    plain: bytes
    packed: bytes
    media_type: str


class Assets:
    """One version for all of them, as modules name each other by relative addresses."""

    def __init__(self, folder: Path) -> None:
        files = sorted(path for path in folder.rglob("*") if path.suffix in MEDIA_TYPES)
        digest = hashlib.sha256()
        self._assets: dict[str, Asset] = {}
        for path in files:
            name, content = path.relative_to(folder).as_posix(), path.read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
            packed = gzip.compress(content, mtime=0)
            self._assets[name] = Asset(content, packed, MEDIA_TYPES[path.suffix])
        self.version = digest.hexdigest()[:_HASH_LENGTH]

    def url(self, name: str) -> str:
        """Raises KeyError for a file that there is not."""
        self._assets[name]
        return f"{PATH}/{self.version}/{name}"

    def answer(self, request: Request, version: str, name: str) -> Response | None:
        """None for a file that there is not."""
        asset = self._assets.get(name)
        if asset is None:
            return None
        headers = {"Cache-Control": FOREVER if version == self.version else BRIEFLY, "Vary": "Accept-Encoding"}
        if not accepts_gzip(request):
            return Response(asset.plain, media_type=asset.media_type, headers=headers)
        return Response(asset.packed, media_type=asset.media_type, headers={**headers, "Content-Encoding": "gzip"})


def accepts_gzip(request: Request) -> bool:
    encodings = {word.partition(";")[0].strip() for word in request.headers.get("accept-encoding", "").split(",")}
    return "gzip" in encodings


@cache
def assets() -> Assets:
    return Assets(FOLDER)
