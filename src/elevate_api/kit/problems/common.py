"""Problems that belong to no product noun."""

from typing import ClassVar

from elevate_api.kit.problems.base import FieldError, Problem


class BadRequest(Problem):
    status = 400
    code = "BAD_REQUEST"
    title = "Bad request"
    detail = "The request cannot be understood."


class MalformedJson(Problem):
    status = 400
    code = "MALFORMED_JSON"
    title = "Malformed JSON"
    detail = "The body is not well-formed JSON."


class Unauthenticated(Problem):
    status = 401
    code = "UNAUTHENTICATED"
    title = "Sign-in required"
    detail = "A valid bearer token is required."
    default_headers: ClassVar = {"WWW-Authenticate": "Bearer"}


class Forbidden(Problem):
    status = 403
    code = "FORBIDDEN"
    title = "Forbidden"
    detail = "Your role does not allow this."


class NotFound(Problem):
    status = 404
    code = "NOT_FOUND"
    title = "Not found"
    detail = "There is nothing here that you may see."


class MethodNotAllowed(Problem):
    status = 405
    code = "METHOD_NOT_ALLOWED"
    title = "Method not allowed"
    detail = "This path does not answer that method; the Allow header lists those that it does."


class Conflict(Problem):
    status = 409
    code = "CONFLICT"
    title = "Conflict"
    detail = "The request contradicts what is stored."


class BodyTooLarge(Problem):
    """Closes the connection: the rest of the body is still on its way and will not be read."""

    status = 413
    code = "BODY_TOO_LARGE"
    title = "Body too large"
    detail = "The body is longer than this path accepts."
    default_headers: ClassVar = {"Connection": "close"}


class UnsupportedMediaType(Problem):
    status = 415
    code = "UNSUPPORTED_MEDIA_TYPE"
    title = "Unsupported media type"
    detail = "The body must be sent as application/json."
    default_headers: ClassVar = {"Accept": "application/json"}


class ValidationFailed(Problem):
    status = 422
    code = "VALIDATION_FAILED"
    title = "Validation failed"
    detail = "The input breaks the rules that `errors` names."

    @classmethod
    def at(cls, pointer: str, message: str) -> "ValidationFailed":
        """Name a single fault; see FieldError for the form of `pointer`."""
        return cls(errors=[FieldError(pointer, message)])


class RateLimited(Problem):
    status = 429
    code = "RATE_LIMITED"
    title = "Too many requests"
    detail = "The rate limit is reached; the Retry-After header says when to try again."
    default_headers: ClassVar = {"Retry-After": "60"}


class InternalError(Problem):
    status = 500
    code = "INTERNAL_ERROR"
    title = "Internal error"
    detail = "Something went wrong on our side; the request id finds it in our logs."


class DatabaseUnavailable(Problem):
    status = 503
    code = "DATABASE_UNAVAILABLE"
    title = "Database unavailable"
    detail = "The database cannot answer right now; nothing was changed. Try again shortly."
    default_headers: ClassVar = {"Retry-After": "5"}
