"""Machines that sign in with a secret of the settings: the cron service."""

import hmac
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from elevate_api.kit.problems import Problem, Unauthenticated


class CronNotConfigured(Problem):
    status = 503
    code = "CRON_NOT_CONFIGURED"
    title = "Cron not configured"
    detail = "No CRON_SECRET is set, so nobody may call this."


CRON_PROBLEMS = (Unauthenticated, CronNotConfigured)
"""What every route for the cron service can answer."""

_bearer = HTTPBearer(scheme_name="CronSecret", description="The secret of CRON_SECRET.", auto_error=False)
_Given = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def cron_caller(request: Request, given: _Given) -> None:
    """Let the cron service in. Raises Unauthenticated, and CronNotConfigured where there is no secret to know."""
    secret: SecretStr | None = request.app.state.settings.machines.cron_secret
    if secret is None:
        raise CronNotConfigured
    offered = given.credentials if given else ""
    if not hmac.compare_digest(offered.encode(), secret.get_secret_value().encode()):
        raise Unauthenticated("The cron secret is required as a bearer token.")


CronCaller = Depends(cron_caller)
