/** clients/vectors, run against the web client: virtual time, and a network that does as it is told. */

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";

import { SimmerClient } from "../simmer.js";

const FOLDER = new URL("../../vectors/", import.meta.url);
const SERVER_START = Date.parse("2026-11-25T10:00:00Z");
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Time that passes only when there is nothing else to do. */
class Time {
  ms = 5_000_000;
  #timers = new Map();
  #last = 0;

  clock = {
    now: () => this.ms,
    setTimeout: (callback, ms) => {
      this.#last += 1;
      this.#timers.set(this.#last, { at: this.ms + Math.max(ms, 0), callback });
      return this.#last;
    },
    clearTimeout: (timer) => this.#timers.delete(timer),
  };

  async until(isOver) {
    for (let steps = 0; !isOver(); steps += 1) {
      assert.ok(steps < 5000, "it goes on for ever");
      for (let turns = 0; turns < 4; turns += 1) await new Promise((resolve) => setImmediate(resolve));
      if (isOver()) return;
      const [next] = [...this.#timers].sort(([, one], [, other]) => one.at - other.at);
      assert.ok(next, "it hangs");
      this.#timers.delete(next[0]);
      this.ms = Math.max(this.ms, next[1].at);
      next[1].callback();
    }
  }
}

/** What a vector says of the network, and what a client did in it. */
class World {
  steps = [];
  requests = [];
  updates = [];
  outlines = [];
  estimates = [];
  moments = [];
  parts = [];
  #time;
  #vector;
  #answers;
  #answer;
  #subscriptions;
  #lastAt;
  #beganAt;
  phoneOffsetMs = 0;

  constructor(vector, time) {
    this.#vector = vector;
    this.#time = time;
    this.#answers = [...vector.answers];
    this.#subscriptions = [...(vector.socket?.subscriptions ?? [])];
    this.#beganAt = this.#lastAt = time.ms;
    if (vector.phone) this.phoneOffsetMs = Date.parse(vector.phone.time) - SERVER_START;
  }

  get elapsedMs() {
    return this.#time.ms - this.#beganAt;
  }

  get sinceLastMs() {
    return this.#time.ms - this.#lastAt;
  }

  step(what) {
    this.steps.push([what, this.sinceLastMs / 1000]);
    this.#lastAt = this.#time.ms;
  }

  fetch = (url, { method, headers, signal, redirect }) => {
    assert.equal(redirect, "manual");
    this.requests.push(new Headers(headers));
    this.step(`${method} ${new URL(url).pathname.split("/")[2]}`);
    const answer = this.#answers.shift() ?? this.#answer; // the last one stays
    this.#answer = answer;
    this.phoneOffsetMs += (answer.phoneClockJumpsSeconds ?? 0) * 1000;
    if (answer.lost) return Promise.reject(new TypeError("lost"));
    if (answer.hang) {
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    }
    const date = answer.date === undefined ? new Date(SERVER_START + this.elapsedMs).toUTCString() : answer.date;
    const text = answer.text ?? JSON.stringify(answer.body);
    return Promise.resolve({
      status: answer.status,
      headers: new Headers({ ...(date ? { Date: date } : {}), ...answer.headers }),
      text: () => Promise.resolve(text),
    });
  };

  get WebSocket() {
    const world = this;
    const connect = this.#vector.socket?.connect ?? "fails";
    return class {
      constructor() {
        world.step("connect");
        if (connect === "throws") throw new Error("no sockets here");
        if (connect === "opens") setImmediate(() => this.onopen?.());
        // A browser and Node follow no redirect here, and tell no more of it than this.
        if (connect === "fails" || connect === "redirects") setImmediate(() => this.onerror?.(new Error("refused")));
      }

      send(text) {
        world.step("subscribe");
        assert.deepEqual(JSON.parse(text), { action: "subscribe", jobId: "7", token: "push-token" });
        for (const entry of world.#subscriptions.shift() ?? []) {
          const arrive = () => {
            if (entry.close) return this.onclose?.({});
            const data = entry.binary ? new ArrayBuffer(1) : (entry.text ?? JSON.stringify(entry.json));
            this.onmessage?.({ data });
          };
          world.#time.clock.setTimeout(arrive, (entry.afterSeconds ?? 0) * 1000);
        }
      }

      close() {}
    };
  }
}

function named(error, expected) {
  switch (error.name) {
    case "JobFailed":
      return { failed: error.code };
    case "JobCancelled":
      return { cancelled: { goesOn: error.goesOn } };
    case "RequestRefused":
      return { refused: error.status, ...("code" in expected ? { code: error.code } : {}) };
    case "MalformedAnswer":
      return { malformed: true };
    case "Unreachable":
      return { unreachable: true };
    case "DeadlineExceeded":
      return { deadline: true };
  }
  throw error;
}

async function run(vector) {
  const time = new Time();
  const world = new World(vector, time);
  const { api = "https://api.test", push = true, deadlineSeconds, token = "fixed" } = vector.client ?? {};
  let given = 0;
  let calls = 0;
  let renewals = 0;
  const source = ({ renew }) => {
    if (renew) renewals += 1;
    calls += 1;
    if ((token === "throws" && calls === 1) || (token === "renewal throws" && renew && renewals === 1)) {
      throw new TypeError("no network");
    }
    if (token === "hangs" && calls === 1) return new Promise(() => {});
    return `token-${(given += renew ? 1 : 0)}`;
  };
  const client = new SimmerClient({
    baseUrl: api,
    token: token === "fixed" ? "token-0" : source,
    push,
    deadlineMs: deadlineSeconds && deadlineSeconds * 1000,
    fetch: world.fetch,
    WebSocket: world.WebSocket,
    clock: time.clock,
  });
  const { submit, resume, cancelWhen, cancelAfter } = vector.do;
  let hasCancelled = false;
  const job = client.job({
    onPart({ position, title, value }, { outline }) {
      assert.equal(title, outline[position].title);
      world.parts.push([position, value]);
    },
    onUpdate({ state, progress, stage, message, outline, estimatedSecondsRemaining, estimateIsMeasured }) {
      world.updates.push([state, progress]);
      if (OPEN.includes(state)) world.estimates.push([estimatedSecondsRemaining, estimateIsMeasured]);
      if (OPEN.includes(state) && stage) world.moments.push([world.elapsedMs / 1000, progress, stage, message]);
      if (outline && outline !== world.outline) {
        world.outlines.push(outline.map((entry) => [entry.title, entry.state]));
        world.outline = outline; // a new list only where something is new
      }
      if (hasCancelled || state !== cancelWhen?.[0] || progress !== cancelWhen[1]) return;
      hasCancelled = true;
      job.cancel().catch(() => {});
    },
  });
  if (cancelAfter !== undefined) time.clock.setTimeout(() => job.cancel().catch(() => {}), cancelAfter * 1000);
  let end;
  const followed = submit ? job.submit(submit.body, submit) : job.resume(resume);
  followed.then(
    (result) => (end = { completed: result }),
    (error) => (end = named(error, vector.expect.end)),
  );
  const now = Date.now;
  Date.now = () => SERVER_START + world.elapsedMs + world.phoneOffsetMs;
  try {
    await time.until(() => end !== undefined);
  } finally {
    Date.now = now;
  }
  return { world, end, job };
}

const OPEN = ["submitting", "polling"];
const seen = (updates) =>
  updates.filter(
    ([state, progress], at) =>
      OPEN.includes(state) && (updates[at - 1]?.[0] !== state || updates[at - 1][1] !== progress),
  );

function check({ world, end, job }, expect) {
  assert.deepEqual(world.steps.map(([what]) => what), expect.steps.map(([what]) => what));
  for (const [at, [what, after]] of world.steps.entries()) {
    const [least, most] = [expect.steps[at][1]].flat(1).concat(expect.steps[at][1]).slice(0, 2);
    assert.ok(least - 0.001 <= after && after <= most + 0.001, `step ${at}, ${what}: after ${after} s`);
  }
  assert.deepEqual(seen(world.updates), expect.updates);
  assert.deepEqual(world.outlines, expect.outlines ?? []);
  assert.deepEqual(world.parts, expect.parts ?? []);
  assert.deepEqual(job.partialResult, expect.partialResult);
  assert.deepEqual(job.error?.job?.partialResult, expect.partialResult);
  assert.deepEqual(end, expect.end);
  if (expect.estimates) {
    const { estimates } = world;
    const isNew = ([seconds, isMeasured], at) =>
      seconds !== undefined && (estimates[at - 1]?.[0] !== seconds || estimates[at - 1][1] !== isMeasured);
    assert.deepEqual(estimates.filter(isNew), expect.estimates);
  }
  if (expect.moments) {
    const isNew = ([, ...shown], at, all) => !isDeepStrictEqual(shown, all[at - 1]?.slice(1));
    assert.deepEqual(world.moments.filter(isNew), expect.moments);
  }
  if (expect.endsAfter !== undefined) assert.equal(world.sinceLastMs / 1000, expect.endsAfter);
  for (const [at, headers] of (expect.headers ?? []).entries()) {
    for (const [name, value] of Object.entries(headers)) {
      const there = world.requests[at].get(name);
      if (value === "UUID") assert.match(there, UUID);
      else if (value === "same") assert.equal(there, world.requests[at - 1].get(name));
      else assert.equal(there, value, name);
    }
  }
  if (expect.bearers) {
    const bearers = world.requests.map((headers) => headers.get("Authorization"));
    assert.deepEqual(bearers, expect.bearers.map((token) => `Bearer ${token}`));
  }
}

for (const file of readdirSync(FOLDER).filter((name) => name.endsWith(".json")).sort()) {
  for (const vector of JSON.parse(readFileSync(new URL(file, FOLDER), "utf8")).vectors) {
    test(`${file.replace(".json", "")}: ${vector.name}`, async () => check(await run(vector), vector.expect));
  }
}
