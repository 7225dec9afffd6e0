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

export { SimmerClient } from "./client.js";
export { Job } from "./job.js";
export {
  DeadlineExceeded,
  JobCancelled,
  JobFailed,
  MalformedAnswer,
  RequestRefused,
  SimmerError,
  Unreachable,
} from "./errors.js";
