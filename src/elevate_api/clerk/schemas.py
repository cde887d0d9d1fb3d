from elevate_api.clerk.service import Outcome
from elevate_api.kit.schemas import Schema


class ClerkReceipt(Schema):
    """What a message came to."""

    status: Outcome
