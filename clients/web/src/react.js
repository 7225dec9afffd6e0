/**
 * A React hook for Simmer's jobs, for React 18 or newer and React Native: `simmer-client/react`.
 *
 *     const simmer = new SimmerClient({ baseUrl, token });      // once, outside of components
 *
 *     function Recipes() {
 *       const job = useJob(simmer, { jobId: saved, onId: save });
 *       if (job.state === "completed") return <List recipes={job.result.recipes} />;
 *       return <button onClick={() => job.submit({ ingredients: ["egg"] })}>{job.progress} %</button>;
 *     }
 *
 * What it returns is a new object with each update, so that React sees it. A component that goes
 * away stops following and leaves the job alone; one that comes back follows it again. So does
 * StrictMode, which does that to every component once.
 */

import { useEffect, useRef, useState, useSyncExternalStore } from "react";

const IDLE = {
  id: undefined,
  state: "idle",
  progress: 0,
  stage: undefined,
  message: undefined,
  estimatedSecondsRemaining: undefined,
  estimateIsMeasured: false,
  outline: undefined,
  partialResult: undefined,
  result: undefined,
  error: undefined,
  cached: false,
  transport: undefined,
  failures: 0,
};

/**
 * A job and what to do with it. `jobId`: one that was submitted before, to follow from the start
 * (and instead of the present one, when it changes); `onId(id)` is told the id of each submitted
 * one, to keep it.
 */
export function useJob(client, { jobId, onId } = {}) {
  const [follower] = useState(() => new Follower(client, jobId));
  const callback = useRef(onId);
  useEffect(() => {
    callback.current = onId;
    follower.onId = (id) => callback.current?.(id);
  });
  useEffect(() => follower.useClient(client), [follower, client]);
  useEffect(() => follower.useId(jobId), [follower, jobId]);
  return useSyncExternalStore(follower.subscribe, follower.snapshot, follower.snapshot);
}

/** Follows a job while somebody looks, and goes on where it stopped when somebody looks again. */
class Follower {
  onId = () => {};
  #client;
  #jobId; // as the component was told
  #start; // how to begin, or to go on: (job) => promise
  #following; // an AbortController while somebody looks
  #job;
  #listener;
  #snapshot;

  constructor(client, jobId) {
    this.#client = client;
    this.#jobId = jobId;
    if (jobId) this.#start = (job) => job.resume(jobId);
    this.#show(IDLE);
  }

  snapshot = () => this.#snapshot;

  subscribe = (listener) => {
    this.#listener = listener;
    this.#follow();
    return () => {
      this.#listener = undefined;
      this.#following?.abort();
      this.#following = undefined;
    };
  };

  useClient(client) {
    if (client === this.#client) return;
    this.#client = client;
    this.#begin(this.#start);
  }

  useId(jobId) {
    if (jobId === this.#jobId) return;
    this.#jobId = jobId;
    if (jobId && jobId !== this.#snapshot.id) this.resume(jobId);
    else if (!jobId) this.reset();
  }

  submit = (request, options = {}) => {
    // One key for all tries of one submit: a component that comes back must not pay twice.
    const { fresh = false, idempotencyKey = fresh ? newKey() : undefined } = options;
    this.#begin((job) => job.submit(request, { idempotencyKey }));
  };

  resume = (jobId) => this.#begin((job) => job.resume(jobId));

  /** For this user, wherever the job is followed. */
  cancel = async (options) => {
    if (!this.#job) return "idle";
    return this.#job.cancel(options);
  };

  /** Back to the start; the job is left alone. */
  reset = () => {
    this.#begin(undefined);
  };

  #begin(start) {
    this.#following?.abort();
    this.#following = undefined;
    this.#start = start;
    this.#job = undefined;
    this.#show(IDLE);
    this.#follow();
  }

  #follow() {
    const isOver = ["completed", "failed", "cancelled"].includes(this.#snapshot.state);
    if (!this.#start || !this.#listener || this.#following || isOver) return;
    this.#following = new AbortController();
    const { signal } = this.#following;
    const job = this.#client.job({ signal, onUpdate: (changed) => this.#heed(changed, signal) });
    this.#job = job;
    this.#start(job).catch(() => {}); // it stands in the snapshot
  }

  #heed(job, { aborted }) {
    if (aborted || job !== (this.#job ?? job)) return;
    const isNew = job.id !== undefined && job.id !== this.#snapshot.id;
    this.#show(job);
    if (!isNew) return;
    const { id } = job;
    this.#start = (next) => next.resume(id); // whoever looks again goes on with it
    this.onId(id);
  }

  #show(job) {
    const { submit, resume, cancel, reset } = this;
    const seen = Object.fromEntries(Object.keys(IDLE).map((name) => [name, job[name]]));
    // The bar does not go back, and no part goes away, when the job is followed anew.
    if (job.id !== undefined && job.id === this.#snapshot?.id) {
      const { progress, outline, partialResult } = this.#snapshot;
      seen.progress = Math.max(seen.progress, progress);
      if (isOpen(seen.state) && readyOf(outline) > readyOf(seen.outline)) {
        seen.outline = outline;
        seen.partialResult = partialResult;
      }
    }
    this.#snapshot = { ...seen, submit, resume, cancel, reset };
    this.#listener?.();
  }
}

const isOpen = (state) => state === "submitting" || state === "polling";

/** How many parts are there; less than none where no title is. */
const readyOf = (outline) => outline?.filter(({ state }) => state === "ready").length ?? -1;

const newKey = () =>
  globalThis.crypto?.randomUUID?.() ??
  "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx".replace(/x/g, () => Math.floor(Math.random() * 16).toString(16));
