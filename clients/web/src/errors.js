export class SimmerError extends Error {
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

export class JobFailed extends SimmerError {
  name = "JobFailed";
}

export class JobCancelled extends SimmerError {
  name = "JobCancelled";
  /** It ended for this follower alone: others wait for it, and it is still worked on. */
  goesOn = false;
}

export class RequestRefused extends SimmerError {
  name = "RequestRefused";
  /** The complaints of a 422, `{field, message}` each. */
  errors = [];
  /** What a Retry-After header asked for. */
  retryAfterMs = undefined;
}

export class MalformedAnswer extends SimmerError {
  name = "MalformedAnswer";
}

export class Unreachable extends SimmerError {
  name = "Unreachable";
}

export class DeadlineExceeded extends SimmerError {
  name = "DeadlineExceeded";
}

export function cancelled(goesOn = false) {
  const message = goesOn
    ? "The job was left, and goes on for others who wait for it."
    : "The job was cancelled.";
  const error = new JobCancelled("cancelled", message);
  error.goesOn = goesOn;
  return error;
}
