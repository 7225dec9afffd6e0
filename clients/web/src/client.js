import { Tokens } from "./http.js";
import { Job } from "./job.js";
import { documentVisibility, isSecure, systemClock } from "./platform.js";

const REQUEST_TIMEOUT_MS = 15_000;
const PUSH_TIMEOUT_MS = 5000; // a socket that is silent for this long is dead

/** Where a Simmer API is, and how this platform talks to it. */
export class SimmerClient {
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
