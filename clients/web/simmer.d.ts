export type JobState =
  | "idle"
  | "submitting"
  | "polling"
  | "completed"
  | "failed"
  | "cancelled";

/** What `GET /{task}/status/{jobId}` says. */
export interface StatusDocument<Result = unknown> {
  jobId: string;
  status: "pending" | "processing" | "completed" | "failed" | "cancelled";
  progress: number;
  stage?: string;
  message?: string;
  createdAt?: string;
  completedAt?: string;
  estimatedSecondsRemaining?: number;
  pollAfterMs?: number;
  result?: Result;
  error?: string;
  errorCode?: string;
  retryable?: boolean;
}

export interface Visibility {
  isHidden(): boolean;
  /** Calls back when that may have changed; returns how to stop it. */
  onChange(callback: () => void): () => void;
}

export interface Clock {
  now(): number;
  setTimeout(callback: () => void, ms: number): unknown;
  clearTimeout(timer: never): void;
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
  /** When to stop following a job. Default 330,000. */
  deadlineMs?: number;
  /** When a request without an answer is given up. Default 15,000. */
  requestTimeoutMs?: number;
  /** When a socket that does not answer is given up for polling. Default 4,000. */
  pushTimeoutMs?: number;
  fetch?: typeof globalThis.fetch;
  WebSocket?: typeof globalThis.WebSocket | null;
  /** Whether the app is in the background. Default: the document's, where there is one. */
  visibility?: Visibility;
  clock?: Clock;
}

export interface JobOptions<Result> {
  onUpdate?: (job: Job<Result>) => void;
  /** Aborted, the job is followed no more. It goes on, and its id can be resumed. */
  signal?: AbortSignal;
}

export interface SubmitOptions {
  /** A job of its own, although the same request may have been answered before. */
  fresh?: boolean;
  /** 1 to 255 visible ASCII characters: the same key of the same user is the same job. */
  idempotencyKey?: string;
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
  readonly result: Result | undefined;
  readonly error: unknown;
  readonly cached: boolean;
  readonly transport: "push" | "polling" | undefined;
  readonly failures: number;
  submit(request: object, options?: SubmitOptions): Promise<Result>;
  resume(jobId: string): Promise<Result>;
  wait(): Promise<Result>;
  cancel(): Promise<JobState>;
}

export class SimmerError extends Error {
  readonly code: string;
  /** Of HTTP. */
  readonly status: number | undefined;
  readonly job: Partial<StatusDocument> | undefined;
  /** Whether the same request may well succeed when it is sent again. */
  readonly retryable: boolean;
}

export class JobFailed extends SimmerError {}
export class JobCancelled extends SimmerError {}
export class MalformedAnswer extends SimmerError {}
export class Unreachable extends SimmerError {}
export class DeadlineExceeded extends SimmerError {}

export class RequestRefused extends SimmerError {
  readonly errors: { field: string; message: string }[];
  readonly retryAfterMs: number | undefined;
}
