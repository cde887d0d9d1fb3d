"""Why nobody was let in."""

from typing import ClassVar

from elevate_api.kit.problems import Problem, Unauthenticated


class TokenRefused(Unauthenticated):
    """The answer is the same for every reason, so that it helps nobody to forge; `reason` is for our logs."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


class SignInUnavailable(Problem):
    """No signing key was ever fetched: the token cannot be judged, which is no reason to sign its owner out."""

    status = 503
    code = "SIGN_IN_UNAVAILABLE"
    title = "Sign-in unavailable"
    detail = "The keys that sign-in is checked with cannot be fetched right now. Try again shortly."
    default_headers: ClassVar = {"Retry-After": "5"}


PROBLEMS = (Unauthenticated, SignInUnavailable)
"""What every route that asks for a token can answer."""
