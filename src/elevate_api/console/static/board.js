// The board moves by itself: the stream says that there is a new version, and htmx fetches the part that shows it.
import { announce, words } from "./app.js";
import { ready } from "./session.js";

const live = document.getElementById("live");
const board = () => document.getElementById("board");
let stream = null;
let period = null;

function say(key, on) {
  live.hidden = false;
  live.textContent = words(key);
  live.classList.toggle("on", on);
}

function listen() {
  if (period === board().dataset.period && stream && stream.readyState !== EventSource.CLOSED) return;
  stream?.close();
  period = board().dataset.period;
  stream = new EventSource(`/api/leaderboard/stream?period=${encodeURIComponent(period)}`);
  stream.onopen = () => say("js.board.live", true);
  stream.onerror = () => say("js.board.connecting", false);
  stream.addEventListener("board", (event) => {
    if (JSON.parse(event.data).version !== board().dataset.version) refresh();
  });
}

const PATIENCE = 3000;

async function refresh() {
  const address = location.pathname + location.search;
  await ready(); // it shows the visitor's own place
  const answer = await fetch(address, { headers: { "HX-Request": "true" } }).catch(() => null);
  const part = answer?.ok ? await answer.text().catch(() => null) : null;
  if (part === null) { setTimeout(refresh, PATIENCE); return; }
  if (address !== location.pathname + location.search) return; // a filter was faster, and brought the new version too
  const before = places();
  board().outerHTML = part;
  htmx.process(board());
  mark(before);
}

function places() {
  return new Map([...board().querySelectorAll("tr[data-handle]")].map((row) => [row.dataset.handle, row.dataset]));
}

function mark(before) {
  let moved = 0;
  for (const row of board().querySelectorAll("tr[data-handle]")) {
    const old = before.get(row.dataset.handle);
    if (old && old.points === row.dataset.points && old.rank === row.dataset.rank) continue;
    row.classList.add("moved");
    moved += 1;
  }
  announce(words(moved === 1 ? "js.board.moved.one" : "js.board.moved.other", { n: moved }));
}

// A proxy may end a stream for good, and a sleeping phone misses what was said: look again on coming back.
document.addEventListener("visibilitychange", () => { if (!document.hidden) listen(); });
document.addEventListener("htmx:afterSettle", listen);
addEventListener("pagehide", () => stream?.close());
addEventListener("pageshow", (event) => { if (event.persisted) { stream = null; listen(); } });
listen();
