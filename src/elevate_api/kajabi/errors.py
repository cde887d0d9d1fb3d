"""What can be wrong with an event."""

from elevate_api.kit.problems import ConstraintProblems, Problem


class ShapeUnknown(Problem):
    status = 400
    code = "KAJABI_SHAPE_UNKNOWN"
    title = "Unknown shape"
    detail = "The body is JSON, but no delivery of a shape that is known. It was stored."


class EventUnreadable(Problem):
    status = 409
    code = "KAJABI_EVENT_UNREADABLE"
    title = "Unreadable event"
    detail = "What was delivered cannot be read."


class EventIsFinal(Problem):
    status = 409
    code = "KAJABI_EVENT_FINAL"
    title = "Event is final"
    detail = "The event was processed for somebody else, or is a duplicate of one that was."


CONSTRAINTS: ConstraintProblems = {"kajabi_events_final": lambda _error: EventIsFinal()}
