"""The hook for an outside virus scanner. Off unless a command or an address is set; a scanner that fails refuses none
and accepts none: the upload waits.
"""

import asyncio
import shlex
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

import httpx
import structlog

from elevate_api.attachments.errors import ScanUnavailable
from elevate_api.config import AttachmentSettings, SettingsError

PATIENCE_SECONDS = 30.0
INFECTED = 1
"""Exit status of clamscan, clamdscan and their like for a find; 0 is clean, anything else a failure."""

log = structlog.get_logger(__name__)


class Scanner(Protocol):
    async def is_clean(self, file: Path) -> bool:
        """Raises ScanUnavailable when there is no verdict."""
        ...


class CommandScanner:
    """Runs a command with the file's path as its last argument, without a shell."""

    def __init__(self, command: str) -> None:
        self._command = shlex.split(command)

    async def is_clean(self, file: Path) -> bool:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                str(file),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError as error:
            log.warning("scan_failed", error=type(error).__name__)
            raise ScanUnavailable from error
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                status = await process.wait()
        except BaseException as error:
            process.kill()
            await process.wait()
            if isinstance(error, TimeoutError):
                raise ScanUnavailable from error
            raise
        if status not in {0, INFECTED}:
            log.warning("scan_failed", status=status)
            raise ScanUnavailable
        return status == 0


class HttpScanner:
    """POSTs the bytes; the answer is 200 `{"clean": true | false}`."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def is_clean(self, file: Path) -> bool:
        content = await asyncio.to_thread(file.read_bytes)
        try:
            async with httpx.AsyncClient(timeout=PATIENCE_SECONDS, follow_redirects=False) as client:
                answer = await client.post(
                    self._url, content=content, headers={"Content-Type": "application/octet-stream"}
                )
            verdict = answer.json()["clean"] if answer.status_code == HTTPStatus.OK else None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
            log.warning("scan_failed", error=type(error).__name__)
            raise ScanUnavailable from error
        if not isinstance(verdict, bool):
            log.warning("scan_failed", status=answer.status_code)
            raise ScanUnavailable
        return verdict


def build_scanner(settings: AttachmentSettings) -> Scanner | None:
    """Raises SettingsError for a command that no shell could read either."""
    if settings.scan_url:
        return HttpScanner(settings.scan_url)
    if not settings.scan_command:
        return None
    try:
        return CommandScanner(settings.scan_command)
    except ValueError as error:
        raise SettingsError(f"ATTACHMENT_SCAN_COMMAND: {error}") from error
