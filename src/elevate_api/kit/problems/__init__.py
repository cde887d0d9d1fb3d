"""RFC 9457 problem details: the classes, the one renderer, the handlers, the OpenAPI part."""

from elevate_api.kit.problems.base import MEDIA_TYPE, FieldError, Problem, registry
from elevate_api.kit.problems.common import (
    BadRequest,
    BodyTooLarge,
    Conflict,
    DatabaseUnavailable,
    Forbidden,
    InternalError,
    MalformedJson,
    MethodNotAllowed,
    NotFound,
    RateLimited,
    Unauthenticated,
    UnsupportedMediaType,
    ValidationFailed,
)
from elevate_api.kit.problems.database import (
    UNAVAILABLE,
    ConstraintProblems,
    DatabaseError,
    as_problem,
    describe,
    problem_for,
)
from elevate_api.kit.problems.documents import add_responses, document_problems, responses
from elevate_api.kit.problems.handlers import SAFE_PATH, DatabaseErrorHook, install, internal_error, render

__all__ = [
    "MEDIA_TYPE",
    "SAFE_PATH",
    "UNAVAILABLE",
    "BadRequest",
    "BodyTooLarge",
    "Conflict",
    "ConstraintProblems",
    "DatabaseError",
    "DatabaseErrorHook",
    "DatabaseUnavailable",
    "FieldError",
    "Forbidden",
    "InternalError",
    "MalformedJson",
    "MethodNotAllowed",
    "NotFound",
    "Problem",
    "RateLimited",
    "Unauthenticated",
    "UnsupportedMediaType",
    "ValidationFailed",
    "add_responses",
    "as_problem",
    "describe",
    "document_problems",
    "install",
    "internal_error",
    "problem_for",
    "registry",
    "render",
    "responses",
]
