"""What was done, counted once it is committed."""

from prometheus_client import Counter

from elevate_api.kit.metrics import REGISTRY

ACTIONS = Counter(
    "leaps_actions_total",
    "Changes in the audit log, by action: submission.approve, badge.grant, ...",
    ["action"],
    registry=REGISTRY,
)
