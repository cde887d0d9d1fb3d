"""The door, the language, the static files, and what there is no page for.

In production Clerk sets the session cookie. In development a link with a token in its fragment, which never reaches a
log, leads to a page that hands it in here; that door does not exist outside development.
"""

from fastapi import Request, Response

from elevate_api.auth import devkeys
from elevate_api.auth.caller import COOKIE
from elevate_api.auth.tokens import MAX_TOKEN
from elevate_api.console.assets import PATH as STATIC
from elevate_api.console.assets import assets
from elevate_api.console.client import ApiRefused
from elevate_api.console.pages import PageRouter
from elevate_api.console.visits import HOME, LANGUAGE_COOKIE, SIGN_IN, SignedIn, Visit, Visitor, own_path
from elevate_api.console.words import LANGUAGES
from elevate_api.kit.problems import NotFound, ValidationFailed

DESK = "/console/review"
YEAR = 365 * 86_400
SESSION_SECONDS = 8 * 3600

router = PageRouter()


@router.get("/console")
@router.get("/console/")
async def home() -> Response:
    return Response(status_code=307, headers={"Location": HOME})


@router.get("/console/sign-in")
async def sign_in_page(visit: Visitor, to: str = "") -> Response:
    """Where to sign in; with a token in the fragment, a script of the page hands that in."""
    return visit.page("sign_in.html", door=door_is_open(visit), to=own_path(to))


@router.post("/console/sign-in")
async def sign_in(visit: Visitor) -> Response:
    """Development only. Raises NotFound elsewhere, ValidationFailed for a token that the API does not take."""
    if not door_is_open(visit):
        raise NotFound
    form = await visit.form()
    token = form.get("token", "")
    if not 0 < len(token) <= MAX_TOKEN:
        raise ValidationFailed
    try:
        me = await visit.api.call("GET", "/api/me", headers={"Authorization": f"Bearer {token}"})
    except ApiRefused:
        raise ValidationFailed from None
    start = HOME if me["role"] == "PARTICIPANT" else DESK
    response = visit.redirect(own_path(form.get("to", "")) or start)
    secure = visit.request.url.scheme == "https"
    response.set_cookie(COOKIE, token, max_age=SESSION_SECONDS, path="/", httponly=True, samesite="lax", secure=secure)
    return response


@router.post("/console/sign-out")
async def sign_out(visit: SignedIn) -> Response:
    """Ends the session in this browser. Clerk's own goes on where it was begun."""
    response = visit.redirect(SIGN_IN)
    response.delete_cookie(COOKIE, path="/")
    return response


@router.get("/console/language/{code}")
async def choose_language(visit: Visitor, code: str, to: str = "") -> Response:
    if code not in LANGUAGES:
        raise NotFound
    response = Response(status_code=303, headers={"Location": own_path(to) or HOME})
    secure = visit.settings.app.production
    response.set_cookie(LANGUAGE_COOKIE, code, max_age=YEAR, path="/console", samesite="lax", secure=secure)
    return response


@router.get(STATIC + "/{version}/{name:path}")
async def static_file(request: Request, version: str, name: str) -> Response:
    answer = assets().answer(request, version, name)
    if answer is None:
        raise NotFound
    return answer


@router.get("/console/{path:path}")
async def nowhere(path: str) -> Response:  # noqa: ARG001 - the route's parameter
    raise NotFound


def door_is_open(visit: Visit) -> bool:
    return devkeys.is_enabled(visit.settings)
