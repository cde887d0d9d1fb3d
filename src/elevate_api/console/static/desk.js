// The reviewer's desk: a list, what is chosen of it side by side, and decisions by key. The server renders; what is
// decided goes to the API by way of the outbox.
import { announce, notify, send, words } from "./app.js";
import { Outbox } from "./outbox.js";
import { keeps } from "./session.js";

const desk = document.getElementById("desk");
const detail = document.getElementById("detail");
const REFRESH = 15_000;
const NARROW = matchMedia("(max-width: 61.99rem)"); // one below the other, as app.css has it
const KEYS_OFF = "console.keys-off";

let current = null; // id of what is shown
let shownVersion = null;
const chosen = new Set();
const done = new Set(); // answered: a list that was on its way meanwhile may still hold them
const drafts = new Map(); // what was typed for each, so that looking around loses nothing

const byId = (id) => document.getElementById(id);
const rows = () => [...document.querySelectorAll("#queue .row")].filter((row) => !row.hidden);
const rowOf = (id) => document.querySelector(`#queue .row[data-id="${id}"]`);
const open = (row) => !row.dataset.closed && !waiting().has(row.dataset.id);
const waiting = () => new Map(outbox.entries().map((entry) => [entry.id, entry]));

const outbox = new Outbox(desk.dataset.user, { told, changed: showWaiting });

// --- the list -------------------------------------------------------------------------------------------------------

function dress() {
  const sent = waiting();
  for (const row of document.querySelectorAll("#queue .row")) {
    const { id } = row.dataset;
    const entry = sent.get(id);
    row.hidden = done.has(id);
    row.classList.toggle("sent", !!entry);
    const state = row.querySelector(".state");
    state.hidden = !entry;
    if (entry) state.textContent = words(entry.decision === "approve" ? "js.desk.approving" : "js.desk.rejecting");
    const box = row.querySelector("input");
    box.disabled = !open(row);
    if (box.disabled) chosen.delete(id);
    box.checked = chosen.has(id);
    const button = row.querySelector(".open");
    if (id === current) button.setAttribute("aria-current", "true"); else button.removeAttribute("aria-current");
  }
  showChosen();
}

function showChosen() {
  const number = chosen.size;
  byId("chosen").textContent = number ? words(number === 1 ? "js.desk.chosen.one" : "js.desk.chosen.other", { n: number }) : words("js.desk.choose_all");
  const able = rows().filter(open);
  byId("all").checked = number > 0 && number === able.length;
  byId("all").indeterminate = number > 0 && number < able.length;
  byId("bulk-approve").disabled = byId("bulk-reject").disabled = number === 0;
}

function show(id, { focus = false } = {}) {
  keepDraft();
  const row = id && rowOf(id);
  current = row ? id : null;
  shownVersion = row ? row.dataset.version : null;
  if (row) {
    detail.replaceChildren(row.querySelector("template").content.cloneNode(true));
    htmx.process(detail);
    restoreDraft(id);
    detail.scrollTop = 0;
    row.scrollIntoView({ block: "nearest" });
    if (focus) row.querySelector(".open").focus({ preventScroll: true });
  } else {
    const empty = document.createElement("div");
    empty.className = "empty muted";
    empty.textContent = words(rows().length ? "js.desk.choose" : "js.desk.none");
    detail.replaceChildren(empty);
  }
  dress();
}

function step(by) {
  const all = rows();
  const at = all.findIndex((row) => row.dataset.id === current);
  const next = all[at === -1 ? 0 : Math.min(Math.max(at + by, 0), all.length - 1)];
  if (!next) return;
  show(next.dataset.id, { focus: true });
  announce(words("js.desk.at", { n: all.indexOf(next) + 1, of: all.length, name: next.dataset.name, stage: next.dataset.stage }));
}

/** What to look at after this one: the next that can be decided, else the one before. */
function after(id) {
  const all = rows();
  const at = all.findIndex((row) => row.dataset.id === id);
  const able = (row) => open(row) && row.dataset.id !== id;
  return (all.slice(at + 1).find(able) ?? all.slice(0, Math.max(at, 0)).reverse().find(able))?.dataset.id ?? null;
}

let focused = null;
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id !== "queue") return;
  // A refresh that was on its way while another filter was chosen shows what nobody asks for any more.
  const { elt, path, verb } = event.detail.requestConfig;
  if (elt === detail && verb === "get" && path !== location.pathname + location.search) event.detail.shouldSwap = false;
  const inside = document.activeElement?.closest("#queue .row");
  focused = inside ? [inside.dataset.id, document.activeElement.matches("input") ? "input" : ".open"] : null;
});
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id !== "queue" && !event.detail.elt?.matches?.("#queue")) return;
  for (const id of chosen) if (!rowOf(id)) chosen.delete(id);
  const row = current && rowOf(current);
  if (!row || row.hidden) show(rows().find(open)?.dataset.id ?? rows()[0]?.dataset.id ?? null);
  else if (row.dataset.version !== shownVersion) { show(current); fault(words("js.desk.changed")); }
  else refreshHead(row);
  dress();
  if (focused) rowOf(focused[0])?.querySelector(focused[1])?.focus({ preventScroll: true });
});

/** Who holds it may be another by now; what is being typed stays. */
function refreshHead(row) {
  const fresh = row.querySelector("template").content;
  if (!!fresh.querySelector(".decide") !== !!detail.querySelector(".decide")) { show(current); return; }
  const head = fresh.querySelector(".item-head").cloneNode(true);
  if (detail.contains(document.activeElement) && document.activeElement.closest(".item-head")) return;
  detail.querySelector(".item-head").replaceWith(head);
  htmx.process(head);
}

function refresh() {
  return htmx.ajax("GET", location.pathname + location.search, { target: "#queue", swap: "outerHTML", source: "#detail" });
}
setInterval(() => { if (!document.hidden && !document.querySelector("dialog[open]")) refresh().catch(() => null); }, REFRESH);
detail.dataset.quiet = "yes"; // a refresh that nobody asked for fails without a word

document.addEventListener("held", (event) => { byId("held").value = event.detail.value; });

// --- drafts ---------------------------------------------------------------------------------------------------------

const form = () => detail.querySelector(".decide");

function keepDraft() {
  const shown = form();
  if (!shown) return;
  const fields = Object.fromEntries(["note", "points", "reason"].map((name) => [name, shown.elements[name].value]));
  const untouched = !fields.note && !fields.reason && fields.points === shown.elements.points.defaultValue;
  if (untouched) drafts.delete(shown.dataset.for); else drafts.set(shown.dataset.for, fields);
}

function restoreDraft(id) {
  const draft = drafts.get(id);
  const shown = form();
  if (!draft || !shown) return;
  for (const [name, value] of Object.entries(draft)) shown.elements[name].value = value;
  if (draft.reason || draft.points !== shown.elements.points.defaultValue) adjust(true);
}

// --- one decision ---------------------------------------------------------------------------------------------------

function fault(text, field = null) {
  const place = form()?.querySelector(".fault");
  if (!place) { notify(text, "bad"); return; }
  place.textContent = text;
  place.hidden = false;
  if (field) { field.setAttribute("aria-invalid", "true"); field.focus(); }
}

function adjust(shown) {
  const part = form()?.querySelector(".adjusting");
  if (!part) return;
  part.hidden = !shown;
  form().querySelector(".adjust").setAttribute("aria-expanded", String(shown));
  if (shown) form().elements.points.select();
}

function decide(decision) {
  const shown = form();
  const row = current && rowOf(current);
  if (!shown || !row || !open(row)) return;
  const { note, points, reason } = shown.elements;
  const entry = { id: current, decision, version: Number(shownVersion), name: row.dataset.name };
  if (note.value.trim()) entry.note = note.value.trim();
  if (decision === "reject" && !entry.note) {
    shown.dataset.mode = "reject";
    shown.querySelector(".note-label").textContent = words("js.desk.reject_note");
    note.required = true;
    note.focus();
    return;
  }
  if (decision === "approve" && !shown.querySelector(".adjusting").hidden && points.value !== row.dataset.points) {
    if (!points.checkValidity() || points.value === "") { fault(words("js.desk.no_points"), points); return; }
    if (!reason.value.trim()) { fault(words("js.desk.no_reason"), reason); return; }
    Object.assign(entry, { points: Number(points.value), reason: reason.value.trim() });
  }
  const next = after(current);
  const from = detail.contains(document.activeElement) || document.activeElement === document.body;
  drafts.set(current, { note: note.value, points: points.value, reason: reason.value });
  chosen.delete(current);
  outbox.put(entry);
  show(next, { focus: from });
  if (!next) detail.focus();
}

function told(entry, outcome) {
  if (outcome.ok) {
    done.add(entry.id);
    drafts.delete(entry.id);
    const approved = entry.decision === "approve";
    const text = words(approved ? "js.desk.approved" : "js.desk.rejected", { name: entry.name, n: outcome.points ?? 0 });
    const badges = outcome.badges?.length ? ` ${words("js.desk.badges", { n: outcome.badges.length })}` : "";
    const undo = approved && desk.dataset.admin ? { label: words("js.desk.undo"), run: () => revoke(entry.id, entry.name) } : null;
    const board = approved && { label: words("js.desk.on_board"), href: `/console/board?q=${encodeURIComponent(entry.name)}` };
    notify(text + badges, "ok", undo, board || null);
  } else conflict(entry, outcome.problem);
  if (current === entry.id || !current) show(rows().find(open)?.dataset.id ?? null);
  dress();
  document.body.dispatchEvent(new CustomEvent("decided"));
  if (!outbox.entries().length && rows().filter(open).length === 0) refresh().catch(() => null);
}

function conflict(entry, problem) {
  const place = document.createElement("div");
  place.className = "panel conflict";
  const text = document.createElement("p");
  const what = words(entry.decision === "approve" ? "js.desk.not_approved" : "js.desk.not_rejected", { name: entry.name });
  text.textContent = `${what} ${problem.title}. ${problem.detail ?? ""}`;
  const look = Object.assign(document.createElement("a"), { className: "button small", href: `/console/review/submissions/${entry.id}`, target: "_blank", rel: "noopener", textContent: words("js.desk.look") });
  const close = Object.assign(document.createElement("button"), { className: "button small quiet", type: "button", textContent: words("js.desk.understood") });
  close.addEventListener("click", () => { place.remove(); detail.focus(); });
  place.append(text, look, close);
  byId("conflicts").append(place);
  refresh().catch(() => null);
}

function showWaiting() {
  const number = outbox.entries().length;
  const place = byId("waiting");
  place.hidden = !(number && outbox.failing);
  if (!place.hidden) {
    const key = outbox.signedOut ? "js.desk.signed_out" : number === 1 ? "js.desk.waiting.one" : "js.desk.waiting.other";
    const text = words(key, { n: number });
    const span = place.querySelector("span");
    if (span.textContent !== text) span.textContent = text;
  }
  dress();
}
document.addEventListener("session", (event) => { if (!event.detail.over && outbox.signedOut) outbox.now(); });
byId("waiting").querySelector("button").addEventListener("click", () => { if (outbox.signedOut && !keeps()) location.reload(); else outbox.now(); });

// --- asking ---------------------------------------------------------------------------------------------------------

/** Resolves to the note, or null when the person thinks better of it. */
function ask({ title, text, label, button, required }) {
  const dialog = byId("ask");
  const note = byId("ask-note");
  byId("ask-title").textContent = title;
  byId("ask-text").textContent = text;
  byId("ask-label").textContent = label;
  byId("ask-send").textContent = button;
  note.value = "";
  note.required = required;
  dialog.returnValue = "";
  dialog.showModal();
  note.focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "send" ? note.value.trim() : null), { once: true });
  });
}
byId("ask").querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const note = byId("ask-note");
  note.setCustomValidity(note.required && !note.value.trim() ? words("js.desk.reject_note") : "");
  if (note.reportValidity()) byId("ask").close("send");
});
byId("ask-note").addEventListener("input", (event) => event.target.setCustomValidity(""));

async function bulk(decision) {
  const wanted = rows().filter((row) => chosen.has(row.dataset.id) && open(row));
  if (!wanted.length) return;
  const warned = wanted.filter((row) => row.dataset.warned !== "0").length;
  const many = wanted.length === 1 ? "one" : "other";
  const note = await ask({
    title: words(`js.desk.bulk_${decision}.${many}`, { n: wanted.length }),
    text: warned ? words("js.desk.bulk_warned", { n: warned }) : wanted.slice(0, 4).map((row) => row.dataset.name).join(", ") + (wanted.length > 4 ? " …" : ""),
    label: words(decision === "reject" ? "js.desk.reject_note" : "js.desk.bulk_note"),
    button: words(decision === "reject" ? "js.desk.reject" : "js.desk.approve"),
    required: decision === "reject",
  });
  if (note === null) return;
  const entries = wanted.filter(open).map((row) => ({ id: row.dataset.id, decision, version: Number(row.dataset.version), name: row.dataset.name, ...(note && { note }) }));
  chosen.clear();
  outbox.put(...entries);
  show(rows().find(open)?.dataset.id ?? null, { focus: true });
}

async function revoke(id, name) {
  const reason = await ask({
    title: words("js.desk.undo_title", { name }), text: words("js.desk.undo_text"), label: words("js.desk.undo_reason"),
    button: words("js.desk.undo"), required: true,
  });
  if (reason === null) return;
  try {
    const answer = await send(`/api/review/${id}/revoke`, { body: { reason } });
    const body = await answer.json();
    if (answer.ok) notify(words("js.desk.undone", { name, n: body.pointsAwarded ?? 0 }));
    else notify(`${body.title}. ${body.detail ?? ""}`, "bad");
  } catch {
    notify(words("js.offline"), "bad");
  }
  document.body.dispatchEvent(new CustomEvent("decided"));
}

// --- mouse and keys -------------------------------------------------------------------------------------------------

desk.addEventListener("click", (event) => {
  const at = (selector) => event.target.closest(selector);
  if (at(".row .open")) {
    show(at(".row").dataset.id);
    if (NARROW.matches) { detail.focus({ preventScroll: true }); detail.scrollIntoView({ block: "start" }); }
  }
  else if (at(".approve")) decide("approve");
  else if (at(".reject")) decide("reject");
  else if (at(".adjust")) adjust(detail.querySelector(".adjusting").hidden);
  else if (at(".undo")) revoke(at(".undo").dataset.id, at(".undo").dataset.name);
  else if (at("#bulk-approve")) bulk("approve");
  else if (at("#bulk-reject")) bulk("reject");
  else if (at("#help-open")) byId("help").showModal();
});
desk.addEventListener("change", (event) => {
  if (event.target.id === "all") {
    chosen.clear();
    if (event.target.checked) for (const row of rows().filter(open)) chosen.add(row.dataset.id);
    dress();
  } else if (event.target.matches(".row input")) select(event.target.closest(".row").dataset.id, event.target.checked);
});
desk.addEventListener("submit", (event) => { if (event.target.matches(".decide")) event.preventDefault(); });
for (const button of document.querySelectorAll("[data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}

function select(id, on) {
  const row = id && rowOf(id);
  if (!row || !open(row)) return;
  if (on ?? !chosen.has(id)) chosen.add(id); else chosen.delete(id);
  dress();
  announce(byId("chosen").textContent);
}

const KEYS = {
  j: () => step(1), k: () => step(-1), a: () => decide("approve"), r: () => askNote(), x: () => select(current),
  p: () => adjust(true), t: () => byId("take").click(), "?": () => byId("help").showModal(),
};

function askNote() {
  const shown = form();
  if (!shown) return;
  shown.dataset.mode = "reject";
  shown.querySelector(".note-label").textContent = words("js.desk.reject_note");
  shown.elements.note.focus();
}

document.addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]")) return;
  const typing = event.target.matches("textarea, select, input:not([type=checkbox])");
  if (typing && event.key === "Escape" && detail.contains(event.target)) {
    if (form()) { delete form().dataset.mode; form().querySelector(".note-label").textContent = words("js.desk.note"); }
    (rowOf(current)?.querySelector(".open") ?? detail).focus();
  } else if (typing && event.key === "Enter" && (event.ctrlKey || event.metaKey) && detail.contains(event.target)) {
    event.preventDefault();
    decide(form().dataset.mode === "reject" ? "reject" : "approve");
  } else if (!typing && !event.ctrlKey && !event.metaKey && !event.altKey && KEYS[event.key] && !localStorage.getItem(KEYS_OFF)) {
    event.preventDefault();
    KEYS[event.key]();
  }
});
byId("keys-on").checked = !localStorage.getItem(KEYS_OFF);
byId("keys-on").addEventListener("change", (event) => {
  if (event.target.checked) localStorage.removeItem(KEYS_OFF); else localStorage.setItem(KEYS_OFF, "yes");
});

show(rows().find(open)?.dataset.id ?? rows()[0]?.dataset.id ?? null);
showWaiting();
outbox.now();
