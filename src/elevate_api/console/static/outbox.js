// Decisions on their way. Each is kept in this browser until the service has answered it, through lost networks, closed
// tabs and ended sessions. Sending twice does no harm: the service decides once, and says so the second time.
import { send } from "./app.js";

const FIRST_WAIT = 1000;
const LONGEST_WAIT = 30_000;
const AT_ONCE = 100; // what the bulk route takes
const PATIENCE = 20_000;

export class Outbox {
  /** `told(entry, outcome)` hears of each answer: {ok, points, badges} or {problem}. `changed()`: what waits is another. */
  constructor(user, { told, changed }) {
    this.key = `console.outbox.${user}`;
    this.user = user;
    this.told = told;
    this.changed = changed;
    this.wait = FIRST_WAIT;
    this.failing = false;
    this.signedOut = false;
    this.timer = null;
    addEventListener("online", () => this.now());
    addEventListener("storage", (event) => { if (event.key === this.key) this.changed(); });
  }

  entries() {
    try { return JSON.parse(localStorage.getItem(this.key)) ?? []; } catch { return []; }
  }

  keep(entries) {
    localStorage.setItem(this.key, JSON.stringify(entries));
    this.changed();
  }

  /** entry: {id, decision, version, name, note?, points?, reason?}. A submission has one decision at a time. */
  put(...entries) {
    const new_ = new Set(entries.map((entry) => entry.id));
    this.keep([...this.entries().filter((entry) => !new_.has(entry.id)), ...entries]);
    this.now();
  }

  now() {
    clearTimeout(this.timer);
    this.timer = null;
    // One tab sends at a time; another one's turn comes when it is done.
    return navigator.locks.request(this.key, () => this.deliver());
  }

  async deliver() {
    const waiting = this.entries();
    if (!waiting.length) return;
    const plain = waiting.filter((entry) => entry.points === undefined).slice(0, AT_ONCE);
    try {
      if (plain.length > 1) await this.deliverTogether(plain);
      else await this.deliverOne(waiting[0]);
      this.wait = FIRST_WAIT;
      this.failing = this.signedOut = false;
      this.changed();
    } catch (failure) {
      this.failing = true;
      this.signedOut = failure.status === 401;
      this.later(failure.after);
      this.changed();
      return;
    }
    if (this.entries().length) await this.deliver();
  }

  later(after) {
    const wait = after ?? this.wait * (0.75 + Math.random() / 2);
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.now(), wait);
  }

  async deliverOne(entry) {
    const { id, decision, version, note, points, reason } = entry;
    const answer = await this.ask(`/api/review/${id}/${decision}`, { version, note, points, reason });
    if (answer.ok) {
      await this.settle(entry, { ok: true, points: answer.body.pointsAwarded, badges: answer.body.badgesEarned ?? [] });
    } else await this.settle(entry, { problem: answer.body });
  }

  async deliverTogether(entries) {
    const decisions = entries.map(({ id, decision, version, note }) => ({ id, decision, version, note }));
    const answer = await this.ask("/api/review/bulk", { decisions });
    if (!answer.ok) { // the whole was refused: each by itself says which one is at fault
      for (const entry of entries) await this.deliverOne(entry);
      return;
    }
    for (const result of answer.body.results) {
      const entry = entries.find((one) => one.id === result.id);
      await this.settle(entry, result.ok ? { ok: true, points: result.pointsAwarded, badges: [] } : { problem: result.problem });
    }
  }

  async settle(entry, outcome) {
    const told = outcome.problem?.code === "ALREADY_REVIEWED" && (await this.wasMine(entry)) || outcome;
    this.keep(this.entries().filter((one) => one.id !== entry.id));
    this.told(entry, told);
  }

  /** An answer that was lost on its way back: the decision stands, and it is this one. */
  async wasMine(entry) {
    const answer = await this.ask(`/api/submissions/${entry.id}`, undefined, "GET");
    const wanted = entry.decision === "approve" ? ["APPROVED", "REVOKED"] : ["REJECTED"];
    if (!answer.ok || answer.body.reviewerId !== this.user || !wanted.includes(answer.body.status)) return null;
    return { ok: true, points: answer.body.pointsAwarded, badges: [] };
  }

  /** Throws {status, after} for what is worth another try: no network, a service in trouble, an ended session. */
  async ask(path, body, method = "POST") {
    let answer, text;
    try {
      answer = await send(path, { method, body, signal: AbortSignal.timeout(PATIENCE) });
      text = await answer.text();
    } catch {
      throw { status: 0 };
    }
    if (answer.status === 401 || answer.status === 408 || answer.status === 429 || answer.status >= 500) {
      const seconds = Number(answer.headers.get("Retry-After"));
      throw { status: answer.status, after: seconds ? seconds * 1000 : undefined };
    }
    try { return { ok: answer.ok, body: JSON.parse(text) }; } catch { throw { status: 0 }; }
  }
}
