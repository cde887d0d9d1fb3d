"""What is counted about the inbox. The age and number of waiting events are set by the job that looks at them."""

from prometheus_client import Counter, Gauge, Histogram

from elevate_api.kit.metrics import REGISTRY

EVENTS = Counter(
    "leaps_kajabi_events",  # the library adds _total
    "Kajabi deliveries, by the status that they came to when they were taken in.",
    ["status"],
    registry=REGISTRY,
)
REFUSED = Counter("leaps_kajabi_refused", "Calls of the Kajabi webhook that were not authentic.", registry=REGISTRY)
LATENCY = Histogram(
    "leaps_webhook_latency_seconds",
    "From the first look at an authentic webhook call to its answer.",
    ["source"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),  # Clerk gives up after 15 s
    registry=REGISTRY,
)
WAITING = Gauge(
    "leaps_kajabi_waiting_events", "Events that wait: unmatched, failed, or not yet processed.", ["status"],
    registry=REGISTRY, multiprocess_mode="mostrecent",
)  # fmt: skip
UNMATCHED_AGE = Gauge(
    "leaps_kajabi_unmatched_age_seconds", "Age of the event that has waited longest for its person; 0 without one.",
    registry=REGISTRY, multiprocess_mode="mostrecent",
)  # fmt: skip
