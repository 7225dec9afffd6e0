import type { CancelOptions, JobState, OutlineEntry, SimmerClient, SubmitOptions } from "./simmer.cjs";

/** A job as it is now. A new object with each update; its functions stay the same. */
export interface JobSnapshot<Result = unknown> {
  readonly id: string | undefined;
  readonly state: JobState;
  readonly progress: number;
  readonly stage: string | undefined;
  readonly message: string | undefined;
  readonly estimatedSecondsRemaining: number | undefined;
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
  /** Send a request, instead of the present job, and follow what comes of it. */
  readonly submit: (request: object, options?: SubmitOptions) => void;
  /** Follow a job that was submitted before, instead of the present one. */
  readonly resume: (jobId: string) => void;
  /** For this user, wherever the job is followed; rejects if the server could not be asked. */
  readonly cancel: (options?: CancelOptions) => Promise<JobState>;
  /** Back to the start. The job is left alone. */
  readonly reset: () => void;
}

export interface UseJobOptions {
  /** A job that was submitted before: it is followed from the start, and when this changes. */
  jobId?: string | null | undefined;
  /** Told the id of each job that was submitted, to keep it for the next start of the app. */
  onId?: ((id: string) => void) | undefined;
}

/** `client` is made once, outside of components (or in `useMemo`). */
export function useJob<Result = unknown>(
  client: SimmerClient,
  options?: UseJobOptions,
): JobSnapshot<Result>;
