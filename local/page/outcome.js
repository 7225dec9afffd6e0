// What to say of a job that brought no result: cancelled, failed, refused, or not there.

import { texts, uiLocale } from "./texts.js";

// To ask again now is in vain.
const TOMORROW = ["quota_exceeded", "budget_exceeded"];
const MISSING = ["job_not_found", "not_found", "unknown_task"];
const LONGEST_WAIT_MS = 30_000; // what one waits for by hand

/**
 * `{title, text, code, isWrong, canRetry, waitMs}` of a job that ended without a result; `words` are
 * the view's. `waitMs` is until when a retry would be refused, if that is known.
 */
export function outcomeOf(job, words, user) {
  if (job.state === "cancelled") {
    return { title: words.cancelledTitle, text: words.cancelledText, code: "", isWrong: false, canRetry: true };
  }
  const { error } = job;
  const code = error.code ?? error.name;
  if (MISSING.includes(code)) {
    return { title: words.missingTitle, text: words.missingText(user), code, isWrong: false, canRetry: true };
  }
  const waitMs = error.retryAfterMs > LONGEST_WAIT_MS ? error.retryAfterMs : undefined;
  const isLater = TOMORROW.includes(code) || waitMs !== undefined;
  return {
    title: TOMORROW.includes(code) ? words.laterTitle : words.failedTitle,
    text: [texts().errors[code] ?? error.message, waitMs && texts().until(when(waitMs))].filter(Boolean).join(" "),
    code,
    isWrong: true,
    canRetry: !isLater && (error.retryable || code === "client_deadline"),
    waitMs,
  };
}

/** A moment from now, and how far off it is. */
function when(ms) {
  const at = new Date(Date.now() + ms);
  const moment = at.toLocaleString(uiLocale(), { dateStyle: "medium", timeStyle: "short" });
  const minutes = Math.ceil(ms / 60_000);
  const far = new Intl.RelativeTimeFormat(uiLocale());
  return `${moment} (${minutes < 60 ? far.format(minutes, "minute") : far.format(Math.round(minutes / 60), "hour")})`;
}
