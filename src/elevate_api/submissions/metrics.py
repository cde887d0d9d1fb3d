"""Submissions, counted once they are committed."""

from prometheus_client import Counter

from elevate_api.kit.metrics import REGISTRY

CREATED = Counter("leaps_submissions_created_total", "Submissions taken in.", ["activity"], registry=REGISTRY)
