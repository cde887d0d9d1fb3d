from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, LargeBinary, Uuid
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from elevate_api.kit.orm import Base


class LedgerSeal(Base):
    """A batch: `ids` are its rows, `marks` 8 bytes of each row's digest. Only the function `seal_ledger` writes one."""

    __tablename__ = "ledger_seals"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    previous: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    row_count: Mapped[int]
    first_id: Mapped[UUID | None]
    last_id: Mapped[UUID | None]
    ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    marks: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    sealed_at: Mapped[datetime]
    reason: Mapped[str | None]
    accepted: Mapped[dict[str, Any] | None]


Index("ledger_seals_last_id_idx", LedgerSeal.last_id, LedgerSeal.first_id)
