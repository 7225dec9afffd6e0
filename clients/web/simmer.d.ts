/** A code that is not known here may come: the API may add some. */
type Open<Known extends string> = Known | (string & {});

export type JobState =
  | "idle"
  | "submitting"
  | "polling"
  | "completed"
  | "failed"
  | "cancelled";

/** Why a job ended without a result. */
export type JobErrorCode =
  | "invalid_output"
  | "refused"
  | "model_unavailable"
  | "deadline_exceeded"
  | "budget_exceeded"
  | "internal";

/** Why a request was refused: the API's codes, and the gateway's. */
export type ProblemCode =
  | "malformed_json"
  | "invalid_idempotency_key"
  | "invalid_token"
  | "invalid_push_token"
  | "unknown_task"
  | "job_not_found"
  | "request_too_large"
  | "unsupported_media_type"
  | "invalid_request"
  | "idempotency_key_reused"
  | "quota_exceeded"
  | "too_many_jobs"
  | "too_many_subscribers"
  | "internal"
  | "dependency_unavailable"
  | "unauthorized"
  | "forbidden"
  | "not_found"
  | "too_many_requests";

/** What `GET /{task}/status/{jobId}` says. */
export interface StatusDocument<Result = unknown> {
  jobId: string;
  status: "pending" | "processing" | "completed" | "failed" | "cancelled";
  progress: number;
  stage?: string;
  message?: string;
  createdAt?: string;
  completedAt?: string;
  /** Until when it may run. */
  deadlineAt?: string;
  estimatedSecondsRemaining?: number;
  /** While it is open: whether past jobs tell that; else it is a guess. */
  estimateIsMeasured?: boolean;
  pollAfterMs?: number;
  /** Of an answer in parts, as soon as it is known. */
  outline?: OutlineEntry[];
  /** While it is open, and when it failed: the result with the parts that are there. */
  partialResult?: Result;
  result?: Result;
  error?: string;
  errorCode?: Open<JobErrorCode>;
  retryable?: boolean;
}

export interface Visibility {
  isHidden(): boolean;
  /** Calls back when that may have changed; returns how to stop it. */
  onChange(callback: () => void): () => void;
}

/** Durations only: `now` is in milliseconds, and must not jump when the time of day is set. */
export interface Clock {
  now(): number;
  setTimeout(callback: () => void, ms: number): unknown;
  clearTimeout(timer: never): void;
}

// What is used of the platform's own types, which not every project has (`lib` without DOM).

export interface FetchInit {
  method: string;
  headers: Record<string, string>;
  body?: string;
  /** An AbortSignal. */
  signal: any;
  redirect: "manual";
}

export interface FetchResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  text(): Promise<string>;
}

export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason?: any;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

export interface ClientOptions {
  /** Where the API is, without the task: "https://…", or "" for the page's own origin. */
  baseUrl: string;
  /** A JWT, or who gives one; asked with `renew` once after each 401. */
  token: string | ((asked: { renew: boolean }) => string | undefined | Promise<string | undefined>);
  /** Default "recipe". */
  task?: string;
  /** Whether push is used where the server offers it. Default true. */
  push?: boolean;
  /** When to stop following a job. Default: 30 s after the server's own deadline for it. */
  deadlineMs?: number;
  /** When a request without an answer is given up. Default 15,000. */
  requestTimeoutMs?: number;
  /** When a socket that does not answer is given up for polling. Default 5,000. */
  pushTimeoutMs?: number;
  fetch?: (url: string, init: FetchInit) => Promise<FetchResponse>;
  WebSocket?: (new (url: string) => any) | null;
  /** Whether the app is in the background. Default: the document's, where there is one. */
  visibility?: Visibility;
  clock?: Clock;
}

/** A part of the answer that is to come, or that was validated. */
export interface OutlineEntry {
  readonly title: string;
  readonly state: "waiting" | "ready";
}

/** What the result's list is made of. */
export type PartOf<Result> = Result extends object
  ? { [Name in keyof Result]: NonNullable<Result[Name]> extends readonly (infer Each)[] ? Each : never }[keyof Result]
  : unknown;

/** One part of the answer, as it will be in the result. */
export interface Part<Result = unknown> {
  /** In the outline, and in the result's list, from 0. */
  readonly position: number;
  readonly title: string;
  readonly value: PartOf<Result>;
}

export interface JobOptions<Result> {
  onUpdate?: (job: Job<Result>) => void;
  /** Called once for each part of an answer in parts, when it comes. */
  onPart?: (part: Part<Result>, job: Job<Result>) => void;
  /** Aborted, the job is followed no more. It goes on, and its id can be resumed. */
  signal?: AbortSignalLike;
}

export interface SubmitOptions {
  /** A job of its own, although the same request may have been answered before. */
  fresh?: boolean;
  /** 1 to 255 visible ASCII characters: the same key of the same user is the same job. */
  idempotencyKey?: string;
}

export interface CancelOptions {
  /** End it at the server, even where another job object of this client follows it, too. */
  everywhere?: boolean;
}

export class SimmerClient {
  constructor(options: ClientOptions);
  job<Result = unknown>(options?: JobOptions<Result>): Job<Result>;
}

/** Made by `SimmerClient.job`. */
export class Job<Result = unknown> {
  private constructor();
  readonly id: string | undefined;
  readonly state: JobState;
  readonly progress: number;
  readonly stage: string | undefined;
  readonly message: string | undefined;
  readonly estimatedSecondsRemaining: number | undefined;
  /** Whether past jobs tell that; else it is a guess. */
  readonly estimateIsMeasured: boolean;
  /** Of an answer in parts: a title for each, in the order of the result. It only grows. */
  readonly outline: readonly OutlineEntry[] | undefined;
  /** While it is open, and when it failed: the result with the parts that are there. */
  readonly partialResult: Result | undefined;
  readonly result: Result | undefined;
  readonly error: unknown;
  readonly cached: boolean;
  readonly transport: "push" | "polling" | undefined;
  readonly failures: number;
  submit(request: object, options?: SubmitOptions): Promise<Result>;
  resume(jobId: string): Promise<Result>;
  wait(): Promise<Result>;
  cancel(options?: CancelOptions): Promise<JobState>;
}

/** `error.name` tells the classes apart, in minified code, too. */
export class SimmerError extends Error {
  readonly name:
    | "SimmerError"
    | "JobFailed"
    | "JobCancelled"
    | "RequestRefused"
    | "MalformedAnswer"
    | "Unreachable"
    | "DeadlineExceeded";
  readonly code: string;
  /** Of HTTP. */
  readonly status: number | undefined;
  readonly job: Partial<StatusDocument> | undefined;
  /** Whether the same request may well succeed when it is sent again. */
  readonly retryable: boolean;
  /** All of it, with the message: for a worker, a log, or whatever does not keep an error's own fields. */
  toJSON(): Record<string, unknown>;
  constructor(
    code: string,
    message: string,
    more?: { status?: number; job?: Partial<StatusDocument>; retryable?: boolean; cause?: unknown },
  );
}

export class JobFailed extends SimmerError {
  readonly name: "JobFailed";
  readonly code: Open<JobErrorCode>;
}

export class JobCancelled extends SimmerError {
  readonly name: "JobCancelled";
  readonly code: "cancelled";
  /** It ended for this follower alone: others wait for it, and it is still worked on. */
  readonly goesOn: boolean;
}

export class RequestRefused extends SimmerError {
  readonly name: "RequestRefused";
  readonly code: Open<ProblemCode>;
  readonly errors: { field: string; message: string }[];
  readonly retryAfterMs: number | undefined;
}

export class MalformedAnswer extends SimmerError {
  readonly name: "MalformedAnswer";
  readonly code: "malformed_answer";
}

export class Unreachable extends SimmerError {
  readonly name: "Unreachable";
  readonly code: "unreachable";
}

export class DeadlineExceeded extends SimmerError {
  readonly name: "DeadlineExceeded";
  readonly code: "client_deadline";
}

/** Any of them; `name` or `code` narrows it. */
export type AnySimmerError =
  | JobFailed
  | JobCancelled
  | RequestRefused
  | MalformedAnswer
  | Unreachable
  | DeadlineExceeded;
