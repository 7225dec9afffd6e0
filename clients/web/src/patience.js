// --- Until when ------------------------------------------------------------------------------

const DEADLINE_MS = 330_000; // where the server does not say
const GRACE_MS = 30_000; // after the server's own deadline, for a network that is away just then
const LONGEST_JOB_MS = 86_400_000; // a `deadlineAt` further away than that is no deadline

/**
 * When to give a job up: by the caller's number, or else by the server's `deadlineAt`. That counts
 * from the answer's own `Date`, on a clock that never jumps; the phone's own time has no part in it.
 */
export class Patience {
  #clock;
  #limitMs;
  #startedAt;
  #knownAt;
  #until;

  constructor(clock, limitMs) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#startedAt = clock.now();
  }

  get at() {
    return this.#until ?? this.#startedAt + (this.#limitMs ?? DEADLINE_MS);
  }

  get leftMs() {
    return Math.max(this.at - this.#clock.now(), 0);
  }

  get isOver() {
    return this.leftMs === 0;
  }

  /** In the background a job ends unseen, so there is always time for a look on return. */
  allow(ms) {
    this.#until = Math.max(this.at, this.#clock.now() + ms);
  }

  /**
   * A wrong `Date` may bring a moment too early, so the latest one holds; and none later than of a
   * job that was as good as new when it became known. A page of another origin may see no `Date`.
   */
  heed({ deadlineAt, createdAt }, dateMs) {
    if (this.#limitMs !== undefined) return;
    const now = this.#clock.now();
    this.#knownAt ??= now;
    const until = isoMs(deadlineAt);
    const moments = [
      now + span(dateMs, until), //
      this.#knownAt + span(isoMs(createdAt), until),
    ].filter(Number.isFinite);
    if (moments.length === 0) return;
    this.#until = Math.max(this.#until ?? 0, Math.min(...moments) + GRACE_MS);
  }
}

export const isoMs = (text) => (typeof text === "string" && text.endsWith("Z") ? Date.parse(text) : NaN);

/** NaN where it makes no sense of a job that is open. */
function span(fromMs, toMs) {
  const ms = toMs - fromMs;
  return ms > 0 && ms <= LONGEST_JOB_MS ? ms : NaN;
}
