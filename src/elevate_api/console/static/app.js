// What every page of the console has: words, notices, safe sending, and htmx's errors told to the person.
import { again, keeps, ready } from "./session.js";

const WORDS = JSON.parse(document.querySelector('meta[name="words"]').content);

/** A text of the page's language; `{name}` is filled in from `values`. */
export function words(key, values = {}) {
  return (WORDS[key] ?? key).replace(/\{(\w+)\}/g, (all, name) => (name in values ? values[name] : all));
}

export const language = document.documentElement.lang;
const figures = new Intl.NumberFormat(language);
export const number = (value) => figures.format(value);

/** Read out, not shown. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

const NOTICE_SECONDS = 6;

/** Shown in the corner and read out. `action` is {label, run}, `link` {label, href}; with an action it stays a little longer. */
export function notify(text, kind = "ok", action = null, link = null) {
  const notice = document.createElement("div");
  notice.className = `notice ${kind}`;
  notice.append(Object.assign(document.createElement("span"), { textContent: text }));
  const end = () => notice.remove();
  if (link) notice.append(Object.assign(document.createElement("a"), { href: link.href, target: "_blank", rel: "noopener", textContent: link.label }));
  if (action) {
    const button = Object.assign(document.createElement("button"), { className: "button small", type: "button", textContent: action.label });
    button.addEventListener("click", () => { end(); action.run(); });
    notice.append(button);
  }
  const close = Object.assign(document.createElement("button"), { className: "close", type: "button", textContent: "×" });
  close.setAttribute("aria-label", words("js.close"));
  close.addEventListener("click", end);
  notice.append(close);
  document.getElementById("notices").append(notice);
  let timer = setTimeout(end, (action || kind === "bad" ? 2 : 1) * NOTICE_SECONDS * 1000);
  notice.addEventListener("focusin", () => clearTimeout(timer));
  notice.addEventListener("mouseenter", () => clearTimeout(timer));
  notice.addEventListener("mouseleave", () => { timer = setTimeout(end, NOTICE_SECONDS * 1000); });
  return notice;
}

/** fetch to this service, marked as the console's own; a body is sent as JSON, URLSearchParams as a form. */
export async function send(path, { method = "POST", body = undefined, headers = {}, signal = undefined } = {}) {
  const all = { "X-Console": "1", "Accept-Language": language, ...headers };
  let sent = body;
  if (body !== undefined && !(body instanceof URLSearchParams)) {
    all["Content-Type"] = "application/json";
    sent = JSON.stringify(body);
  }
  const once = () => fetch(path, { method, headers: all, body: sent, signal, credentials: "same-origin" });
  await ready();
  const answer = await once();
  return answer.status === 401 && (await again()) ? once() : answer;
}

document.addEventListener("notice", (event) => notify(event.detail.text, event.detail.kind));

document.addEventListener("htmx:responseError", (event) => {
  const { status, responseText } = event.detail.xhr;
  if (status === 401) { refused(event.detail.requestConfig.verb); return; }
  const part = new DOMParser().parseFromString(responseText, "text/html").querySelector(".error");
  notify(part ? part.textContent : words("js.failed"), "bad");
});

async function refused(verb) {
  if (!keeps()) location.reload(); // the page itself says how to sign in, or signs in again
  else if ((await again()) && verb !== "get") notify(words("js.session.again"), "bad"); // what is read is read again
}
document.addEventListener("session", (event) => { document.getElementById("session-over").hidden = !event.detail.over; });

document.addEventListener("htmx:sendError", (event) => {
  if (!event.detail.elt.closest("[data-quiet]")) notify(words("js.offline"), "bad");
});
