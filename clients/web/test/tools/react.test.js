/** The hook, in React's own StrictMode: every effect runs, is cleaned up, and runs again. */

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { Activity, StrictMode, createElement, useEffect } from "react";
import { act, create } from "react-test-renderer";

import { SimmerClient } from "simmer-client";
import { useJob } from "simmer-client/react";

globalThis.IS_REACT_ACT_ENVIRONMENT = true;
// react-test-renderer says of itself that it is deprecated.
const { error: say } = console;
console.error = (...words) => String(words[0]).includes("react-test-renderer is deprecated") || say(...words);

const REQUEST = { ingredients: ["egg"] };
const RESULT = { recipes: [{ name: "Fried egg" }] };

/** A server whose jobs have as many open looks as it is told, then a result. */
class Server {
  requests = [];
  jobs = new Map(); // by what makes them the same: the key, or the body
  open = 2;
  bar = (looks) => 10 * looks;

  fetch = async (url, { method, headers, body, signal }) => {
    const [, , task, verb, id] = new URL(url).pathname.match(/^(\/)(\w+)\/(\w+)\/?(.*)$/);
    assert.equal(task, "recipe");
    this.requests.push(`${method} ${verb}`);
    // What has arrived is done, whoever waits for the answer.
    const [status, document] = this.answer(verb, id, headers["Idempotency-Key"] ?? body);
    await new Promise((resolve) => setImmediate(resolve));
    if (signal.aborted) throw signal.reason;
    return { status, headers: { get: () => null }, text: async () => JSON.stringify(document) };
  };

  answer(verb, id, same) {
    if (verb === "generate") {
      if (!this.jobs.has(same)) this.jobs.set(same, { jobId: `job-${this.jobs.size}`, looks: 0 });
      return [202, { jobId: this.jobs.get(same).jobId, status: "submitted", message: "Accepted." }];
    }
    const job = [...this.jobs.values()].find(({ jobId }) => jobId === id) ?? { jobId: id, looks: 0 };
    if (verb === "cancel") return [200, { jobId: id, status: "cancelled", progress: 10 }];
    job.looks += 1;
    if (!this.jobs.has(id)) this.jobs.set(id, job);
    if (job.looks <= this.open) return [200, { jobId: id, status: "processing", progress: this.bar(job.looks) }];
    return [200, { jobId: id, status: "completed", progress: 100, result: RESULT }];
  }

  count = (what) => this.requests.filter((each) => each === what).length;
}

function setUp() {
  const server = new Server();
  const soon = (callback) => setTimeout(callback, 0);
  // Pauses take no time, and nothing is given up.
  const clock = {
    now: () => 0,
    setTimeout: (callback, ms) => (ms < 10_000 ? soon(callback) : undefined),
    clearTimeout,
  };
  const client = new SimmerClient({ baseUrl: "http://x", token: "t", push: false, fetch: server.fetch, clock });
  return { server, client };
}

const roots = [];

// Or a test that fails leaves a component behind that asks for ever.
afterEach(() => act(() => roots.splice(0).forEach((root) => root.unmount())));

/** A component that shows a job, and everything that it was given. */
function screen(client, options, effect) {
  const seen = [];
  function Screen(props) {
    const job = useJob(client, props);
    seen.push(job);
    useEffect(() => effect?.(job), []);
    return `${job.state} ${job.progress}`;
  }
  const element = (props, mode = "visible") =>
    createElement(StrictMode, null, createElement(Activity, { mode }, createElement(Screen, props)));
  let root;
  act(() => {
    root = create(element(options));
  });
  roots.push(root);
  return {
    seen,
    show: (props) => act(() => root.update(element(props))),
    hide: () => act(() => root.update(element(options, "hidden"))),
    leave: () => act(() => root.unmount()),
    text: () => root.toJSON(),
    latest: () => seen.at(-1),
    do: (what) => act(async () => what(seen.at(-1))),
    async until(condition) {
      for (let turn = 0; turn < 500 && !condition(seen.at(-1)); turn += 1) {
        await act(() => new Promise((resolve) => setImmediate(resolve)));
      }
      assert.ok(condition(seen.at(-1)), `it stays ${seen.at(-1).state}`);
    },
  };
}

const isOver = ({ state }) => ["completed", "failed", "cancelled"].includes(state);

test("a job that is kept is followed to its end, and left alone", async () => {
  const { server, client } = setUp();
  const page = screen(client, { jobId: "kept" });

  await page.until(isOver);

  assert.equal(page.text(), "completed 100");
  assert.deepEqual(page.latest().result, RESULT);
  assert.ok(server.requests.every((each) => each === "GET status"));
  const bars = page.seen.map(({ progress }) => progress);
  assert.deepEqual(bars, bars.toSorted((one, other) => one - other));
});

test("each update is a new object, and its functions stay the same", async () => {
  const { server, client } = setUp();
  server.open = 4; // the first look is that of a run that was cleaned up
  const page = screen(client, { jobId: "kept" });
  await page.until(isOver);

  const different = new Set(page.seen);
  assert.ok([...different].some(({ progress }) => progress === 30));
  assert.ok([...different].some(({ progress }) => progress === 40));
  assert.equal(different.size, new Set([...different].map((each) => JSON.stringify(each))).size);
  assert.equal(new Set(page.seen.map(({ submit }) => submit)).size, 1);
});

test("a submit brings a result, and its id is told to be kept", async () => {
  const { server, client } = setUp();
  const ids = [];
  const page = screen(client, { onId: (id) => ids.push(id) });
  assert.equal(page.text(), "idle 0");

  await page.do(({ submit }) => submit(REQUEST));
  await page.until(isOver);

  assert.deepEqual([page.text(), ids], ["completed 100", ["job-0"]]);
  assert.ok(server.jobs.has(JSON.stringify(REQUEST)), "without a key of its own");
  assert.equal(server.count("POST generate"), 1);
});

for (const [name, options] of [["a plain submit", {}], ["one with a key of its own", { idempotencyKey: "mine" }]]) {
  test(`${name} in an effect, which runs twice, is one job`, async () => {
    const { server, client } = setUp();
    const page = screen(client, {}, ({ submit }) => submit(REQUEST, options));

    await page.until(isOver);

    assert.equal(page.text(), "completed 100");
    assert.equal([...server.jobs.keys()].filter((key) => !key.startsWith("job-")).length, 1);
    assert.equal(server.count("POST cancel"), 0);
  });
}

test("a component that goes away stops following and cancels nothing", async () => {
  const { server, client } = setUp();
  server.open = Infinity;
  const page = screen(client, {});
  await page.do(({ submit }) => submit(REQUEST));
  await page.until(({ progress }) => progress >= 10);
  const { id } = page.latest();

  page.leave();
  await new Promise((resolve) => setTimeout(resolve, 20));
  const asked = server.requests.length;
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(server.requests.length, asked);
  assert.equal(server.count("POST cancel"), 0);

  server.open = 0;
  const next = screen(client, { jobId: id });
  await next.until(isOver);
  assert.equal(next.text(), "completed 100");
});

test("a component that is hidden for a while goes on with its job, not with its request", async () => {
  const { server, client } = setUp();
  server.open = Infinity;
  const page = screen(client, {});
  await page.do(({ submit }) => submit(REQUEST, { fresh: true }));
  await page.until(({ progress }) => progress >= 10);
  const submits = server.count("POST generate");

  page.hide();
  await new Promise((resolve) => setTimeout(resolve, 20));
  const asked = server.requests.length;
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(server.requests.length, asked);

  const before = page.latest().progress;
  server.bar = () => 5;
  page.show({});
  await page.until(() => server.requests.length > asked + 2);
  assert.equal(page.latest().progress, before, "the bar does not go back");

  server.open = 0;
  await page.until(isOver);
  assert.equal(page.text(), "completed 100");
  assert.equal(server.count("POST generate"), submits);
});

test("another id is another job, and none is none", async () => {
  const { client } = setUp();
  const page = screen(client, { jobId: "one" });
  await page.until(isOver);
  assert.equal(page.latest().id, "one");

  page.show({ jobId: "two" });
  await page.until((job) => job.id === "two" && isOver(job));

  page.show({});
  assert.equal(page.text(), "idle 0");
});

test("to show the id of the job that was just submitted asks nothing anew", async () => {
  const { server, client } = setUp();
  const page = screen(client, {});
  await page.do(({ submit }) => submit(REQUEST));
  await page.until(({ id }) => id !== undefined);
  page.show({ jobId: page.latest().id });
  await page.until(isOver);

  assert.equal(server.count("GET status"), 3);
});

test("a cancel ends it, and reset goes back to the start", async () => {
  const { server, client } = setUp();
  server.open = Infinity;
  const page = screen(client, {});
  await page.do(({ submit }) => submit(REQUEST));
  await page.until(({ progress }) => progress >= 10);

  await page.do(({ cancel }) => cancel());
  await page.until(isOver);
  assert.equal(page.latest().error.name, "JobCancelled");
  assert.equal(server.count("POST cancel"), 1);

  await page.do(({ reset }) => reset());
  assert.equal(page.text(), "idle 0");
});

test("a refusal is shown, and another try is possible", async () => {
  const { server, client } = setUp();
  const { answer } = server;
  server.answer = () => [422, { code: "invalid_request", detail: "No." }];
  const page = screen(client, {});
  await page.do(({ submit }) => submit({}));
  await page.until(isOver);
  assert.equal(page.latest().error.code, "invalid_request");

  server.answer = answer;
  await page.do(({ submit }) => submit(REQUEST));
  await page.until(({ state }) => state === "completed");
});

test("titles and parts are in the snapshots, and stay when it is followed anew", async () => {
  const { server, client } = setUp();
  const { answer } = server;
  const titles = ["Fried egg", "Egg rice"];
  let ready = 1;
  server.answer = (...asked) => {
    const [status, document] = answer.apply(server, asked);
    if (document.status !== "processing" || ready < 0) return [status, document];
    const outline = titles.map((title, at) => ({ title, state: at < ready ? "ready" : "waiting" }));
    return [status, { ...document, outline, ...(ready ? { partialResult: RESULT } : {}) }];
  };
  server.open = Infinity;
  const page = screen(client, { jobId: "kept" });
  await page.until(({ partialResult }) => partialResult !== undefined);
  assert.deepEqual(page.latest().partialResult, RESULT);
  assert.deepEqual(page.latest().outline.map(({ state }) => state), ["ready", "waiting"]);

  const before = page.seen.length;
  page.hide();
  ready = -1; // a late answer, which knows of none
  page.show({ jobId: "kept" });
  const looks = server.count("GET status");
  await page.until(() => server.count("GET status") > looks + 2);
  for (const { partialResult } of page.seen.slice(before)) assert.deepEqual(partialResult, RESULT);

  server.open = 0;
  await page.until(isOver);
  assert.equal(page.latest().partialResult, undefined);
  assert.deepEqual(page.latest().result, RESULT);
});

test("what is ahead of a job that is pushed is in the snapshots, each at its time", async () => {
  const server = new Server();
  const { answer } = server;
  server.answer = (...asked) => {
    const [status, document] = answer.apply(server, asked);
    return [status, { ...document, push: { url: "ws://x/push", token: "t" } }];
  };
  const ahead = [
    { afterMs: 2000, progress: 20 },
    { afterMs: 4000, progress: 30, message: "Writing." },
  ];
  const frame = { status: "processing", progress: 10, message: "Reading.", askAfterMs: 30_000, ahead };
  let socket;
  class Socket {
    constructor() {
      socket = this;
      setImmediate(() => this.onopen());
    }
    send(text) {
      const { jobId } = JSON.parse(text);
      setImmediate(() => this.tell({ jobId, ...frame }));
    }
    tell = (document) => this.onmessage({ data: JSON.stringify(document) });
    close() {}
  }
  let nowMs = 0;
  const clock = {
    now: () => nowMs,
    setTimeout(callback, ms) {
      const at = nowMs + ms;
      if (ms >= 10_000) return undefined; // nothing is given up, nor asked again
      return setTimeout(() => callback((nowMs = Math.max(nowMs, at))), 0);
    },
    clearTimeout,
  };
  const options = { baseUrl: "http://x", token: "t", fetch: server.fetch, WebSocket: Socket, pushTimeoutMs: 60_000, clock };
  const page = screen(new SimmerClient(options), {});
  await page.do(({ submit }) => submit(REQUEST));

  await page.until(({ progress }) => progress === 30);

  const shown = page.seen.filter(({ progress }) => progress > 0);
  const each = [...new Set(shown.map(({ progress, message }) => `${progress} ${message}`))];
  assert.deepEqual(each, ["10 Reading.", "20 Reading.", "30 Writing."]);
  assert.equal(server.count("GET status"), 0);
  await page.do(({ id }) => socket.tell({ jobId: id, status: "completed", progress: 100, result: RESULT }));
  await page.until(isOver);
  assert.equal(page.text(), "completed 100");
});
