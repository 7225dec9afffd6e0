/**
 * Simmer's client for browsers, React Native and Node.js 20 or newer. Types: simmer.d.ts.
 *
 *     const simmer = new SimmerClient({ baseUrl, token: ({ renew }) => accessToken(renew) });
 *     const job = simmer.job({ onUpdate: ({ progress, message }) => show(progress, message) });
 *     const { recipes } = await job.submit({ ingredients: ["egg", "rice"] });
 *
 * A job goes
 *
 *     idle ──submit──▶ submitting ──202──▶ polling ──▶ completed | failed | cancelled
 *       └────resume────────────────────────▲
 *
 * and `submit`, `resume` and `wait` give one promise: it resolves with the result, or rejects with
 *
 *     SimmerError            code, status (HTTP), job (the last status document), retryable
 *     ├── JobFailed          the job ended without a result; code is its `errorCode`
 *     ├── JobCancelled       cancelled
 *     ├── RequestRefused     the API said no; code is its problem's `code`, or else http_<status>
 *     ├── MalformedAnswer    malformed_answer: not what a Simmer API says
 *     ├── Unreachable        unreachable: no answer, however often it was asked
 *     └── DeadlineExceeded   client_deadline: still open, at a last look, after `deadlineMs`
 *
 * or with the reason of the AbortSignal, which leaves the job running: another can `resume` its id.
 */

const DEADLINE_MS = 330_000; // the server's own default is 300 s, after which every job has ended
const REQUEST_TIMEOUT_MS = 15_000;
const FALLBACK_POLL_MS = 2000; // where the server does not say when to ask again
const SHORTEST_POLL_MS = 250;
const LONGEST_BACKOFF_MS = 10_000;
const TRIES = 4; // of a submit or a cancel; a status is asked until the deadline
const LONGEST_RETRY_AFTER_MS = 30_000; // a person waits for a submit: past this it is refused
const PUSH_EVERY_MS = 10_000; // subscribed again this often: moves the bar, finds a dead socket
const PUSH_QUEUED_MS = 1200; // doubles up to that: nobody tells when a job's turn comes
const PUSH_TIMEOUT_MS = 4000; // a socket that is silent for this long is dead
const PUSH_TIMEOUT_ON_RETURN_MS = 1500; // while asleep, most do die

const OPEN = ["pending", "processing"];
const TERMINAL = ["completed", "failed", "cancelled"];

export class SimmerError extends Error {
  constructor(code, message, { status, job, retryable = false, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.code = code;
    this.status = status;
    this.job = job;
    this.retryable = retryable;
  }
}

export class JobFailed extends SimmerError {}
export class JobCancelled extends SimmerError {}
export class MalformedAnswer extends SimmerError {}
export class Unreachable extends SimmerError {}
export class DeadlineExceeded extends SimmerError {}

export class RequestRefused extends SimmerError {
  /** The complaints of a 422, `{field, message}` each. */
  errors = [];
  /** What a Retry-After header asked for. */
  retryAfterMs = undefined;
}

/** Where a Simmer API is, and how this platform talks to it. */
export class SimmerClient {
  #platform;

  constructor({
    baseUrl,
    token,
    task = "recipe",
    push = true,
    deadlineMs = DEADLINE_MS,
    requestTimeoutMs = REQUEST_TIMEOUT_MS,
    pushTimeoutMs = PUSH_TIMEOUT_MS,
    fetch = globalThis.fetch,
    WebSocket = globalThis.WebSocket,
    visibility = documentVisibility(),
    clock = systemClock,
  }) {
    this.#platform = {
      // A browser's fetch must not be called as somebody's method.
      fetch: (...request) => fetch(...request),
      url: (...path) => [String(baseUrl).replace(/\/+$/, ""), task, ...path].join("/"),
      token: typeof token === "function" ? token : ({ renew }) => (renew ? undefined : token),
      WebSocket: push ? WebSocket : undefined,
      deadlineMs,
      requestTimeoutMs,
      pushTimeoutMs,
      visibility,
      clock,
    };
  }

  /** A job to `submit` or `resume`, once. `onUpdate(job)` is called whenever anything changes. */
  job({ onUpdate = () => {}, signal } = {}) {
    return new Job(this.#platform, onUpdate, signal);
  }
}

export class Job {
  id = undefined;
  /** 0 to 100; never goes back. */
  progress = 0;
  stage = undefined;
  message = undefined;
  estimatedSecondsRemaining = undefined;
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
  #signal;
  #document; // the last status document
  #ending = new Set(); // what to call when it is over
  #deadlineAt = Infinity;
  #cancelRequested = false;
  #submitted; // a promise: there is an id now, or it is over
  #setSubmitted;
  #wake = () => {}; // ends a pause
  #promise;
  #resolve;
  #reject;

  constructor(platform, onUpdate, signal) {
    this.#platform = platform;
    this.#onUpdate = onUpdate;
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
   * same job; `fresh` asks for a job of its own, which an Idempotency-Key then makes safe.
   */
  submit(request, { fresh = false, idempotencyKey = fresh ? randomKey() : undefined } = {}) {
    const headers = { "Content-Type": "application/json" };
    if (fresh) headers["Cache-Control"] = "no-cache";
    if (idempotencyKey !== undefined) headers["Idempotency-Key"] = idempotencyKey;
    const body = JSON.stringify(request);
    this.#start("submitting", () => this.#submit({ headers, body }));
    return this.#promise;
  }

  /** Follow a job that was submitted before, perhaps by another page or process. */
  resume(jobId) {
    this.#start("polling", () => this.#poll(), jobId);
    return this.#promise;
  }

  /** The promise that `submit` and `resume` return. */
  wait() {
    return this.#promise;
  }

  /**
   * Ask the server to stop it. Resolves with the state: "cancelled", also where others go on
   * waiting for the same job, or "completed" if the result was there first. Rejects, and goes on
   * following, if the server could not be asked.
   */
  async cancel() {
    if (this.#state === "idle") this.#end("cancelled", cancelled());
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
    const { clock, deadlineMs, requestTimeoutMs } = this.#platform;
    this.id = jobId;
    this.#state = state;
    this.#deadlineAt = clock.now() + deadlineMs;
    // In the background a job ends unseen, so there is always time for a look on return.
    const allowALook = () => {
      this.#deadlineAt = Math.max(this.#deadlineAt, clock.now() + requestTimeoutMs);
    };
    this.#ending.add(this.#onReturn(allowALook));
    const leave = () => this.#leave();
    this.#signal?.addEventListener("abort", leave);
    this.#ending.add(() => this.#signal?.removeEventListener("abort", leave));
    this.#tell();
    follow().catch((error) => this.#end("failed", error));
  }

  /** The only way out of `submitting` and `polling`. */
  #end(state, error) {
    if (this.#isOver) return;
    this.#state = state;
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

  #leave() {
    this.#end("idle", this.#signal.reason ?? new Error("Aborted"));
  }

  #exceed() {
    const seconds = Math.round(this.#platform.deadlineMs / 1000);
    this.#end("failed", new DeadlineExceeded("client_deadline", `Still open after ${seconds} s.`));
  }

  get #isOverdue() {
    return this.#platform.clock.now() >= this.#deadlineAt;
  }

  #tell() {
    try {
      this.#onUpdate(this);
    } catch (error) {
      // A bug of the listener must not stop the job, nor go unnoticed.
      (globalThis.reportError ?? console.error)(error);
    }
  }

  async #submit(request) {
    const answer = await this.#insist("POST", ["generate"], request);
    if (!answer) return;
    const document = answer.body;
    if (answer.status === 200 && document?.status === "completed" && "result" in document) {
      this.cached = document.cached === true;
      this.id = document.jobId;
      this.#apply({ progress: 100, ...document });
      return;
    }
    if (answer.status !== 202 || !isId(document?.jobId)) throw malformed(answer.status);
    this.id = document.jobId;
    this.message = document.message;
    this.failures = 0;
    this.#state = "polling";
    this.#setSubmitted();
    this.#tell();
    if (!this.#isOver && isPush(document.push)) await this.#listen(document.push);
    await this.#poll();
  }

  async #cancel() {
    const answer = await this.#insist("POST", ["cancel", this.id], {});
    if (!answer) return;
    const document = answer.body;
    if (!isStatus(document, this.id)) throw malformed(answer.status, document);
    if (OPEN.includes(document.status)) {
      // Others wait for it, so it goes on without us.
      this.#document = document;
      this.#end("cancelled", cancelled());
    } else if (isWhole(document)) {
      this.#apply(document);
    } else {
      throw malformed(answer.status, document);
    }
  }

  /** Take over what a status document says. */
  #apply(document) {
    if (this.#isOver) return;
    this.#document = document;
    this.progress = Math.max(this.progress, document.progress);
    this.stage = document.stage;
    this.message = document.message;
    this.estimatedSecondsRemaining = document.estimatedSecondsRemaining;
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

  // --- Polling -------------------------------------------------------------------------------

  async #poll() {
    while (!this.#isOver) {
      if (this.#isHidden) {
        await this.#pause(Infinity);
        continue;
      }
      this.transport = "polling";
      const isLast = this.#isOverdue; // the deadline never strikes before a last look
      const answer = await this.#exchange("GET", ["status", this.id]).catch(notAnswered);
      if (this.#isOver) return;
      if (isTransient(answer)) {
        if (isLast) return this.#exceed();
        this.failures += 1;
        this.#tell();
        await this.#pause(Math.max(answer.retryAfterMs ?? 0, backoffMs(this.failures)));
        continue;
      }
      if (answer.status !== 200) throw refused(answer);
      const document = answer.body;
      if (!isStatus(document, this.id) || !isWhole(document)) throw malformed(200, document);
      this.failures = 0;
      this.#apply(document);
      if (isLast && !this.#isOver) return this.#exceed();
      const waitMs = positive(document.pollAfterMs) ?? answer.retryAfterMs ?? FALLBACK_POLL_MS;
      await this.#pause(Math.max(waitMs, SHORTEST_POLL_MS));
    }
  }

  get #isHidden() {
    return this.#platform.visibility?.isHidden() ?? false;
  }

  /** Ends after `ms` or at the deadline, on return to the foreground, and when all is over. */
  #pause(ms) {
    if (this.#isOver) return Promise.resolve();
    const atMostMs = Math.max(this.#deadlineAt - this.#platform.clock.now(), 0);
    return new Promise((resolve) => {
      const wake = () => {
        stopTimer();
        stopListening();
        this.#ending.delete(wake);
        resolve();
      };
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

  // --- Push ----------------------------------------------------------------------------------

  /** Follow over the socket. Ends when the job has, or when it is to be polled instead. */
  #listen({ url, token }) {
    const { pushTimeoutMs } = this.#platform;
    return new Promise((resolve) => {
      let socket;
      let stopTimer = () => {};
      let queuedMs = PUSH_QUEUED_MS / 2;
      const close = () => {
        stopTimer();
        stopListening();
        this.#ending.delete(close);
        if (socket) {
          socket.onopen = socket.onmessage = socket.onerror = socket.onclose = null;
          try {
            socket.close();
          } catch {
            // Some throw while they are still connecting.
          }
        }
        resolve();
      };
      const expectAnswer = (withinMs) => {
        stopTimer();
        stopTimer = this.#later(withinMs, close);
      };
      const subscribe = (withinMs) => {
        if (this.#isOverdue) return close();
        expectAnswer(withinMs);
        queuedMs *= 2;
        try {
          socket.send(JSON.stringify({ action: "subscribe", jobId: this.id, token }));
        } catch {
          close();
        }
      };
      const stopListening = this.#onReturn(() => subscribe(PUSH_TIMEOUT_ON_RETURN_MS));
      this.#ending.add(close);
      expectAnswer(pushTimeoutMs);
      try {
        socket = new this.#platform.WebSocket(url);
      } catch {
        return close(); // switched off, not to be had here, or not with this URL
      }
      socket.onopen = () => subscribe(pushTimeoutMs);
      socket.onerror = socket.onclose = close;
      socket.onmessage = ({ data }) => {
        const document = parsed(data);
        // A problem, garbage, or a result too large for a frame: polling deals with all of them.
        if (!isStatus(document, this.id) || !isWhole(document)) return close();
        this.transport = "push";
        stopTimer();
        this.#apply(document);
        if (this.#isOver) return;
        const againMs = this.stage === "queued" ? Math.min(queuedMs, PUSH_EVERY_MS) : PUSH_EVERY_MS;
        stopTimer = this.#later(againMs, () => {
          if (!this.#isHidden) subscribe(pushTimeoutMs);
        });
      };
    });
  }

  // --- HTTP ----------------------------------------------------------------------------------

  /** Ask until there is an answer, a few times. Undefined when it is over before. */
  async #insist(method, path, options) {
    const isSubmit = this.#state === "submitting";
    for (let tries = 1; ; tries += 1) {
      const answer = await this.#exchange(method, path, options).catch(notAnswered);
      if (this.#isOver) return undefined;
      if (!isTransient(answer)) {
        if (answer.status >= 300) throw refused(answer);
        return answer;
      }
      const waitMs = Math.max(answer.retryAfterMs ?? 0, backoffMs(tries));
      const isTooLong = this.#platform.clock.now() + waitMs >= this.#deadlineAt;
      const isUnwanted = () => isSubmit && this.#cancelRequested;
      if (!isUnwanted()) {
        if (tries === TRIES || waitMs > LONGEST_RETRY_AFTER_MS || isTooLong) throw refused(answer);
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

  /** One request and its answer; where the token is refused, once more with a new one. */
  async #exchange(method, path, options) {
    const answer = await this.#request(method, path, options, false);
    if (answer.status !== 401 || this.#isOver) return answer;
    return (await this.#request(method, path, options, true)) ?? answer;
  }

  /** Rejects when there is no answer. Undefined when there is no new token to be had. */
  async #request(method, path, { headers = {}, body } = {}, renew) {
    const { fetch, url, token, requestTimeoutMs, deadlineMs } = this.#platform;
    const controller = new AbortController();
    const abort = () => controller.abort();
    const stopTimer = this.#later(Math.min(requestTimeoutMs, deadlineMs), abort);
    this.#ending.add(abort);
    const timedOut = new Promise((_, reject) => {
      controller.signal.addEventListener("abort", () => reject(new Error("No answer in time.")));
    });
    const exchange = async () => {
      const bearer = await token({ renew });
      if (renew && !bearer) return undefined;
      const response = await fetch(url(...path.map(encodeURIComponent)), {
        method,
        headers: { ...headers, ...(bearer ? { Authorization: `Bearer ${bearer}` } : {}) },
        body,
        signal: controller.signal,
      });
      return {
        status: response.status,
        retryAfterMs: retryAfterMs(response.headers.get("Retry-After")),
        body: parsed(await response.text()),
      };
    };
    try {
      // Raced, for a token provider or a fetch of somebody's own may not heed the signal.
      return await Promise.race([exchange(), timedOut]);
    } finally {
      stopTimer();
      this.#ending.delete(abort);
    }
  }
}

// --- Answers ---------------------------------------------------------------------------------

/** What stands for an answer when there was none. */
const notAnswered = (cause) => ({ status: 0, cause });

const isTransient = ({ status }) => status === 0 || status === 408 || status === 429 || status >= 500;

const isId = (value) => typeof value === "string" && value !== "";

const isStatus = (document, jobId) =>
  document?.jobId === jobId &&
  (OPEN.includes(document.status) || TERMINAL.includes(document.status)) &&
  Number.isFinite(document.progress);

/** A frame leaves out a result that is too large for it. */
const isWhole = (document) => document.status !== "completed" || "result" in document;

const isPush = (push) => isId(push?.url) && isId(push?.token);

const positive = (value) => (Number.isFinite(value) && value > 0 ? value : undefined);

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const GATEWAY_CODES = { 401: "unauthorized", 403: "forbidden", 404: "not_found", 429: "too_many_requests" };

function refused({ status, body, cause, retryAfterMs }) {
  if (status === 0) {
    return new Unreachable("unreachable", "The server did not answer.", { cause, retryable: true });
  }
  const code = isId(body?.code) ? body.code : (GATEWAY_CODES[status] ?? `http_${status}`);
  const message = [body?.detail, body?.title, body?.message].find(isId) ?? `HTTP status ${status}`;
  const error = new RequestRefused(code, message, { status, retryable: isTransient({ status }) });
  if (Array.isArray(body?.errors)) error.errors = body.errors;
  error.retryAfterMs = retryAfterMs;
  return error;
}

const malformed = (status, job) =>
  new MalformedAnswer("malformed_answer", "The answer is none of a Simmer API.", { status, job });

const cancelled = () => new JobCancelled("cancelled", "The job was cancelled.");

// --- Time and platform -----------------------------------------------------------------------

const systemClock = {
  now: () => Date.now(),
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (timer) => clearTimeout(timer),
};

/** 1, 2, 4 s and so on, less up to half of it, so that many clients do not come back as one. */
const backoffMs = (failures) =>
  Math.min(1000 * 2 ** (failures - 1), LONGEST_BACKOFF_MS) * (1 - Math.random() / 2);

/** A Retry-After header, which holds seconds or a date. */
function retryAfterMs(header) {
  if (!header) return undefined;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.max(ms, 0) : undefined;
}

function documentVisibility() {
  if (typeof document === "undefined" || !("hidden" in document)) return undefined;
  return {
    isHidden: () => document.hidden,
    onChange: (callback) => {
      document.addEventListener("visibilitychange", callback);
      return () => document.removeEventListener("visibilitychange", callback);
    },
  };
}

/** Unique is enough: it is no secret. React Native has no crypto of its own. */
const randomKey = () =>
  globalThis.crypto?.randomUUID?.() ??
  Array.from({ length: 4 }, () => Math.random().toString(36).slice(2)).join("");
