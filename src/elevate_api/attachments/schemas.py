from typing import Annotated
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field

from elevate_api.attachments.names import ContentType
from elevate_api.kit.schemas import Body, Instant, Schema, Text

MAX_BYTES = 10 * 1024 * 1024
"""10 MB, counted in powers of two; the table's own check says the same."""


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
Sha256 = Annotated[str, BeforeValidator(_lower), Field(pattern="^[0-9a-f]{64}$", min_length=64, max_length=64)]


class NewAttachment(Body):
    """A file that is about to be uploaded."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"filename": "certificate.pdf", "contentType": "application/pdf", "size": 48213, "sha256": _SHA256}
            ]
        }
    )

    filename: Annotated[Text, Field(min_length=1, max_length=255, examples=["certificate.pdf"])]
    content_type: ContentType
    size: Annotated[int, Field(strict=True, ge=1, le=MAX_BYTES, description="Bytes.", examples=[48213])]
    sha256: Sha256 = Field(
        description="Of the file, in hexadecimal.",
        examples=[_SHA256],
    )


class UploadOut(Schema):
    """Where to send the bytes: `method` to `uploadUrl` with `headers`, then call `complete`."""

    id: UUID
    upload_url: str = Field(description="Carries its own permission: send no Authorization header.")
    method: str = Field(examples=["PUT"])
    headers: dict[str, str] = Field(examples=[{"Content-Type": "application/pdf"}])
    expires_at: Instant
