// Clerk's session cookie holds a token that is good for a minute. In the front end Clerk's own script renews it; here
// this does, in the same way (clerk-js 6: AuthCookieService, Session, fapiClient): it asks Clerk's Frontend API for the
// session's next token and writes the cookies that clerk-js writes. No script of anybody else's is loaded. Pages carry
// <meta name="session"> only where Clerk is configured; without it all of this rests.

const meta = document.querySelector('meta[name="session"]');
const { api = "", viewer = "", enter = false, now = 0 } = meta ? JSON.parse(meta.content) : {};
const COOKIE = /^__session(_[\w-]{8})?$/; // one more with the instance's suffix, where several share a host
const API_VERSION = "2026-05-12";
const LOCK = "clerk.lock.refreshSessionToken"; // clerk-js's: one tab of this browser renews at a time, whoever's it is
const [LEAD, PATIENCE, LONGEST, YEAR] = [15, 8000, 15_000, 31_536_000];
const RELOADED = "console.session.reloaded";

const loaded = performance.timeOrigin + (performance.getEntriesByType("navigation")[0]?.responseStart ?? 0);
const skew = now ? now - loaded / 1000 : 0; // the service's clock counts, whatever this machine's says
const clock = () => Date.now() / 1000 + skew;

function claimsOf(token) {
  try {
    const bytes = Uint8Array.from(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    return claims.iss?.replace(/\/+$/, "") === api && claims.sid && claims.exp ? { ...claims, token } : null;
  } catch { return null; }
}

const jar = () => document.cookie.split("; ").map((one) => [one.slice(0, one.indexOf("=")), one.slice(one.indexOf("=") + 1)]);
const kept = () => jar().filter(([name]) => COOKIE.test(name)).map(([name, token]) => [name, claimsOf(token)]);
const suffixed = () => kept().filter(([name, claims]) => claims && name !== "__session").map(([name]) => name);
/** What the service reads. */
const current = () => kept().find(([name]) => name === "__session")?.[1] ?? null;
/** The same, or what another cookie of this Clerk instance knows about the session. */
const known = () => current() ?? kept().find(([, claims]) => claims)?.[1] ?? null;
const alive = (claims) => !!claims && claims.exp > clock();
/** Seconds until it should be renewed; a token of a minute is, with fifteen seconds left. */
const left = (claims) => (claims ? claims.exp - clock() - Math.min(LEAD, (claims.exp - claims.iat) / 3) : 0);
const due = (claims) => left(claims) <= 0;

function write(token, names = ["__session", ...suffixed()]) {
  const secure = location.protocol === "https:" ? "; secure" : "";
  const age = token ? YEAR : 0;
  for (const name of names) document.cookie = `${name}=${token}; path=/; max-age=${age}; samesite=lax${secure}`;
}

// --- Clerk's Frontend API -------------------------------------------------------------------------------------------

/** No header of our own, so that no preflight is needed: what clerk-js sends, too. Throws where there is no answer. */
async function ask(method, path, body, query = {}) {
  const address = new URL(`${api}/v1/client${path}`);
  const browser = jar().find(([name, value]) => /^__clerk_db_jwt(_|$)/.test(name) && value)?.[1];
  if (browser && /\.accounts\.dev$/.test(address.hostname)) query.__clerk_db_jwt = browser; // a development instance
  address.search = new URLSearchParams({ ...query, __clerk_api_version: API_VERSION, _clerk_js_version: "6.29.3" });
  const answer = await fetch(address, { method, credentials: "include", body, signal: AbortSignal.timeout(PATIENCE) });
  if (answer.status === 429 || answer.status >= 500) throw new Error(String(answer.status));
  const told = await answer.json();
  return { ok: answer.ok, code: told?.errors?.[0]?.code, body: told?.response ?? told };
}

async function token(sid, claims) {
  const path = `/sessions/${encodeURIComponent(sid)}/tokens`;
  const body = () => new URLSearchParams({ organization_id: claims?.o?.id ?? claims?.org_id ?? "" });
  let answer = await ask("POST", path, body());
  if (answer.code === "missing_expired_token" && claims) answer = await ask("POST", path, body(), { expired_token: claims.token });
  return answer.ok ? answer.body?.jwt ?? null : null;
}

/** This session's next token; where that session is over, one of the session that this browser has now; else null. */
async function next() {
  const before = known();
  const own = before && (await token(before.sid, before));
  if (own) return own;
  if (!before && !jar().some(([name, value]) => /^__client_uat(_|$)/.test(name) && value !== "0")) return null; // Clerk's hint
  const { ok, code, body } = await ask("GET", "");
  if (!ok) throw new Error(code);
  const sessions = (body?.sessions ?? []).filter((one) => one.status === "active" && one.id !== before?.sid);
  const found = sessions.find((one) => one.id === body.last_active_session_id) ?? sessions[0];
  return found ? token(found.id, null) : null;
}

// --- keeping it fresh -----------------------------------------------------------------------------------------------

let renewing = null;
let timer = null;
let wait = 1000;
let leaving = false;
let active = !!viewer && !!current(); // a cookie that no script can read is somebody else's to renew

async function renewed(refused) {
  const now_ = current();
  if (!due(now_) && now_.token !== refused) return true; // another tab was faster
  const made = await next();
  if (!made) { write(""); return false; }
  write(made);
  return current()?.token === made;
}

/** Resolves to whether the cookie holds a good token now. `refused`: one that is not, whatever it says about itself. */
function renew(refused = null) {
  const turn = () => renewed(refused);
  renewing ??= (navigator.locks ? navigator.locks.request(LOCK, { signal: AbortSignal.timeout(PATIENCE) }, turn) : turn())
    .catch(() => null) // no network, or no answer from Clerk: not known
    .then((good) => { renewing = null; told(good); return good === true || (good === null && alive(current())); });
  return renewing;
}

function told(good) {
  wait = good === null ? Math.min(wait * 2, LONGEST) : 1000;
  const over = !alive(current()) && navigator.onLine;
  document.dispatchEvent(new CustomEvent("session", { detail: { over } }));
  clearTimeout(timer);
  // Once it is over, there is nothing to ask for until somebody comes back to this tab.
  if (active && good !== false) timer = setTimeout(look, good ? pause() : wait);
}

const pause = () => Math.min(Math.max(left(current()) * 1000, 250), 60_000);

function look() {
  const claims = current();
  if (claims && claims.sub !== viewer) { leave(); return; } // somebody else has signed in, in another tab
  if (due(claims)) renew(); else told(true);
}

function leave() {
  leaving = true;
  location.reload();
}

/** Before a request: resolves once the cookie is as good as it can be had. */
export async function ready() {
  if (!active) return;
  const claims = current();
  if (claims && claims.sub !== viewer) leave();
  else if (!alive(claims)) await renew();
  if (leaving) await new Promise(() => {}); // not in another person's name
}

/** After a 401: whether asking again is worth it. */
export async function again() {
  return active && renew(current()?.token);
}

/** Whether this page's session is kept here: then its end is shown by a `session` event, and the page stays. */
export const keeps = () => active;

/** Ends Clerk's session: its other pages would only sign this browser in again. */
async function signOut() {
  const claims = known();
  active = false;
  clearTimeout(timer);
  if (claims) await ask("POST", `/sessions/${encodeURIComponent(claims.sid)}/remove`).catch(() => null);
  write("", suffixed()); // the other one the service takes away, once it has seen who signs out
}

/** The page came without its visitor, as the token had run out: renew and load it once more, and once only. */
async function comeIn() {
  const good = await renew();
  const made = current();
  if (good && made && sessionStorage.getItem(RELOADED) !== made.token) {
    sessionStorage.setItem(RELOADED, made.token);
    location.reload();
    return;
  }
  for (const [id, hidden] of [["renewing", true], ["sign-in", false]]) {
    const part = document.getElementById(id);
    if (part) part.hidden = hidden;
  }
}

if (active) {
  sessionStorage.removeItem(RELOADED);
  timer = setTimeout(look, pause());
  for (const name of ["focus", "online", "pageshow"]) addEventListener(name, () => active && look());
  document.addEventListener("visibilitychange", () => { if (active && !document.hidden) look(); });
  // htmx asks before each request: one that would come too late waits for the next token.
  document.addEventListener("htmx:confirm", (event) => {
    const { path, issueRequest } = event.detail;
    const first = path === "/console/sign-out" ? signOut : !alive(current()) || current().sub !== viewer ? ready : null;
    if (!first) return;
    event.preventDefault();
    first().then(() => issueRequest());
  });
} else if (enter && api) comeIn();
