"""PARTICIPANT < REVIEWER < ADMIN < SUPERADMIN; each includes the ones below (shared/domain.md)."""

from enum import StrEnum


class Role(StrEnum):
    PARTICIPANT = "PARTICIPANT"
    REVIEWER = "REVIEWER"
    ADMIN = "ADMIN"
    SUPERADMIN = "SUPERADMIN"

    @property
    def level(self) -> int:
        return list(Role).index(self)

    def includes(self, other: "Role") -> bool:
        return self.level >= other.level

    def may_grant(self, other: "Role") -> bool:
        """Nobody grants a role at or above their own; a SUPERADMIN grants any."""
        return self is Role.SUPERADMIN or self.level > other.level
