"""What is known about a backup file, kept as JSON beside it."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

FORMAT = 1


class Kind(StrEnum):
    FULL = "full"
    SCHEMA = "schema"
    DATA = "data"
    INCREMENT = "increment"


class Style(StrEnum):
    CUSTOM = "custom"
    PLAIN = "plain"
    CHANGES = "changes"


class TableContents(BaseModel):
    """Rows of a table and the sum of their hashes: equal for equal rows, in any order."""

    model_config = ConfigDict(frozen=True)

    rows: int
    checksum: str


class Snapshot(BaseModel):
    """The state of the database that a backup holds, as one transaction saw it."""

    model_config = ConfigDict(frozen=True)

    taken_at: datetime
    server_version: str
    system_identifier: str
    """Of the cluster: transaction ids mean nothing in another one."""
    timeline: str
    """Of the cluster's WAL: a promotion or a recovery to a point in time starts another, and uses ids again."""
    database: str
    database_oid: int
    migration: str | None
    horizon: int
    """Every transaction with a smaller id had ended (pg_snapshot_xmin); an increment starts from here."""
    extensions: dict[str, str] = Field(default_factory=dict)
    """Extensions that our own indexes need, and the schema that they are in."""
    tables: dict[str, TableContents] = Field(default_factory=dict)
    seal: str | None = None
    """The head of the ledger's seal, `number:digest`; None before the first batch."""


class Manifest(BaseModel):
    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    id: str
    kind: Kind
    style: Style
    file: str
    encrypted: bool
    size_bytes: int
    sha256: str
    seconds: float
    tool: str
    base: str | None = None
    """An increment's dump."""
    snapshot: Snapshot

    @property
    def restorable(self) -> bool:
        return self.kind in (Kind.FULL, Kind.INCREMENT) and self.style is not Style.PLAIN

    @property
    def ledger(self) -> TableContents | None:
        return self.snapshot.tables.get("points_ledger")
