"""A request of the console: who visits, in which language, and what answers them."""

import gzip
import time
from dataclasses import dataclass, field
from typing import Annotated, Any, cast
from urllib.parse import parse_qsl, quote

from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse

from elevate_api.auth.caller import COOKIE
from elevate_api.auth.roles import Role
from elevate_api.config import Settings
from elevate_api.console.assets import accepts_gzip
from elevate_api.console.clerk import frontend_api, is_signed_in_at_clerk
from elevate_api.console.client import Api, ApiRefused
from elevate_api.console.formats import Formats
from elevate_api.console.templating import render
from elevate_api.console.words import LANGUAGES, Words, words_of
from elevate_api.kit.i18n import negotiate
from elevate_api.kit.problems import UnsupportedMediaType

HOME, SIGN_IN = "/console/board", "/console/sign-in"
LANGUAGE_COOKIE = "console_language"
FORM = "application/x-www-form-urlencoded"
PACKING = 5
"""gzip's level: a page of 76 kB takes a millisecond or two."""
_STATE = "console_visit"
_UNAUTHENTICATED, _FORBIDDEN = 401, 403


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who is signed in, as `GET /api/me` says."""

    id: str
    handle: str
    name: str
    role: Role

    def may(self, role: str) -> bool:
        return self.role.includes(Role(role))


@dataclass(slots=True)
class Visit:
    """What a page's handler has to work with."""

    request: Request
    words: Words
    api: Api
    viewer: Viewer | None = None
    expired: bool = field(default=False)
    """There is a session cookie, and the API does not take it any more."""

    @property
    def settings(self) -> Settings:
        return cast("Settings", self.request.app.state.settings)

    @property
    def is_fragment(self) -> bool:
        """Htmx asks for a part of the page; going back in the history it asks for the whole of it."""
        headers = self.request.headers
        return headers.get("hx-request") == "true" and headers.get("hx-history-restore-request") != "true"

    def page(self, template: str, http_status: int = 200, **values: Any) -> Response:
        content = render(self, template, values).encode()
        headers = {"Content-Language": self.words.language, "Vary": "Accept-Encoding, Accept-Language"}
        # No secret stands in a page, so its packed length tells nobody one; the desk is an eighth of it then.
        if accepts_gzip(self.request):
            content, headers = gzip.compress(content, PACKING, mtime=0), {**headers, "Content-Encoding": "gzip"}
        return HTMLResponse(content, http_status, headers)

    fragment = page

    def redirect(self, path: str) -> Response:
        """To another page of the console, for htmx as for a browser."""
        if self.is_fragment:
            return Response(status_code=204, headers={"HX-Redirect": path})
        return Response(status_code=303, headers={"Location": path})

    async def form(self) -> dict[str, str]:
        """What a form sent, the last value of each name. Raises UnsupportedMediaType."""
        kind = self.request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind and kind != FORM:
            raise UnsupportedMediaType
        body = (await self.request.body()).decode("utf-8", "replace")
        return dict(parse_qsl(body, keep_blank_values=True))

    def formats(self) -> Formats:
        return Formats(self.words, self.settings.app.zone)

    def sign_in_url(self, to: str) -> str | None:
        """Where to sign in to Clerk, which then leads back to the page `to`; None where no setting says."""
        address = self.settings.console.sign_in_url
        if address is None:
            return None
        own = (self.settings.app.api_url or str(self.request.base_url)).rstrip("/")
        joint = "&" if "?" in address else "?"
        return f"{address}{joint}redirect_url={quote(own + (to or HOME), safe='')}"

    @property
    def session(self) -> dict[str, Any] | None:
        """What static/session.js works with; None where no Clerk is configured. `enter`: it may sign the visitor in."""
        address = frontend_api(self.settings)
        if address is None:
            return None
        viewer = self.viewer.id if self.viewer else ""
        enter = not viewer and (self.expired or is_signed_in_at_clerk(self.request))
        return {"api": address, "viewer": viewer, "enter": enter, "now": round(time.time(), 3)}

    @property
    def address(self) -> str:
        """The page, for the way back after signing in or changing the language."""
        url = self.request.url
        if url.path == SIGN_IN:
            return own_path(self.request.query_params.get("to", "")) or HOME
        return url.path + (f"?{url.query}" if url.query else "")

    @property
    def here(self) -> str:
        """`address`, quoted for a query."""
        return quote(self.address, safe="")


def own_path(path: str) -> str:
    """The path where it is one of the console's pages, else empty: a link must not lead elsewhere by way of us."""
    sane = path.startswith("/console/") and path.isprintable() and "\\" not in path and "//" not in path
    return path if sane else ""


def language_of(request: Request) -> str:
    """The one that was chosen by hand, else the browser's."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    return chosen if chosen in LANGUAGES else negotiate(request.headers.get("accept-language", ""), LANGUAGES)


async def visit_of(request: Request) -> Visit:
    """Made once a request; an error page finds it again. Raises ApiRefused where the API cannot say who it is."""
    known: Visit | None = getattr(request.state, _STATE, None)
    if known is None:
        known = await _visit(request)
    return known


async def _visit(request: Request) -> Visit:
    language = language_of(request)
    token = request.cookies.get(COOKIE) or None
    visit = Visit(request, words_of(language), Api(request, token, language))
    setattr(request.state, _STATE, visit)
    if token is None:
        return visit
    try:
        me = await visit.api.get("/api/me")
        visit.viewer = Viewer(me["id"], me["handle"], me["name"] or me["handle"], Role(me["role"]))
    except ApiRefused as refused:
        if refused.status != _UNAUTHENTICATED:
            raise
        visit.expired = True
        visit.api = Api(request, None, language)
    return visit


def _least(role: Role) -> Any:
    async def require(visit: Annotated[Visit, Depends(visit_of)]) -> Visit:
        if visit.viewer is None:
            raise ApiRefused(_UNAUTHENTICATED, {"code": "UNAUTHENTICATED"})
        if not visit.viewer.role.includes(role):
            raise ApiRefused(_FORBIDDEN, {"code": "FORBIDDEN"})
        return visit

    return require


Visitor = Annotated[Visit, Depends(visit_of)]
SignedIn = Annotated[Visit, Depends(_least(Role.PARTICIPANT))]
Reviewer = Annotated[Visit, Depends(_least(Role.REVIEWER))]
Admin = Annotated[Visit, Depends(_least(Role.ADMIN))]
