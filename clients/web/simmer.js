
// Made by build.js from src/: change it there.

class SimmerError extends Error {
  // Written out in each class: a minifier renames classes, and crash reports go by the name.
  name = "SimmerError";

  constructor(code, message, { status, job, retryable = false, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.status = status;
    this.job = job;
    this.retryable = retryable;
  }

  /** What crosses to a worker or a log whole; a structured clone keeps no more than the message. */
  toJSON() {
    return { ...this, message: this.message };
  }
}

class JobFailed extends SimmerError {
  name = "JobFailed";
}

class JobCancelled extends SimmerError {
  name = "JobCancelled";
  /** It ended for this follower alone: others wait for it, and it is still worked on. */
  goesOn = false;
}

class RequestRefused extends SimmerError {
  name = "RequestRefused";
  /** The complaints of a 422, `{field, message}` each. */
  errors = [];
  /** What a Retry-After header asked for. */
  retryAfterMs = undefined;
}

class MalformedAnswer extends SimmerError {
  name = "MalformedAnswer";
}

class Unreachable extends SimmerError {
  name = "Unreachable";
}

class DeadlineExceeded extends SimmerError {
  name = "DeadlineExceeded";
}

function cancelled(goesOn = false) {
  const message = goesOn
    ? "The job was left, and goes on for others who wait for it."
    : "The job was cancelled.";
  const error = new JobCancelled("cancelled", message);
  error.goesOn = goesOn;
  return error;
}

// --- Answers: read with suspicion, for login pages and proxies answer in the API's place ------

const OPEN = ["pending", "processing"];
const TERMINAL = ["completed", "failed", "cancelled"];

const GATEWAY_CODES = { 401: "unauthorized", 403: "forbidden", 404: "not_found", 429: "too_many_requests" };

/** What stands for an answer when there was none. */
const notAnswered = (cause) => ({ status: 0, cause });

/**
 * What an answer means: `{document}`, as `read` makes it of a 200 or 202, or else `{error}`, and
 * whether that is `passing`: no answer at all, trouble of the moment, or nothing of the API's own.
 * `askedMs`: how long the API itself asks to wait; a proxy's word is none.
 */
function judged(answer, read) {
  const { status, body } = answer;
  if (status === 0) {
    const { cause } = answer;
    const error = new Unreachable("unreachable", "The server did not answer.", { cause, retryable: true });
    return { error, passing: true };
  }
  if (status >= 400) {
    const isOfTheMoment = [408, 425, 429].includes(status) || status >= 500;
    const isPassing = isOfTheMoment || !isRefusal(answer);
    const askedMs = isRefusal(answer) ? answer.retryAfterMs : undefined;
    return { error: refused(answer, isPassing), passing: isPassing, askedMs };
  }
  const document = status === 200 || status === 202 ? read(answer) : undefined;
  if (document) return { document };
  const message = "The answer is none of a Simmer API.";
  const error = new MalformedAnswer("malformed_answer", message, { status, retryable: true });
  return { error, passing: true };
}

/** Whether it is the API's own, or its gateway's: proxies and login pages have theirs. */
const isRefusal = ({ body }) => [body?.code, body?.title, body?.detail, body?.message].some(isText);

/** The answer to a submit: accepted, or answered at once. */
function readSubmitted({ status, body }) {
  if (!isText(body?.jobId)) return undefined;
  if (status === 202) return body.status === "submitted" ? body : undefined;
  if (status !== 200 || body.status !== "completed" || !isWhole(body)) return undefined;
  return { ...body, progress: 100, stage: "done", cached: true };
}

const readStatus = (jobId) => ({ body }) =>
  isStatus(body, jobId) && isWhole(body) ? body : undefined;

const isStatus = (document, jobId) =>
  document?.jobId === jobId &&
  (OPEN.includes(document.status) || TERMINAL.includes(document.status)) &&
  Number.isFinite(document.progress) &&
  ["string", "undefined"].includes(typeof (document.message ?? undefined));

/** A frame leaves out a result that is too large for it. */
const isWhole = ({ status, result }) => status !== "completed" || (result !== undefined && result !== null);

const isText = (value) => typeof value === "string" && value !== "";

/** Plain `ws` is for an API that is not encrypted either. */
const isPush = (push, isSecure) =>
  isText(push?.token) && isText(push?.url) && (isSecure ? /^wss:/i : /^wss?:/i).test(push.url);

const positive = (value) => (Number.isFinite(value) && value > 0 ? value : undefined);

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refused({ status, body, retryAfterMs }, retryable) {
  const code = isText(body?.code) ? body.code : (GATEWAY_CODES[status] ?? `http_${status}`);
  const message = [body?.detail, body?.title, body?.message].find(isText) ?? `HTTP status ${status}`;
  const error = new RequestRefused(code, message, { status, retryable });
  if (Array.isArray(body?.errors)) error.errors = body.errors;
  error.retryAfterMs = retryAfterMs;
  return error;
}

/** A Retry-After header: seconds, or a date, which counts by the answer's own clock. */
function retryAfterMs(header, dateMs) {
  if (!header) return undefined;
  const text = header.trim();
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - dateMs;
  return Number.isFinite(ms) ? Math.max(ms, 0) : undefined;
}

// --- Time and platform -----------------------------------------------------------------------

const LONGEST_BACKOFF_MS = 10_000;

// The time of day jumps: it is set, and phones set it by themselves.
const systemClock = {
  now: () => globalThis.performance?.now?.() ?? Date.now(),
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (timer) => clearTimeout(timer),
};

/** 1, 2, 4 s and so on, less up to half of it, so that many clients do not come back as one. */
const backoffMs = (failures) =>
  Math.min(1000 * 2 ** (failures - 1), LONGEST_BACKOFF_MS) * (1 - Math.random() / 2);

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
  "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx".replace(/x/g, () => Math.floor(Math.random() * 16).toString(16));

const isSecure = (baseUrl) => /^https:/i.test(absolute(baseUrl));

/** Whether an answer came by a redirect, which some platforms follow whatever they are told. */
function isFromElsewhere({ type, redirected, url }, asked) {
  if (type === "opaqueredirect" || redirected === true) return true;
  const [from, to] = [url, asked].map((each) => (each ? originOf(absolute(each)) : undefined));
  return from !== undefined && to !== undefined && from !== to;
}

const absolute = (url) => (/^[a-z][a-z0-9+.-]*:/i.test(url) ? url : (globalThis.location?.href ?? ""));

function originOf(url) {
  try {
    return new URL(url).origin;
  } catch {
    // React Native's URL knows no origin.
    const [, scheme, host] = /^(https?):\/\/(?:[^/?#]*@)?([^/?#]+)/i.exec(url) ?? [];
    return host && `${scheme}://${host}`.toLowerCase().replace(scheme.length === 5 ? /:443$/ : /:80$/, "");
  }
}

// --- HTTP ------------------------------------------------------------------------------------

/** One request and its answer; where the token is refused, once more with a new one. */
async function exchange(platform, watch, request) {
  const { tokens } = platform;
  const sentWith = tokens.renewals;
  const answer = await ask(platform, watch, request, () => tokens.current());
  if (answer.status !== 401 || !isRefusal(answer) || watch.isOver()) return answer;
  return (await ask(platform, watch, request, () => tokens.renewed(sentWith), true)) ?? answer;
}

/** Rejects when there is no answer. Undefined when a new token is needed and not to be had. */
async function ask(platform, watch, { method, path, headers = {}, body }, bearerOf, isRenewed = false) {
  const { fetch, url, requestTimeoutMs, deadlineMs = Infinity } = platform;
  const controller = new AbortController();
  const abort = () => controller.abort();
  const stopTimer = watch.later(Math.min(requestTimeoutMs, deadlineMs), abort);
  const stopWatching = watch.onEnd(abort);
  const timedOut = new Promise((_, reject) => {
    controller.signal.addEventListener("abort", () => reject(new Error("No answer in time.")));
  });
  const answered = async () => {
    const bearer = await bearerOf();
    if (isRenewed && !bearer) return undefined;
    const target = url(...path.map(encodeURIComponent));
    const response = await fetch(target, {
      method,
      headers: { ...headers, ...(bearer ? { Authorization: `Bearer ${bearer}` } : {}) },
      body,
      signal: controller.signal,
      redirect: "manual", // a token goes where the app said, and nowhere else
    });
    if (isFromElsewhere(response, target)) throw new Error("The answer came from elsewhere.");
    const dateMs = Date.parse(response.headers.get("Date") ?? "");
    return {
      status: response.status,
      dateMs,
      retryAfterMs: retryAfterMs(response.headers.get("Retry-After"), dateMs),
      body: parsed(await response.text()),
    };
  };
  try {
    // Raced, for a token provider or a fetch of somebody's own may not heed the signal.
    return await Promise.race([answered(), timedOut]);
  } finally {
    stopTimer();
    stopWatching();
  }
}

/** The caller's tokens. However many requests are refused at once, one new token is asked for. */
class Tokens {
  /** Which token it is: a request is refused with the one it was sent with. */
  renewals = 0;
  #give;
  #clock;
  #timeoutMs;
  #latest;
  #renewing;
  #since;

  constructor(token, clock, timeoutMs) {
    this.#give = typeof token === "function" ? token : ({ renew }) => (renew ? undefined : token);
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  current() {
    return this.#give({ renew: false });
  }

  renewed(sentWith) {
    if (sentWith !== this.renewals) return this.#latest;
    const isHung = this.#renewing && this.#clock.now() - this.#since >= this.#timeoutMs;
    if (!this.#renewing || isHung) {
      this.#since = this.#clock.now();
      const renewing = this.#renew().finally(() => {
        if (this.#renewing === renewing) this.#renewing = undefined;
      });
      this.#renewing = renewing;
    }
    return this.#renewing;
  }

  async #renew() {
    const latest = await this.#give({ renew: true });
    this.#latest = latest;
    this.renewals += 1;
    return latest;
  }
}

// --- What is ahead: how the bar goes on between two frames -------------------------------------

const SHORTEST_ASK_MS = 1000;
const LONGEST_ASK_MS = 60_000;

/** How long after its frame the next ask is wanted; undefined where that makes no sense. */
const askAfterMs = ({ askAfterMs: ms }) =>
  Number.isFinite(ms) && ms >= SHORTEST_ASK_MS && ms <= LONGEST_ASK_MS ? ms : undefined;

/**
 * Call `show(fields)` with what each entry of a frame's `ahead` says, at its time from now on, and
 * before `untilMs`. In the background nothing is shown; on return, at once what holds by then.
 * Returns how to stop it.
 */
function showAhead(ahead, untilMs, { now, later, isHidden, onReturn }, show) {
  const cameAt = now();
  let entries = (Array.isArray(ahead) ? ahead : [])
    .filter((each) => Number.isFinite(each?.progress) && Number.isFinite(each.afterMs))
    .filter(({ afterMs }) => afterMs > 0 && afterMs < untilMs)
    .sort((one, other) => one.afterMs - other.afterMs);
  let stopTimer = () => {};
  const goOn = () => {
    stopTimer();
    if (isHidden()) return;
    const due = entries.filter(({ afterMs }) => afterMs <= now() - cameAt);
    entries = entries.slice(due.length);
    // Who is shown something may stop us.
    if (entries.length) stopTimer = later(cameAt + entries[0].afterMs - now(), goOn);
    if (due.length) show(Object.assign({}, ...due.map(said)));
  };
  const stopListening = onReturn(goOn);
  goOn();
  return () => {
    stopTimer();
    stopListening();
  };
}

/** Nothing else is taken from an entry. */
const said = ({ progress, estimatedSecondsRemaining, stage, message }) => ({
  progress,
  ...(Number.isFinite(estimatedSecondsRemaining) && { estimatedSecondsRemaining }),
  ...(typeof stage === "string" && { stage }),
  ...(typeof message === "string" && { message }),
});

// --- Until when ------------------------------------------------------------------------------

const DEADLINE_MS = 330_000; // where the server does not say
const GRACE_MS = 30_000; // after the server's own deadline, for a network that is away just then
const LONGEST_JOB_MS = 86_400_000; // a `deadlineAt` further away than that is no deadline

/**
 * When to give a job up: by the caller's number, or else by the server's `deadlineAt`. That counts
 * from the answer's own `Date`, on a clock that never jumps; the phone's own time has no part in it.
 */
class Patience {
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

const isoMs = (text) => (typeof text === "string" && text.endsWith("Z") ? Date.parse(text) : NaN);

/** NaN where it makes no sense of a job that is open. */
function span(fromMs, toMs) {
  const ms = toMs - fromMs;
  return ms > 0 && ms <= LONGEST_JOB_MS ? ms : NaN;
}

// --- An answer in parts ----------------------------------------------------------------------

/**
 * What is known of the parts of one run: the titles of all (the outline, in the order of the result)
 * and those parts that are there. It only grows: a late document takes nothing away.
 */
class Parts {
  /** `{title, state}` of each, "waiting" or "ready"; undefined until it is known. */
  outline = undefined;
  #values = new Map(); // by position
  #listName;
  #runAt = NaN; // when the run began, in ms
  #handed = new Set(); // positions

  /** Take over what a status document says. */
  heed(document) {
    const { createdAt, status } = document;
    const runAt = isoMs(createdAt);
    if (runAt < this.#runAt) return; // of an earlier run
    if (runAt > this.#runAt) this.#begin();
    if (!Number.isNaN(runAt)) this.#runAt = runAt;
    const outline = outlineOf(document.outline);
    if (outline && hasSameTitles(outline, this.outline ?? outline)) {
      const ready = outline.flatMap(({ state }, at) => (state === "ready" ? [at] : []));
      const [name, values] = listOf(document.partialResult, ready.length);
      this.#listName ??= name;
      if (name === this.#listName) values.forEach((value, n) => this.#keep(ready[n], value));
      this.#show(outline.map((entry, at) => (this.outline?.[at].state === "ready" ? this.outline[at] : entry)));
    }
    if (status === "completed") {
      this.#show(this.outline?.map(({ title }) => ({ title, state: "ready" })));
      const [, values] = listOf(document.result, this.outline?.length ?? 0);
      this.#values = new Map(values.entries());
      this.#listName = undefined; // there is the result
    }
    if (status === "cancelled") this.#listName = undefined; // nobody wants them
  }

  /** Of the result's own type, with the parts that are there; undefined without one. */
  get partialResult() {
    if (this.#listName === undefined) return undefined;
    return { [this.#listName]: this.#sorted().map(([, value]) => value) };
  }

  /** Whether a part is ready that was not seen: it was too large for a frame. */
  get lacksSome() {
    return (this.outline ?? []).some(({ state }, at) => state === "ready" && !this.#values.has(at));
  }

  /** `{position, title, value}` of each part that was not given before. */
  *unhanded() {
    for (const [position, value] of this.#sorted()) {
      if (this.#handed.has(position)) continue;
      this.#handed.add(position);
      yield { position, title: this.outline[position].title, value };
    }
  }

  /** A part that was shown never changes. */
  #keep(position, value) {
    if (!this.#values.has(position)) this.#values.set(position, value);
  }

  #begin() {
    this.outline = undefined;
    this.#values.clear();
    this.#listName = undefined;
    this.#handed.clear();
  }

  /** A new list only where something is new, for those who compare. */
  #show(outline) {
    const isSame = outline?.every(({ state }, at) => this.outline?.[at].state === state) ?? true;
    if (!isSame) this.outline = outline;
  }

  #sorted() {
    return [...this.#values].sort(([one], [other]) => one - other);
  }
}

const hasSameTitles = (one, other) =>
  one.length === other.length && one.every(({ title }, at) => title === other[at].title);

/** Undefined for what is none: what is half right cannot be placed. */
function outlineOf(value) {
  const isEntry = (each) => isText(each?.title) && ["waiting", "ready"].includes(each.state);
  if (!Array.isArray(value) || value.length === 0 || !value.every(isEntry)) return undefined;
  return value.map(({ title, state }) => ({ title, state }));
}

/** The name and the elements of the one list of that length; none if there is no such one. */
function listOf(result, count) {
  const isObject = typeof result === "object" && result !== null && !Array.isArray(result);
  const members = isObject && count > 0 ? Object.entries(result) : [];
  const lists = members.filter(([, value]) => Array.isArray(value) && value.length === count);
  return lists.length === 1 ? lists[0] : [undefined, []];
}

// --- Push ------------------------------------------------------------------------------------

const PUSH_EVERY_MS = 10_000; // subscribed again this often, where the frame does not say
const PUSH_QUEUED_MS = 1000; // doubles up to that: an older server does not tell a job's turn
const PUSH_TIMEOUT_ON_RETURN_MS = 1500; // while asleep, most sockets do die

/** Follow a job over the socket. Ends when the job has, or when it is to be polled instead. */
function listen({ url, token }, jobId, { WebSocket, pushTimeoutMs }, watch) {
  return new Promise((resolve) => {
    let socket;
    let isOpen = false;
    let stopTimer = () => {};
    let queuedMs = PUSH_QUEUED_MS / 2;
    const close = () => {
      stopTimer();
      stopListening();
      stopWatching();
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
      stopTimer = watch.later(Math.min(withinMs, watch.leftMs()), close);
    };
    const subscribe = (withinMs) => {
      if (watch.leftMs() === 0) return close(); // the last look is a poll
      expectAnswer(withinMs);
      queuedMs *= 2;
      try {
        socket.send(JSON.stringify({ action: "subscribe", jobId, token }));
      } catch {
        close();
      }
    };
    const stopListening = watch.onReturn(() => isOpen && subscribe(PUSH_TIMEOUT_ON_RETURN_MS));
    const stopWatching = watch.onEnd(close);
    expectAnswer(pushTimeoutMs);
    try {
      socket = new WebSocket(url);
    } catch {
      return close(); // switched off, not to be had here, or not with this URL
    }
    socket.onopen = () => {
      isOpen = true;
      subscribe(pushTimeoutMs);
    };
    socket.onerror = socket.onclose = close;
    socket.onmessage = ({ data }) => {
      const document = readStatus(jobId)({ body: parsed(data) });
      // A problem, garbage, or a result too large for a frame: polling deals with all of them.
      if (!document || watch.lacksParts(document)) return close();
      stopTimer();
      const unsaidMs = document.stage === "queued" ? Math.min(queuedMs, PUSH_EVERY_MS) : PUSH_EVERY_MS;
      const againMs = askAfterMs(document) ?? unsaidMs;
      watch.take(document, againMs);
      if (watch.isOver()) return;
      stopTimer = watch.later(Math.min(againMs, watch.leftMs()), () => {
        if (!watch.isHidden()) subscribe(pushTimeoutMs);
      });
    };
  });
}

// --- A job -----------------------------------------------------------------------------------

const FALLBACK_POLL_MS = 2000; // where the server does not say when to ask again
const SHORTEST_POLL_MS = 250;
const LONGEST_POLL_MS = 30_000;
const TRIES = 5; // of a submit or a cancel; a status is asked until the deadline
const LONGEST_RETRY_AFTER_MS = 30_000; // a person waits for a submit: past this it is refused

class Job {
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

const REQUEST_TIMEOUT_MS = 15_000;
const PUSH_TIMEOUT_MS = 5000; // a socket that is silent for this long is dead

/** Where a Simmer API is, and how this platform talks to it. */
class SimmerClient {
  #platform;

  constructor({
    baseUrl,
    token,
    task = "recipe",
    push = true,
    deadlineMs = undefined,
    requestTimeoutMs = REQUEST_TIMEOUT_MS,
    pushTimeoutMs = PUSH_TIMEOUT_MS,
    fetch = globalThis.fetch,
    WebSocket = globalThis.WebSocket,
    visibility = documentVisibility(),
    clock = systemClock,
  }) {
    if (baseUrl === undefined || baseUrl === null) throw new TypeError("baseUrl is missing.");
    if (deadlineMs !== undefined && !(deadlineMs >= 0)) throw new TypeError("deadlineMs is a number, from 0.");
    this.#platform = {
      // A browser's fetch must not be called as somebody's method.
      fetch: (...request) => fetch(...request),
      url: (...path) => [String(baseUrl).replace(/\/+$/, ""), task, ...path].join("/"),
      isSecure: isSecure(String(baseUrl)),
      tokens: new Tokens(token, clock, requestTimeoutMs),
      WebSocket: push ? WebSocket : undefined,
      deadlineMs,
      requestTimeoutMs,
      pushTimeoutMs,
      visibility,
      clock,
      jobs: new Set(), // that are followed just now
      cancelling: new Set(), // {of: what was submitted, done: a promise}
    };
  }

  /**
   * A job to `submit` or `resume`, once. `onUpdate(job)` is called whenever anything changes;
   * `onPart({position, title, value}, job)` once for each part of an answer in parts, when it comes.
   */
  job(options = {}) {
    return new Job(this.#platform, options);
  }
}

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
 *     ├── JobCancelled       cancelled, by whoever; `goesOn`: for this follower alone
 *     ├── RequestRefused     the API said no; code is its problem's `code`, or else http_<status>
 *     ├── MalformedAnswer    malformed_answer: not what a Simmer API says, however often it was asked
 *     ├── Unreachable        unreachable: no answer, however often it was asked
 *     └── DeadlineExceeded   client_deadline: still open, at a last look, after the time for it
 *
 * or with the reason of the AbortSignal, which leaves the job running: another can `resume` its id.
 * An answer may come in parts: `job.outline` has a title for each, `job.partialResult` those that are
 * there, and `onPart` is called with each once, when it comes.
 * The rules it keeps are written down in docs/client-rules.md of the project.
 */

export { DeadlineExceeded, Job, JobCancelled, JobFailed, MalformedAnswer, RequestRefused, SimmerClient, SimmerError, Unreachable };
