"""The web console at /console: pages for people, over the public contract and nothing else.

A page's handler knows no database and no service. It calls this very service's API in-process (`client.Api`), signed
in by the visitor's own session cookie, and renders a Jinja2 template. So there is one set of rules: what the API
refuses, the console cannot do.

How to add a page
-----------------
1. `NAME_router.py` with `router = PageRouter()` (`pages.py`) and a line in `api.CONSOLE_ROUTERS`; a line for each
   route in `HIDDEN` of tests/api/test_guards.py. A handler asks for `Visitor`, `SignedIn`, `Reviewer` or `Admin`
   (`visits.py`) and gets a `Visit`: `visit.api.get("/api/...", limit=20)` / `.post(path, body)` / `.delete(path)`
   answer decoded JSON and raise `ApiRefused` (status, code, detail, document), which becomes an error page by itself.
   Several reads at once: `await together(visit.api.get(...), visit.api.get(...))`. A part of a page that may be
   missing: `await visit.api.attempt("GET", path)`, which answers the `ApiRefused` instead of raising it.
   Answer `visit.page("name.html", **values)`; `visit.fragment("name_part.html", ...)` for what htmx asks for
   (`visit.is_fragment`). Forms: `await visit.form()` answers a dict of the last values (urlencoded).
2. `templates/name.html` extends `base.html` (a link to the page goes into its <nav>): blocks `title`, `main` (the
   page's <h1> is in it), `styles`, `scripts`; `{% set here = "ops" %}` at the top marks it in the navigation ("board",
   "review", "ops"). In templates: `t("key", name=value)`, `t.n("key", count)` (keys `key.one` and `key.other`),
   `asset("ops.js")`, `viewer` (None or .id .name .role), functions `number(x)`, `day(time)`, `moment(time)`,
   `clock(time)`, `ago(time)`, `duration(seconds)`, `bytes(x)`; `{% import "parts.html" as parts with context %}`
   has macros.
3. Texts stand in `texts/en.json` and `texts/id.json`, the same keys in both, and every one used: tests/console holds
   them together by finding quoted keys in .py, .html and .js. Keys that are put together (`t("stage." ~ code)`) are
   listed in that test with what they are put together from. Keys that begin with `js.` reach the page's scripts:
   `import { words } from "./app.js"; words("js.saved", { n: 3 })`.
4. `static/name.js` is a module; load it in block `scripts` with `<script type="module" src="{{ asset('name.js') }}">`.
   No inline script or style, no style attribute, no eval (htmx's `hx-on` and trigger filters need it): the
   Content-Security-Policy is `default-src 'none'` with 'self' for scripts, styles, images and connections, these also
   to Clerk's Frontend API where that is configured (`clerk.py`; static/session.js renews the session). A script may
   set `element.style.x`. Vendored libraries are in static/vendor (uPlot: load `vendor/uPlot.iife.min.js` before the
   module and `vendor/uPlot.min.css` in block `styles`).
5. Whatever changes something is a POST (or DELETE) sent by htmx or by `send()` of app.js: both carry the header
   `X-Console: 1`, and `PageRoute` refuses an unsafe request without it, or from another site (`csrf.py`).
   After a change answer a fragment, or `visit.redirect("/console/...")`, which works for htmx and plain forms.
   To tell what happened: `fragment.headers["HX-Trigger"] = notice("text")` shows a toast that is read out.
6. Tests in tests/console: `console.py` has `Console` (the service and its people) and `browser.py` `Tab`, a page in
   real Chromium; `await tab.accessible()` runs axe-core, `tab.complaints` holds console errors (each test ends with
   them empty), `await tab.picture("name")` leaves build/screenshots/name.png. See test_board.py.

Style: app.css is the one style sheet; colours and spaces are variables on :root with a dark scheme. Ready parts:
`.panel`, `.cards`/`.card` (figures), `table.table`, `.chip` (`.ok .warn .bad .info`), `.button` (`.primary .danger
.quiet`), `.field`, `.toolbar`, `.empty`, `.columns`, `.stack`, `.muted`, `.num`, `.visually-hidden`, `dl.facts`,
`dialog.dialog`. Rules of one page stand at the end, under a comment with its name.
"""
