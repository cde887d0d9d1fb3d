"""/docs. The page needs nothing but this service, so its policy lets nothing else in."""

import asyncio
from typing import Annotated, cast

from fastapi import Header, Request, Response

from elevate_api.kit.etag import cache_control, conditional
from elevate_api.kit.routing import Router
from elevate_api.manual.page import page, style

POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
FRESH_SECONDS = 300
FOREVER = "public, max-age=31536000, immutable"

router = Router(include_in_schema=False)
IfNoneMatch = Annotated[str | None, Header(alias="If-None-Match")]


@router.get("/docs")
async def manual(request: Request, if_none_match: IfNoneMatch = None) -> Response:
    """Every route with what it takes and answers, for reading; made at the first call."""
    state = request.app.state
    if not hasattr(state, "manual"):
        state.manual = await asyncio.to_thread(lambda: page(request.app.openapi()))
    return conditional(
        if_none_match,
        cast("bytes", state.manual),
        cache=cache_control(max_age=FRESH_SECONDS),
        media_type="text/html; charset=utf-8",
        headers={"Content-Security-Policy": POLICY},
    )


@router.get("/docs/manual.css")
async def manual_style() -> Response:
    """Its address in the page holds a hash, so that it may be kept."""
    return Response(style(), media_type="text/css; charset=utf-8", headers={"Cache-Control": FOREVER})
