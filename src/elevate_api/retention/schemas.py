from uuid import UUID

from pydantic import Field

from elevate_api.kit.schemas import Schema


class RemovedOut(Schema):
    evidence: int = Field(description="Evidence files.")
    kajabi: int = Field(description="Deliveries whose personal data was emptied; the rows stay.")
    audit: int = Field(description="Rows of the audit log.")


class RetentionOut(Schema):
    """A finished run."""

    job_id: UUID
    removed: RemovedOut


class RetentionRunningOut(Schema):
    """Another call is removing already: this is its run."""

    job_id: UUID
    running: bool = Field(description="Always true.", examples=[True])
