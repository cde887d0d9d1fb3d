"""/metrics, for a Prometheus that scrapes it."""

import hmac
from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from elevate_api.kit.metrics import CONTENT_TYPE, expose
from elevate_api.kit.problems import Unauthenticated, responses
from elevate_api.kit.routing import Router
from elevate_api.metrics.figures import Figures
from elevate_api.metrics.process import Sampler

router = Router(tags=["health"])

_bearer = HTTPBearer(scheme_name="MetricsToken", description="METRICS_TOKEN, where it is set.", auto_error=False)
_Given = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


class MetricsResponse(Response):
    media_type = CONTENT_TYPE


def scraper(request: Request, given: _Given) -> None:
    """Let everybody in while METRICS_TOKEN is not set, else those who know it. Raises Unauthenticated."""
    token: SecretStr | None = request.app.state.settings.machines.metrics_token
    if token is None:
        return
    offered = given.credentials if given else ""
    if not hmac.compare_digest(offered.encode(), token.get_secret_value().encode()):
        raise Unauthenticated("The metrics token is required as a bearer token.")


@router.get(
    "/metrics",
    dependencies=[Depends(scraper)],
    response_class=MetricsResponse,
    responses=responses(Unauthenticated),
)
async def metrics(request: Request) -> Response:
    """Prometheus text: what every process of the service counts, and what the database says."""
    sampler: Sampler = request.app.state.sampler
    figures: Figures = request.app.state.figures
    sampler.sample()
    return MetricsResponse(expose([await figures.current()]), headers={"Cache-Control": "no-store"})
