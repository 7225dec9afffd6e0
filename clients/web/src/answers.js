import { MalformedAnswer, RequestRefused, Unreachable } from "./errors.js";

// --- Answers: read with suspicion, for login pages and proxies answer in the API's place ------

export const OPEN = ["pending", "processing"];
export const TERMINAL = ["completed", "failed", "cancelled"];

const GATEWAY_CODES = { 401: "unauthorized", 403: "forbidden", 404: "not_found", 429: "too_many_requests" };

/** What stands for an answer when there was none. */
export const notAnswered = (cause) => ({ status: 0, cause });

/**
 * What an answer means: `{document}`, as `read` makes it of a 200 or 202, or else `{error}`, and
 * whether that is `passing`: no answer at all, trouble of the moment, or nothing of the API's own.
 * `askedMs`: how long the API itself asks to wait; a proxy's word is none.
 */
export function judged(answer, read) {
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
export const isRefusal = ({ body }) => [body?.code, body?.title, body?.detail, body?.message].some(isText);

/** The answer to a submit: accepted, or answered at once. */
export function readSubmitted({ status, body }) {
  if (!isText(body?.jobId)) return undefined;
  if (status === 202) return body.status === "submitted" ? body : undefined;
  if (status !== 200 || body.status !== "completed" || !isWhole(body)) return undefined;
  return { ...body, progress: 100, stage: "done", cached: true };
}

export const readStatus = (jobId) => ({ body }) =>
  isStatus(body, jobId) && isWhole(body) ? body : undefined;

const isStatus = (document, jobId) =>
  document?.jobId === jobId &&
  (OPEN.includes(document.status) || TERMINAL.includes(document.status)) &&
  Number.isFinite(document.progress) &&
  ["string", "undefined"].includes(typeof (document.message ?? undefined));

/** A frame leaves out a result that is too large for it. */
const isWhole = ({ status, result }) => status !== "completed" || (result !== undefined && result !== null);

export const isText = (value) => typeof value === "string" && value !== "";

/** Plain `ws` is for an API that is not encrypted either. */
export const isPush = (push, isSecure) =>
  isText(push?.token) && isText(push?.url) && (isSecure ? /^wss:/i : /^wss?:/i).test(push.url);

export const positive = (value) => (Number.isFinite(value) && value > 0 ? value : undefined);

export function parsed(text) {
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
export function retryAfterMs(header, dateMs) {
  if (!header) return undefined;
  const text = header.trim();
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - dateMs;
  return Number.isFinite(ms) ? Math.max(ms, 0) : undefined;
}
