import { isRefusal, parsed, retryAfterMs } from "./answers.js";
import { isFromElsewhere } from "./platform.js";

// --- HTTP ------------------------------------------------------------------------------------

/** One request and its answer; where the token is refused, once more with a new one. */
export async function exchange(platform, watch, request) {
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
export class Tokens {
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
