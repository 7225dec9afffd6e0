import { showAhead } from "./ahead.js";
import { OPEN, TERMINAL, isPush, isText, judged, notAnswered, positive, readStatus, readSubmitted } from "./answers.js";
import { DeadlineExceeded, JobFailed, SimmerError, cancelled } from "./errors.js";
import { exchange } from "./http.js";
import { Parts } from "./parts.js";
import { Patience } from "./patience.js";
import { backoffMs, randomKey } from "./platform.js";
import { listen } from "./push.js";

// --- A job -----------------------------------------------------------------------------------

const FALLBACK_POLL_MS = 2000; // where the server does not say when to ask again
const SHORTEST_POLL_MS = 250;
const LONGEST_POLL_MS = 30_000;
const TRIES = 5; // of a submit or a cancel; a status is asked until the deadline
const LONGEST_RETRY_AFTER_MS = 30_000; // a person waits for a submit: past this it is refused

export class Job {
  id = undefined;
  /** 0 to 100; never goes back. */
  progress = 0;
  stage = undefined;
  message = undefined;
  estimatedSecondsRemaining = undefined;
  /** Whether past jobs tell that; else it is a guess. */
  estimateIsMeasured = false;
  /** Of an answer in parts: `{title, state}` of each, in the order of the result. */
  outline = undefined;
  /** While it is open, and when it failed: the result with the parts that are there. */
  partialResult = undefined;
  result = undefined;
  error = undefined;
  /** Whether the result was stored, so that nothing had to be waited for. */
  cached = false;
  /** How the server is followed: "push" or "polling". */
  transport = undefined;
  /** Requests in a row that brought no answer: above 0, the connection is in trouble. */
  failures = 0;

  #state = "idle";
  #platform;
  #onUpdate;
  #onPart;
  #parts = new Parts();
  #isFetching = false; // a part that was too large for a frame
  #signal;
  #document; // the last status document
  #ending = new Set(); // what to call when it is over
  #patience;
  #asked; // what was submitted: the same is the same job
  #cancelRequested = false;
  #submitted; // a promise: there is an id now, or it is over
  #setSubmitted;
  #wake = () => {}; // ends a pause
  #stopAhead = () => {}; // what the last frame said of the time until the next one
  #promise;
  #resolve;
  #reject;

  constructor(platform, { onUpdate = () => {}, onPart, signal }) {
    this.#platform = platform;
    this.#onUpdate = onUpdate;
    this.#onPart = onPart;
    this.#signal = signal;
    this.#promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#submitted = new Promise((resolve) => {
      this.#setSubmitted = resolve;
    });
    // Whoever goes by `onUpdate` alone must not be punished for an unhandled rejection.
    this.#promise.catch(() => {});
  }

  get state() {
    return this.#state;
  }

  /**
   * Send the request and follow what comes of it. Repeating it is safe, for the same request is the
   * same job; `fresh` asks for a job of its own, by an Idempotency-Key that nobody used before.
   */
  submit(request, { fresh = false, idempotencyKey = fresh ? randomKey() : undefined } = {}) {
    const headers = { "Content-Type": "application/json" };
    if (idempotencyKey !== undefined) headers["Idempotency-Key"] = idempotencyKey;
    const body = JSON.stringify(request);
    this.#asked ??= JSON.stringify([idempotencyKey, body]);
    this.#start("submitting", () => this.#submit({ headers, body }));
    return this.#promise;
  }

  /** Follow a job that was submitted before, perhaps by another page or process. */
  resume(jobId) {
    if (!isText(jobId)) throw new TypeError("jobId is missing.");
    this.#start("polling", () => this.#poll(), jobId);
    return this.#promise;
  }

  /** The promise that `submit` and `resume` return. */
  wait() {
    return this.#promise;
  }

  /**
   * Give the job up. While another job object of this client follows the same one, only this object
   * leaves it; the last one (or any, with `everywhere`) asks the server, and then it ends for this
   * user, in other tabs and on other devices, too. Resolves with the state: "cancelled", or
   * "completed" if the result was there first. Rejects, and goes on following, if the server could
   * not be asked.
   */
  async cancel({ everywhere = false } = {}) {
    await undefined; // React runs an effect, its clean-up and the effect again in one go
    if (this.#state === "idle") this.#end("cancelled", cancelled());
    if (this.#isFollowing && !everywhere && this.#isShared) this.#end("cancelled", cancelled(true));
    if (this.#state === "submitting") {
      this.#cancelRequested = true;
      this.#wake(); // what is not accepted yet need not be sent again
      await this.#submitted;
    }
    if (this.#state === "polling") await this.#cancel();
    return this.#state;
  }

  // --- From the start to the end -------------------------------------------------------------

  #start(state, follow, jobId) {
    if (this.#state !== "idle" || this.error) throw new Error("A job is submitted or resumed once.");
    if (this.#signal?.aborted) return this.#leave();
    const { clock, deadlineMs, requestTimeoutMs, jobs } = this.#platform;
    this.id = jobId;
    this.#state = state;
    this.#patience = new Patience(clock, deadlineMs);
    this.#ending.add(this.#onReturn(() => this.#patience.allow(requestTimeoutMs)));
    const leave = () => this.#leave();
    this.#signal?.addEventListener("abort", leave);
    this.#ending.add(() => this.#signal?.removeEventListener("abort", leave));
    jobs.add(this);
    this.#ending.add(() => jobs.delete(this));
    this.#tell();
    follow().catch((error) => this.#end("failed", error));
  }

  /** The only way out of `submitting` and `polling`. */
  #end(state, error) {
    if (this.#isOver) return;
    this.#state = state;
    if (state === "cancelled") this.partialResult = undefined;
    this.error = error;
    if (error instanceof SimmerError) error.job ??= this.#document ?? (this.id && { jobId: this.id });
    for (const stop of [...this.#ending]) stop();
    this.#setSubmitted();
    if (error) this.#reject(error);
    else this.#resolve(this.result);
    this.#tell();
  }

  get #isOver() {
    return TERMINAL.includes(this.#state) || this.error !== undefined;
  }

  get #isFollowing() {
    return this.#state === "submitting" || this.#state === "polling";
  }

  /** Whether another object of this client follows the same job. */
  get #isShared() {
    const isSame = (other) =>
      this.id !== undefined && other.id !== undefined
        ? other.id === this.id
        : other.#asked !== undefined && other.#asked === this.#asked;
    return [...this.#platform.jobs].some((other) => other !== this && isSame(other));
  }

  #leave() {
    this.#end("idle", this.#signal.reason ?? new Error("Aborted"));
  }

  #exceed() {
    this.#end("failed", new DeadlineExceeded("client_deadline", "The job is still open after the time for it."));
  }

  #tell() {
    const call = (listener, ...told) => {
      try {
        listener(...told);
      } catch (error) {
        // A bug of the listener must not stop the job, nor go unnoticed.
        (globalThis.reportError ?? console.error)(error);
      }
    };
    call(this.#onUpdate, this);
    if (!this.#onPart || this.#state === "cancelled") return;
    for (const part of this.#parts.unhanded()) call(this.#onPart, part, this);
  }

  async #submit(request) {
    const { cancelling } = this.#platform;
    // What is being cancelled just now would be joined, and end with it.
    await Promise.all([...cancelling].filter(({ of }) => of === this.#asked).map(({ done }) => done));
    if (this.#isOver) return;
    const accepted = await this.#insist({ method: "POST", path: ["generate"], ...request }, readSubmitted);
    if (!accepted) return;
    const { document, dateMs } = accepted;
    this.id = document.jobId;
    if (document.status === "completed") {
      this.cached = true;
      return this.#apply(document);
    }
    this.#patience.heed(document, dateMs);
    this.message = isText(document.message) ? document.message : undefined;
    this.failures = 0;
    this.#state = "polling";
    this.#setSubmitted();
    this.#tell();
    const { isSecure } = this.#platform;
    if (!this.#isOver && isPush(document.push, isSecure)) {
      await listen(document.push, this.id, this.#platform, this.#watch);
    }
    await this.#poll();
  }

  async #cancel() {
    const { cancelling } = this.#platform;
    this.#stopAhead();
    let finish;
    const entry = { of: this.#asked, done: new Promise((resolve) => (finish = resolve)) };
    if (this.#asked !== undefined) cancelling.add(entry);
    try {
      const request = { method: "POST", path: ["cancel", this.id] };
      const answered = await this.#insist(request, readStatus(this.id));
      if (!answered) return;
      if (OPEN.includes(answered.document.status)) {
        // Others wait for it, so it goes on without us.
        this.#document = answered.document;
        this.#end("cancelled", cancelled(true));
      } else {
        this.#apply(answered.document);
      }
    } finally {
      cancelling.delete(entry);
      finish();
    }
  }

  /** Take over what a status document says. */
  #apply(document) {
    if (this.#isOver) return;
    this.#parts.heed(document);
    ({ outline: this.outline, partialResult: this.partialResult } = this.#parts);
    const { outline: _, partialResult: __, ...rest } = document; // not as they came
    this.#document = { ...rest, ...defined({ outline: this.outline, partialResult: this.partialResult }) };
    this.progress = Math.max(this.progress, Math.trunc(Math.min(document.progress, 100)));
    this.stage = isText(document.stage) ? document.stage : undefined;
    this.message = isText(document.message) ? document.message : undefined;
    const { estimatedSecondsRemaining: seconds } = document;
    this.estimatedSecondsRemaining = Number.isFinite(seconds) ? seconds : undefined;
    this.estimateIsMeasured = document.estimateIsMeasured === true;
    switch (document.status) {
      case "completed":
        this.result = document.result;
        return this.#end("completed");
      case "failed": {
        const { error = "The job failed.", errorCode = "internal", retryable } = document;
        return this.#end("failed", new JobFailed(errorCode, error, { retryable: retryable === true }));
      }
      case "cancelled":
        return this.#end("cancelled", cancelled());
    }
    this.#tell();
  }

  // --- Asking --------------------------------------------------------------------------------

  async #poll() {
    this.#stopAhead(); // the socket is given up, or it is over
    while (!this.#isOver) {
      if (this.#isHidden) {
        await this.#pause(Infinity);
        continue;
      }
      this.transport = "polling";
      const { document, error, passing, askedMs = 0, answer } = await this.#ask(
        { method: "GET", path: ["status", this.id] },
        readStatus(this.id),
      );
      if (this.#isOver) return;
      if (error && !passing) throw error;
      if (error) {
        if (this.#patience.isOver) throw error; // the deadline never strikes before a last look
        this.failures += 1;
        this.#tell();
        await this.#pause(Math.max(askedMs, backoffMs(this.failures)));
        continue;
      }
      this.failures = 0;
      this.#patience.heed(document, answer.dateMs);
      this.#apply(document);
      if (this.#patience.isOver) return this.#exceed();
      const waitMs = positive(document.pollAfterMs) ?? answer.retryAfterMs ?? FALLBACK_POLL_MS;
      await this.#pause(Math.min(Math.max(waitMs, SHORTEST_POLL_MS), LONGEST_POLL_MS));
    }
  }

  /** Ask until there is an answer, a few times. Undefined when it is over before. */
  async #insist(request, read) {
    const isSubmit = this.#state === "submitting";
    const isUnwanted = () => isSubmit && this.#cancelRequested;
    for (let tries = 1; ; tries += 1) {
      const { document, error, passing, askedMs = 0, answer } = await this.#ask(request, read);
      if (this.#isOver) return undefined;
      if (document) return { document, dateMs: answer.dateMs };
      if (!passing) throw error;
      const waitMs = Math.max(askedMs, backoffMs(tries));
      const isTooLong = waitMs >= this.#patience.leftMs || waitMs > LONGEST_RETRY_AFTER_MS;
      if (!isUnwanted()) {
        if (tries === TRIES || isTooLong) throw error;
        if (isSubmit) {
          this.failures = tries;
          this.#tell();
        }
        await this.#pause(waitMs);
      }
      if (isUnwanted()) this.#end("cancelled", cancelled());
      if (this.#isOver) return undefined;
    }
  }

  /** Parts that were too large for a frame. If that fails, the next frame asks again. */
  async #fetchParts() {
    if (this.#isFetching) return;
    this.#isFetching = true;
    const { document, answer } = await this.#ask({ method: "GET", path: ["status", this.id] }, readStatus(this.id));
    this.#isFetching = false;
    if (!document || this.#isOver) return;
    this.#patience.heed(document, answer.dateMs);
    this.#apply(document);
  }

  async #ask(request, read) {
    const answer = await exchange(this.#platform, this.#watch, request).catch(notAnswered);
    return { answer, ...judged(answer, read) };
  }

  // --- Waiting -------------------------------------------------------------------------------

  /** What HTTP and push need to know of the job, and may do with it. */
  get #watch() {
    return {
      isOver: () => this.#isOver,
      now: () => this.#platform.clock.now(),
      isHidden: () => this.#isHidden,
      leftMs: () => this.#patience.leftMs,
      later: (ms, callback) => this.#later(ms, callback),
      onReturn: (callback) => this.#onReturn(callback),
      onEnd: (callback) => {
        this.#ending.add(callback);
        return () => this.#ending.delete(callback);
      },
      take: ({ ahead, askAfterMs, ...document }, againMs) => {
        this.#stopAhead();
        this.transport = "push";
        this.#patience.heed(document, NaN);
        this.#apply(document);
        if (this.#isOver) return;
        const show = (fields) => this.#apply({ ...this.#document, ...fields });
        this.#stopAhead = showAhead(ahead, againMs, this.#watch, show);
        if (this.#parts.lacksSome) this.#fetchParts();
      },
      /** A failed job's parts may be too large for a frame, as a result may. */
      lacksParts: (document) => {
        if (document.status !== "failed") return false;
        this.#parts.heed(document);
        return this.#parts.lacksSome;
      },
    };
  }

  get #isHidden() {
    return this.#platform.visibility?.isHidden() ?? false;
  }

  /** Ends after `ms` or at the deadline, on return to the foreground, and when all is over. */
  #pause(ms) {
    if (this.#isOver) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        stopTimer();
        stopListening();
        this.#ending.delete(wake);
        resolve();
      };
      const atMostMs = this.#patience.leftMs;
      const stopTimer = ms === Infinity ? () => {} : this.#later(Math.min(ms, atMostMs), wake);
      const stopListening = this.#onReturn(wake);
      this.#ending.add(wake);
      this.#wake = wake;
    });
  }

  #onReturn(callback) {
    const stop = this.#platform.visibility?.onChange(() => {
      if (!this.#isHidden) callback();
    });
    return stop ?? (() => {});
  }

  /** Call back after `ms` unless it is over by then; returns how to stop it. */
  #later(ms, callback) {
    const { clock } = this.#platform;
    const timer = clock.setTimeout(() => {
      this.#ending.delete(stop);
      callback();
    }, ms);
    const stop = () => {
      clock.clearTimeout(timer);
      this.#ending.delete(stop);
    };
    this.#ending.add(stop);
    return stop;
  }
}

const defined = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
