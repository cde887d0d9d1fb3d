"""What the board, the public figures and a person's rank look like on the wire."""

from pydantic import Field

from elevate_api.kit.schemas import Instant, Schema
from elevate_api.leaderboards.queries import Period

AS_OF = "Everything up to this moment is in these figures; what happened later may not be."
RANK = "1 + the number of people with more points in this period, whatever the filter; ties share a rank."


class BoardEntryOut(Schema):
    rank: int = Field(description=RANK, examples=[1])
    handle: str = Field(examples=["siti-rahma"])
    name: str = Field(examples=["Siti Rahma"])
    avatar_url: str | None
    school: str | None = Field(examples=["SMA Negeri 8 Jakarta"])
    cohort: str | None = Field(examples=["2025-A"])
    points: int = Field(description="Points of the period.", examples=[170])
    public_submissions: int = Field(description="Approved submissions that the owner shows to everybody.", examples=[3])
    badges: list[str] = Field(description="Codes, in the order they were earned.", examples=[["STARTER", "AMPLIFIER"]])
    last_activity_at: Instant = Field(description="When the points of the period last changed.")


class LeaderboardOut(Schema):
    """One page of the board, best first: points descending, then who reached them first."""

    period: Period
    as_of: Instant | None = Field(description=AS_OF)
    version: str = Field(description="Changes whenever the board does; opaque.")
    total_participants: int = Field(description="People on the board of this period, whatever the filter.")
    items: list[BoardEntryOut]
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last.")


class NeighbourOut(Schema):
    rank: int = Field(description=RANK, examples=[12])
    handle: str = Field(examples=["budi-s"])
    name: str = Field(examples=["Budi Santoso"])
    avatar_url: str | None
    points: int = Field(examples=[90])


class OwnRankOut(Schema):
    """Where the caller stands. Who opted out of the board is told the rank that their points would have."""

    period: Period
    as_of: Instant | None = Field(description=AS_OF)
    rank: int | None = Field(description=RANK + " Null at 0 points, and for staff, who are not ranked.", examples=[13])
    points: int = Field(description="The caller's points of the period.", examples=[85])
    of: int = Field(description="People who are ranked, the caller included where they have a rank.", examples=[200])
    above: list[NeighbourOut] = Field(description="Up to two people just above, in board order.")
    below: list[NeighbourOut] = Field(description="Up to two people just below, in board order.")


class ProgrammeStatsOut(Schema):
    """What the programme has reached, all time."""

    educators_learning: int = Field(description="People with LEARN points above 0.", examples=[180])
    peers_reached: int = Field(description="Sum of peersTrained over approved AMPLIFY submissions.", examples=[420])
    students_reached: int = Field(description="Sum of studentsTrained over approved AMPLIFY submissions.")
    stories_shared: int = Field(description="Approved PRESENT submissions.", examples=[64])
    micro_credentials: int = Field(description="Grants of a Kajabi tag to a person.", examples=[240])
    submissions_by_status: dict[str, int] = Field(examples=[{"PENDING": 4, "APPROVED": 300, "REJECTED": 12}])
    points_by_activity: dict[str, int] = Field(examples=[{"LEARN": 3600, "EXPLORE": 5200}])
    as_of: Instant | None = Field(description=AS_OF)
