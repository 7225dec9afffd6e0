import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import {
  DeadlineExceeded,
  JobCancelled,
  JobFailed,
  MalformedAnswer,
  RequestRefused,
  SimmerClient,
  SimmerError,
  Unreachable,
} from "../simmer.js";
import { App, Clock, Server } from "./server.js";

const SUBMIT = "POST /recipe/generate";
const STATUS = "GET /recipe/status/7";
const CANCEL = "POST /recipe/cancel/7";
const REQUEST = { ingredients: ["egg"] };
const RESULT = { recipes: [{ name: "Fried egg" }] };

const accepted = (more = {}) => ({
  status: 202,
  headers: { "Retry-After": "1" },
  body: { jobId: "7", status: "submitted", message: "Accepted.", statusUrl: "/…", ...more },
});
const document = (more) => ({ jobId: "7", status: "processing", progress: 10, ...more });
const open = (progress, more = {}) => ({ body: document({ progress, pollAfterMs: 1000, ...more }) });
const COMPLETED = document({ status: "completed", progress: 100, result: RESULT });
const FAILED = document({
  ...{ status: "failed", progress: 95, error: "No.", errorCode: "refused", retryable: false },
});
const CANCELLED = document({ status: "cancelled", progress: 95 });
const completed = { body: COMPLETED };
const problem = (status, code, headers = {}) => ({
  status,
  headers,
  body: { type: "about:blank", title: "Title", status, detail: "Detail.", code },
});

/** A server, and a job of a client of it whose updates are kept. */
async function setUp(t, { signal, ...options } = {}) {
  const server = await Server.start(t);
  const clock = new Clock();
  const client = new SimmerClient({ baseUrl: server.url, token: "jwt", clock, ...options });
  const updates = [];
  const onUpdate = ({ state, progress, transport, failures }) =>
    updates.push({ state, progress, transport, failures });
  return { server, clock, client, updates, job: client.job({ onUpdate, signal }) };
}

const statuses = (server) => server.routes.filter((route) => route === STATUS).length;
const states = (updates) => [...new Set(updates.map(({ state }) => state))];
const rejection = (promise) => promise.then(() => assert.fail("it resolved"), (error) => error);

async function until(condition) {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

// --- Polling ---------------------------------------------------------------------------------

test("a job is submitted, polled as the server says, and resolves with its result", async (t) => {
  const { server, clock, job, updates } = await setUp(t);
  server.answers(SUBMIT, accepted());
  server.answers(STATUS, open(10, { pollAfterMs: 1000 }), open(60, { pollAfterMs: 750 }), completed);
  assert.equal(job.state, "idle");

  assert.deepEqual(await job.submit(REQUEST), RESULT);

  assert.deepEqual(server.routes, [SUBMIT, STATUS, STATUS, STATUS]);
  assert.deepEqual(clock.pauses, [1000, 750], "the first look is at once");
  assert.deepEqual(states(updates), ["submitting", "polling", "completed"]);
  assert.deepEqual(server.requests[0].body, REQUEST);
  assert.equal(server.requests[0].headers.authorization, "Bearer jwt");
  assert.equal(server.requests[0].headers["idempotency-key"], undefined);
  assert.deepEqual([job.state, job.progress, job.cached], ["completed", 100, false]);
  assert.equal(clock.heldCount, 0, "no timer is left");
});

test("a stored answer needs no poll", async (t) => {
  const { server, job, updates } = await setUp(t);
  server.answers(SUBMIT, { body: { ...COMPLETED, cached: true } });

  assert.deepEqual(await job.submit(REQUEST), RESULT);

  assert.deepEqual(server.routes, [SUBMIT]);
  assert.equal(job.cached, true);
  assert.deepEqual(states(updates), ["submitting", "completed"]);
});

test("where the document does not say when, Retry-After does, then two seconds", async (t) => {
  const { server, clock, job } = await setUp(t);
  const silent = { body: document({ progress: 20 }) };
  server.answers(STATUS, { ...silent, headers: { "Retry-After": "3" } }, silent, completed);

  await job.resume("7");

  assert.deepEqual(clock.pauses, [3000, 2000]);
});

test("an interval of nothing does not make a flood", async (t) => {
  const { server, clock, job } = await setUp(t);
  server.answers(STATUS, open(10, { pollAfterMs: 1 }), open(20, { pollAfterMs: -5 }), completed);

  await job.resume("7");

  assert.deepEqual(clock.pauses, [250, 2000]);
});

test("the bar never goes back", async (t) => {
  const { server, job, updates } = await setUp(t);
  server.answers(STATUS, open(60), open(30), open(61), { body: FAILED });

  await rejection(job.resume("7"));

  assert.deepEqual([...new Set(updates.map(({ progress }) => progress))], [0, 60, 61, 95]);
});

test("a job can be resumed by its id", async (t) => {
  const { server, job } = await setUp(t);
  server.answers(STATUS, completed);

  assert.deepEqual(await job.resume("7"), RESULT);
  assert.deepEqual(await job.wait(), RESULT);
  assert.deepEqual(server.routes, [STATUS]);
});

test("an id is escaped on its way into a path", async (t) => {
  const { server, job } = await setUp(t);
  server.answers("GET /recipe/status/..%2Fother%3F", problem(404, "job_not_found"));

  assert.equal((await rejection(job.resume("../other?"))).code, "job_not_found");
});

test("a job is used once", async (t) => {
  const { server, job } = await setUp(t);
  server.answers(STATUS, completed);
  await job.resume("7");

  assert.throws(() => job.submit(REQUEST), /once/);
});

// --- Failures have names ---------------------------------------------------------------------

test("a failed job rejects with its code, its sentence and whether to try again", async (t) => {
  const { server, job } = await setUp(t);
  server.answers(STATUS, open(10), { body: FAILED });

  const error = await rejection(job.resume("7"));

  assert.ok(error instanceof JobFailed && error instanceof SimmerError);
  assert.deepEqual([error.code, error.message, error.retryable], ["refused", "No.", false]);
  assert.deepEqual(error.job, FAILED);
  assert.equal(job.error, error);
  assert.equal(job.state, "failed");
});

test("a job that somebody else cancelled is cancelled", async (t) => {
  const { server, job } = await setUp(t);
  server.answers(STATUS, { body: CANCELLED });

  assert.ok((await rejection(job.resume("7"))) instanceof JobCancelled);
  assert.equal(job.state, "cancelled");
});

test("a refused request has the problem's code, and its complaints", async (t) => {
  const { server, job } = await setUp(t);
  const errors = [{ field: "ingredients", message: "Field required" }];
  const answer = problem(422, "invalid_request");
  server.answers(SUBMIT, { ...answer, body: { ...answer.body, errors } });

  const error = await rejection(job.submit({}));

  assert.ok(error instanceof RequestRefused);
  assert.deepEqual([error.code, error.status, error.errors], ["invalid_request", 422, errors]);
  assert.equal(server.requests.length, 1, "nothing is gained by asking again");
});

test("a quota that ends at midnight is not waited for", async (t) => {
  const { server, clock, job } = await setUp(t);
  server.answers(SUBMIT, problem(429, "quota_exceeded", { "Retry-After": "20000" }));

  const error = await rejection(job.submit(REQUEST));

  assert.deepEqual([error.code, error.status], ["quota_exceeded", 429]);
  assert.equal(error.retryAfterMs, 20_000_000);
  assert.deepEqual(clock.pauses, []);
});

test("a submit is not held up for a minute", async (t) => {
  const { server, job } = await setUp(t);
  server.answers(SUBMIT, problem(503, "dependency_unavailable", { "Retry-After": "60" }));

  assert.equal((await rejection(job.submit(REQUEST))).retryAfterMs, 60_000);
  assert.equal(server.requests.length, 1);
});

for (const [name, answer] of Object.entries({
  "a page of HTML": { body: "<html>Welcome to the hotel</html>" },
  "an empty body": { body: "" },
  null: { body: "null" },
  "another job's document": { body: { ...COMPLETED, jobId: "8" } },
  "an unknown status": { body: document({ status: "simmering" }) },
  "a bar that is no number": { body: document({ progress: "60" }) },
  "completed without a result": { body: document({ status: "completed", progress: 100 }) },
})) {
  test(`${name} instead of a status is asked past, and has a name if it stays`, async (t) => {
    const { server, client, job } = await setUp(t, { deadlineMs: 60_000 });
    server.answers(STATUS, open(10), answer, answer, completed);
    assert.deepEqual(await client.job().resume("7"), RESULT);
    server.answers(STATUS, answer);

    const error = await rejection(job.resume("7"));

    assert.ok(error instanceof MalformedAnswer);
    assert.equal(error.code, "malformed_answer");
  });
}

for (const answer of [{ body: "<html>" }, { status: 202, body: {} }, { body: { status: "completed" } }]) {
  test(`a submit that answers ${JSON.stringify(answer)} has a name`, async (t) => {
    const { server, job } = await setUp(t);
    server.answers(SUBMIT, answer);

    assert.ok((await rejection(job.submit(REQUEST))) instanceof MalformedAnswer);
  });
}

test("a job that stays open ends at the deadline, after a last look", async (t) => {
  const { server, clock, job } = await setUp(t, { deadlineMs: 20_000 });
  server.answers(STATUS, open(95, { pollAfterMs: 6000 }));

  const error = await rejection(job.resume("7"));

  assert.ok(error instanceof DeadlineExceeded);
  assert.equal(error.code, "client_deadline");
  assert.deepEqual(clock.pauses, [6000, 6000, 6000, 2000]);
  assert.equal(statuses(server), 5);
  assert.equal(error.job.progress, 95);
});

test("a job that ended just before the deadline is delivered", async (t) => {
  const { server, job } = await setUp(t, { deadlineMs: 20_000 });
  server.answers(STATUS, open(10, { pollAfterMs: 60_000 }), completed);

  assert.deepEqual(await job.resume("7"), RESULT);
});

test("a listener that throws stops nothing", async (t) => {
  const { server, client } = await setUp(t);
  const reported = [];
  globalThis.reportError = (error) => reported.push(error.message);
  t.after(() => delete globalThis.reportError);
  server.answers(STATUS, completed);
  const job = client.job({
    onUpdate() {
      throw new Error("a bug");
    },
  });

  assert.deepEqual(await job.resume("7"), RESULT);
  assert.ok(reported.includes("a bug"));
});

// --- A bad network ---------------------------------------------------------------------------

test("a status is asked through drops and errors, more and more slowly", async (t) => {
  const { server, clock, job, updates } = await setUp(t);
  server.answers(STATUS, "drop", { status: 500, body: "oh" }, { status: 503, body: "" }, completed);

  assert.deepEqual(await job.resume("7"), RESULT);

  assert.equal(clock.pauses.length, 3);
  for (const [i, most] of [1000, 2000, 4000].entries()) {
    assert.ok(clock.pauses[i] >= most / 2 && clock.pauses[i] <= most, `${clock.pauses}`);
  }
  assert.deepEqual(updates.map(({ failures }) => failures), [0, 1, 2, 3, 0]);
});

test("429 and 503 of a status wait as long as Retry-After says", async (t) => {
  const { server, clock, job } = await setUp(t);
  const date = new Date(Date.now() + 60_000).toUTCString();
  server.answers(
    STATUS,
    { status: 429, headers: { "Retry-After": "7" }, body: { message: "Too Many Requests" } },
    problem(503, "dependency_unavailable", { "Retry-After": date }),
    completed,
  );

  await job.resume("7");

  assert.equal(clock.pauses[0], 7000);
  assert.ok(clock.pauses[1] > 30_000 && clock.pauses[1] <= 60_000, `${clock.pauses}`);
});

test("a Retry-After of nothing is still a pause", async (t) => {
  const { server, clock, job } = await setUp(t);
  const now = { "Retry-After": "0" };
  server.answers(STATUS, problem(503, "dependency_unavailable", now), problem(429, "x", now), completed);

  await job.resume("7");

  assert.equal(clock.pauses.length, 2);
  assert.ok(clock.pauses.every((pause) => pause > 0), `${clock.pauses}`);
});

test("an answer that does not come is given up, and asked for again", async (t) => {
  const { server, clock, job } = await setUp(t);
  server.answers(STATUS, "hang", completed);

  const result = job.resume("7");
  await until(() => statuses(server) === 1);
  await clock.fire(15_000);

  assert.deepEqual(await result, RESULT);
});

test("a server that is gone does not outlive the deadline", async (t) => {
  const { server, clock, job } = await setUp(t);
  server.stop();

  const error = await rejection(job.resume("7"));

  assert.ok(error instanceof Unreachable);
  assert.ok(clock.pauses.length < 60, `${clock.pauses.length} requests`);
});

test("a submit is sent again when it brought no answer", async (t) => {
  const { server, job } = await setUp(t);
  server.answers(SUBMIT, "drop", problem(503, "dependency_unavailable"), accepted());
  server.answers(STATUS, completed);

  assert.deepEqual(await job.submit(REQUEST), RESULT);
  assert.deepEqual(server.routes, [SUBMIT, SUBMIT, SUBMIT, STATUS]);
});

test("a submit is not sent for ever", async (t) => {
  const { server, job } = await setUp(t);
  server.answers(SUBMIT, "drop");

  const error = await rejection(job.submit(REQUEST));

  assert.ok(error instanceof Unreachable);
  assert.deepEqual([error.code, error.retryable], ["unreachable", true]);
  // Node itself sends once more on a connection that was kept alive and is dropped.
  assert.ok(server.requests.length >= 5 && server.requests.length <= 10, `${server.requests.length}`);
});

test("a submit that only meets 503 ends with its code", async (t) => {
  const { server, job } = await setUp(t);
  server.answers(SUBMIT, problem(503, "dependency_unavailable", { "Retry-After": "1" }));

  const error = await rejection(job.submit(REQUEST));

  assert.deepEqual([error.code, error.status], ["dependency_unavailable", 503]);
  assert.equal(server.requests.length, 5);
});

test("a fresh job has a key of its own, the same at every try", async (t) => {
  const { server, client } = await setUp(t);
  server.answers(SUBMIT, problem(503, "dependency_unavailable"), accepted());
  server.answers(STATUS, completed);

  await client.job().submit(REQUEST, { fresh: true });
  await client.job().submit(REQUEST, { fresh: true });
  await client.job().submit(REQUEST, { fresh: true, idempotencyKey: "mine" });

  const submits = server.requests.filter(({ route }) => route === SUBMIT);
  const keys = submits.map(({ headers }) => headers["idempotency-key"]);
  assert.equal(keys.length, 4);
  assert.ok(/^[\x21-\x7e]{16,255}$/.test(keys[0]), keys[0]);
  assert.equal(keys[1], keys[0]);
  assert.notEqual(keys[2], keys[0]);
  assert.equal(keys[3], "mine");
  assert.match(keys[0], /^[0-9a-f-]{36}$/);
  // HTTP stacks send one by themselves, so it means nothing.
  assert.ok(submits.every(({ headers }) => headers["cache-control"] === undefined));
});

// --- Tokens ----------------------------------------------------------------------------------

test("a token that is refused is renewed, once", async (t) => {
  const asked = [];
  const token = async ({ renew }) => {
    asked.push(renew);
    return renew ? "new" : "old";
  };
  const { server, job } = await setUp(t, { token });
  server.answers(SUBMIT, { status: 401, body: { message: "Unauthorized" } }, accepted());
  server.answers(STATUS, completed);

  assert.deepEqual(await job.submit(REQUEST), RESULT);

  assert.deepEqual(asked, [false, true, false]);
  const used = server.requests.map(({ headers }) => headers.authorization);
  assert.deepEqual(used, ["Bearer old", "Bearer new", "Bearer old"]);
});

for (const [name, token, tries] of [
  ["a fixed token", "jwt", 1],
  ["a new token too", () => "jwt", 2],
]) {
  test(`${name} that is refused ends with a name`, async (t) => {
    const { server, job } = await setUp(t, { token });
    server.answers(STATUS, { status: 401, body: { message: "Unauthorized" } });

    const error = await rejection(job.resume("7"));

    assert.deepEqual([error.code, error.status], ["unauthorized", 401]);
    assert.equal(statuses(server), tries);
    assert.ok(!JSON.stringify({ ...error, message: error.message }).includes("jwt"));
  });
}

test("a token provider that fails is a network that fails", async (t) => {
  let calls = 0;
  const token = () => {
    calls += 1;
    if (calls < 3) throw new Error("offline");
    return "jwt";
  };
  const { server, job } = await setUp(t, { token });
  server.answers(STATUS, completed);

  assert.deepEqual(await job.resume("7"), RESULT);
});

test("requests that are refused at once ask for one new token", async (t) => {
  const asked = [];
  const token = async ({ renew }) => {
    asked.push(renew);
    if (renew) await new Promise((resolve) => setTimeout(resolve, 20));
    return asked.includes(true) ? "new" : "old";
  };
  const { server, client } = await setUp(t, { token });
  server.authorize = (bearer) => bearer === "Bearer new";
  server.answers(STATUS, completed);

  await Promise.all(Array.from({ length: 8 }, () => client.job().resume("7")));

  assert.equal(asked.filter(Boolean).length, 1);
});

test("a request that was refused late takes the token that is there by then", async (t) => {
  const held = [];
  let renewals = 0;
  const fetch = async (url, { headers }) => {
    const isOld = headers.Authorization === "Bearer old";
    if (isOld && url.endsWith("/8")) await new Promise((resolve) => held.push(resolve));
    if (isOld) return new Response('{"message":"Unauthorized"}', { status: 401 });
    return new Response(JSON.stringify({ ...COMPLETED, jobId: url.at(-1) }), { status: 200 });
  };
  const token = ({ renew }) => (renew ? `new ${(renewals += 1)}` : "old");
  const { client } = await setUp(t, { token, fetch });

  const late = client.job().resume("8");
  await client.job().resume("7");
  held[0]();
  await late;

  assert.equal(renewals, 1);
});

// --- Redirects -------------------------------------------------------------------------------

test("no redirect is followed, and a token goes nowhere else", async (t) => {
  const elsewhere = await Server.start(t);
  const { server, job } = await setUp(t);
  const redirect = { status: 302, headers: { Location: `${elsewhere.url}/login` }, body: "" };
  server.answers(STATUS, open(10), redirect, completed);

  assert.deepEqual(await job.resume("7"), RESULT);

  assert.deepEqual(elsewhere.requests, []);
});

for (const [name, sign] of Object.entries({
  "a browser that hides it": { type: "opaqueredirect", status: 0, url: "" },
  "a fetch that followed it": { redirected: true },
  "React Native, which always follows": { url: "https://portal.test/recipe/status/7" },
})) {
  test(`what came by a redirect is no answer: ${name}`, async (t) => {
    let calls = 0;
    const answer = (url) => ({
      ...{ status: 200, url, headers: new Headers(), text: async () => JSON.stringify(COMPLETED) },
    });
    const fetch = async (url) => {
      calls += 1;
      return calls === 1 ? { ...answer(url), status: 404, ...sign } : answer(url);
    };
    const { job } = await setUp(t, { fetch, baseUrl: "https://API.test:443" });

    assert.deepEqual(await job.resume("7"), RESULT);
    assert.equal(calls, 2);
  });
}

// --- Several followers -----------------------------------------------------------------------

test("a cancel leaves another follower of the same client alone, and says so", async (t) => {
  const { server, client } = await setUp(t);
  server.answers(SUBMIT, accepted());
  server.answers(STATUS, "hang");
  server.answers(CANCEL, { body: CANCELLED });
  const [one, two] = [client.job(), client.job()];
  const ends = [one, two].map((job) => job.submit(REQUEST).catch((error) => error));
  await until(() => statuses(server) === 2);

  assert.equal(await one.cancel(), "cancelled");
  assert.deepEqual([(await ends[0]).name, (await ends[0]).goesOn], ["JobCancelled", true]);
  assert.equal(two.state, "polling");
  assert.ok(!server.routes.includes(CANCEL));

  assert.equal(await two.cancel(), "cancelled", "the last one ends it");
  assert.equal((await ends[1]).goesOn, false);
  assert.ok(server.routes.includes(CANCEL));
});

test("everywhere is everywhere", async (t) => {
  const { server, client } = await setUp(t);
  server.answers(STATUS, "hang");
  server.answers(CANCEL, { body: CANCELLED });
  const [one, two] = [client.job(), client.job()];
  for (const job of [one, two]) job.resume("7").catch(() => {});

  await one.cancel({ everywhere: true });

  assert.ok(server.routes.includes(CANCEL));
});

test("a clean-up that cancels, and the same request again in one go, is one job that goes on", async (t) => {
  const { server, client } = await setUp(t);
  server.answers(SUBMIT, accepted());
  server.answers(STATUS, open(10), completed);
  const one = client.job();
  const first = rejection(one.submit(REQUEST));
  one.cancel();
  const second = client.job().submit(REQUEST);

  assert.deepEqual(await second, RESULT);
  assert.equal((await first).name, "JobCancelled");
  assert.ok(!server.routes.includes(CANCEL));
});

test("a request that is just being cancelled is not joined", async (t) => {
  const { server, client } = await setUp(t);
  server.answers(SUBMIT, accepted());
  server.answers(STATUS, open(10), completed);
  server.answers(CANCEL, problem(503, "dependency_unavailable"), { body: CANCELLED });
  const one = client.job();
  one.submit(REQUEST).catch(() => {});
  await until(() => statuses(server) === 1);
  const cancelled = one.cancel();
  await until(() => server.routes.includes(CANCEL));
  const second = client.job().submit(REQUEST);
  await cancelled;
  await second;

  const submits = server.routes.map((route, at) => [route, at]).filter(([route]) => route === SUBMIT);
  assert.ok(submits[1][1] > server.routes.lastIndexOf(CANCEL), `${server.routes}`);
});

// --- Cancel and abort ------------------------------------------------------------------------

test("cancel stops the job", async (t) => {
  const { server, clock, job } = await setUp(t);
  server.answers(SUBMIT, accepted());
  server.answers(STATUS, open(10), "hang");
  server.answers(CANCEL, { body: CANCELLED });
  const result = job.submit(REQUEST);
  await until(() => statuses(server) === 2);

  assert.equal(await job.cancel(), "cancelled");

  assert.ok((await rejection(result)) instanceof JobCancelled);
  assert.equal(clock.heldCount, 0);
  assert.equal(await job.cancel(), "cancelled", "once more is harmless");
  assert.equal(server.routes.filter((route) => route === CANCEL).length, 1);
});

test("a job that others go on waiting for is cancelled for us", async (t) => {
  const { server, job } = await setUp(t);
  server.answers(STATUS, "hang");
  server.answers(CANCEL, open(40));
  const result = job.resume("7");

  assert.equal(await job.cancel(), "cancelled");
  assert.equal((await rejection(result)).job.status, "processing");
});

test("a result that was there before the cancel is delivered", async (t) => {
  const { server, job } = await setUp(t);
  server.answers(STATUS, "hang");
  server.answers(CANCEL, completed);
  const result = job.resume("7");

  assert.equal(await job.cancel(), "completed");
  assert.deepEqual(await result, RESULT);
});

test("a cancel that brought no answer is sent again", async (t) => {
  const { server, job } = await setUp(t);
  server.answers(STATUS, "hang");
  server.answers(CANCEL, problem(503, "dependency_unavailable"), { body: CANCELLED });
  job.resume("7");

  assert.equal(await job.cancel(), "cancelled");
});

test("a cancel that is refused rejects, and the job goes on", async (t) => {
  const { server, clock, job } = await setUp(t);
  server.answers(STATUS, "hang", completed);
  server.answers(CANCEL, problem(404, "job_not_found"));
  const result = job.resume("7");

  assert.equal((await rejection(job.cancel())).code, "job_not_found");

  assert.equal(job.state, "polling");
  await until(() => statuses(server) === 1);
  await clock.fire(15_000);
  assert.deepEqual(await result, RESULT);
});

test("a cancel before there is an id is sent when there is one", async (t) => {
  const { server, job } = await setUp(t);
  server.answers(SUBMIT, accepted());
  server.answers(STATUS, "hang");
  server.answers(CANCEL, { body: CANCELLED });
  const result = job.submit(REQUEST);

  const [first, second] = await Promise.all([job.cancel(), job.cancel()]);

  assert.deepEqual([first, second], ["cancelled", "cancelled"]);
  assert.ok((await rejection(result)) instanceof JobCancelled);
  assert.ok(server.routes.includes(CANCEL));
});

test("a submit that is cancelled while it is refused is not sent again", async (t) => {
  const { server, job } = await setUp(t);
  server.answers(SUBMIT, problem(503, "dependency_unavailable"));
  const result = job.submit(REQUEST);

  assert.equal(await job.cancel(), "cancelled");
  assert.ok((await rejection(result)) instanceof JobCancelled);
  assert.equal(server.requests.length, 1);
});

test("a submit that is cancelled while it waits ends at once", async (t) => {
  const { server, clock, job } = await setUp(t);
  const heldBack = problem(503, "dependency_unavailable", { "Retry-After": "15" });
  server.answers(SUBMIT, heldBack);
  const result = job.submit(REQUEST);
  await until(() => job.failures === 1 && clock.isHeld(15_000));

  assert.equal(await job.cancel(), "cancelled");
  assert.ok((await rejection(result)) instanceof JobCancelled);
  assert.equal(server.requests.length, 1);
});

test("a job that was never sent is cancelled without a word", async (t) => {
  const { server, job } = await setUp(t);

  assert.equal(await job.cancel(), "cancelled");
  assert.equal(server.requests.length, 0);
});

test("an abort leaves the job to whoever resumes it", async (t) => {
  const controller = new AbortController();
  const { server, clock, client, job } = await setUp(t, { signal: controller.signal });
  server.answers(SUBMIT, accepted());
  server.answers(STATUS, "hang", completed);
  const result = job.submit(REQUEST);
  await until(() => statuses(server) === 1);

  controller.abort();

  assert.equal((await rejection(result)).name, "AbortError");
  assert.equal(job.state, "idle");
  assert.equal(clock.heldCount, 0);
  assert.deepEqual(await client.job().resume(job.id), RESULT);
  assert.ok(!server.routes.includes(CANCEL));
});

test("a signal that was aborted before sends nothing", async (t) => {
  const { server, job } = await setUp(t, { signal: AbortSignal.abort() });

  assert.equal((await rejection(job.submit(REQUEST))).name, "AbortError");
  assert.equal(server.requests.length, 0);
});

// --- The background --------------------------------------------------------------------------

test("in the background nothing is asked, on return it is at once", async (t) => {
  const visibility = new App();
  const { server, clock, job } = await setUp(t, { visibility });
  server.answers(STATUS, open(10), completed);
  const result = job.resume("7");
  await until(() => statuses(server) === 1);
  visibility.hide();
  await until(() => clock.pauses.length === 1);
  await server.roundTrips();
  assert.equal(statuses(server), 1);

  visibility.show();

  assert.deepEqual(await result, RESULT);
  assert.deepEqual(clock.pauses, [1000]);
  assert.equal(visibility.listenerCount, 0);
});

test("a job that ended while the app slept past the deadline is delivered", async (t) => {
  const visibility = new App();
  visibility.hide();
  const { server, clock, job } = await setUp(t, { visibility });
  server.answers(STATUS, "drop", completed);
  const result = job.resume("7");
  clock.advance(3_600_000);

  visibility.show();

  assert.deepEqual(await result, RESULT);
});

// --- Push ------------------------------------------------------------------------------------

test("while push works no status is asked for", async (t) => {
  const { server, clock, job, updates } = await setUp(t);
  server.answers(SUBMIT, accepted({ push: server.push }));
  const answers = [document({ progress: 10 }), document({ progress: 40 })];
  server.onFrame = (socket) => socket.send(answers.shift());
  const result = job.submit(REQUEST);
  await clock.fire(10_000);
  await until(() => job.progress === 40);

  server.sockets[0].send(COMPLETED);

  assert.deepEqual(await result, RESULT);
  assert.deepEqual(server.routes, [SUBMIT]);
  const subscribe = { action: "subscribe", jobId: "7", token: server.push.token };
  assert.deepEqual(server.sockets[0].frames, [subscribe, subscribe]);
  assert.ok(updates.some(({ transport, progress }) => transport === "push" && progress === 40));
  assert.ok(updates.every(({ transport }) => transport !== "polling"));
  await until(() => !server.sockets[0].isOpen);
  assert.equal(clock.heldCount, 0);
});

test("while a job is queued push is asked sooner, and then less and less", async (t) => {
  const { server, clock, job } = await setUp(t);
  server.answers(SUBMIT, accepted({ push: server.push }));
  const queued = (progress) => document({ status: "pending", stage: "queued", progress });
  const answers = [...[1, 2, 3, 4, 5].map(queued), document({ progress: 10 }), COMPLETED];
  server.onFrame = (socket) => socket.send(answers.shift());
  const result = job.submit(REQUEST);
  await until(() => job.progress === 5);
  await clock.fire(10_000); // not 16
  await until(() => job.progress === 10);
  await clock.fire(10_000);

  assert.deepEqual(await result, RESULT);
  assert.deepEqual(clock.pauses, [1000, 2000, 4000, 8000]);
  assert.deepEqual(server.routes, [SUBMIT]);
});

test("a job that is done when it is subscribed to is delivered at once", async (t) => {
  const { server, job } = await setUp(t);
  server.answers(SUBMIT, accepted({ push: server.push }));
  server.onFrame = (socket) => socket.send(COMPLETED);

  assert.deepEqual(await job.submit(REQUEST), RESULT);
  assert.deepEqual(server.routes, [SUBMIT]);
});

test("a failure that is pushed has its name", async (t) => {
  const { server, job } = await setUp(t);
  server.answers(SUBMIT, accepted({ push: server.push }));
  server.onFrame = (socket) => socket.send(FAILED);

  assert.equal((await rejection(job.submit(REQUEST))).code, "refused");
});

test("a result too large for a frame is fetched, once", async (t) => {
  const { server, job } = await setUp(t);
  server.answers(SUBMIT, accepted({ push: server.push }));
  server.answers(STATUS, completed);
  server.onFrame = (socket) => socket.send(document({ status: "completed", progress: 100 }));

  assert.deepEqual(await job.submit(REQUEST), RESULT);
  assert.deepEqual(server.routes, [SUBMIT, STATUS]);
});

test("after the end nothing that is pushed counts", async (t) => {
  const { server, job, updates } = await setUp(t);
  server.answers(SUBMIT, accepted({ push: server.push }));
  server.onFrame = (socket) => [COMPLETED, COMPLETED, FAILED].forEach((each) => socket.send(each));

  await job.submit(REQUEST);
  await until(() => !server.sockets[0].isOpen);

  assert.equal(updates.filter(({ state }) => state === "completed").length, 1);
  assert.equal(job.state, "completed");
});

for (const [name, fail] of Object.entries({
  "a problem": (socket) => socket.send({ status: 401, code: "invalid_push_token", title: "No" }),
  "garbage": (socket) => socket.send("}{"),
  "another job's document": (socket) => socket.send({ ...COMPLETED, jobId: "8" }),
  "a document without a bar": (socket) => socket.send({ jobId: "7", status: "processing" }),
  "a close": (socket) => socket.close(),
  "a drop": (socket) => socket.drop(),
})) {
  for (const when of ["at first", "later"]) {
    test(`after ${name} on the socket, ${when}, it polls at once`, async (t) => {
      const { server, clock, job } = await setUp(t);
      server.answers(SUBMIT, accepted({ push: server.push }));
      server.answers(STATUS, open(50), completed);
      let frames = 0;
      server.onFrame = (socket) => {
        frames += 1;
        if (frames === 1 && when === "later") socket.send(document({ progress: 30 }));
        else fail(socket);
      };
      const result = job.submit(REQUEST);
      if (when === "later") await clock.fire(10_000);

      assert.deepEqual(await result, RESULT);

      assert.deepEqual(clock.pauses, [1000], "no pause before the first look");
      assert.deepEqual(server.routes, [SUBMIT, STATUS, STATUS]);
      assert.equal(server.sockets.length, 1);
    });
  }
}

test("a socket that is silent is dead", async (t) => {
  const { server, clock, job } = await setUp(t);
  server.answers(SUBMIT, accepted({ push: server.push }));
  server.answers(STATUS, completed);
  const result = job.submit(REQUEST);
  await until(() => server.sockets[0]?.frames.length === 1);

  await clock.fire(5000);

  assert.deepEqual(await result, RESULT);
  assert.deepEqual(server.routes, [SUBMIT, STATUS]);
});

test("a socket that dies later is noticed by subscribing again", async (t) => {
  const { server, clock, job } = await setUp(t);
  server.answers(SUBMIT, accepted({ push: server.push }));
  server.answers(STATUS, completed);
  let frames = 0;
  server.onFrame = (socket) => {
    frames += 1;
    if (frames === 1) socket.send(document({ progress: 30 }));
  };
  const result = job.submit(REQUEST);
  await clock.fire(10_000);
  await until(() => frames === 2);

  await clock.fire(5000);

  assert.deepEqual(await result, RESULT);
  assert.deepEqual(server.routes, [SUBMIT, STATUS]);
});

for (const [name, url] of [["is not there", "ws://127.0.0.1:1/"], ["is no URL", "::"]]) {
  test(`a socket that ${name} costs nothing but push`, async (t) => {
    const { server, job } = await setUp(t);
    server.answers(SUBMIT, accepted({ push: { url, token: "t" } }));
    server.answers(STATUS, completed);

    assert.deepEqual(await job.submit(REQUEST), RESULT);
    assert.deepEqual(server.routes, [SUBMIT, STATUS]);
  });
}

for (const options of [{ push: false }, { WebSocket: null }]) {
  test(`with ${JSON.stringify(options)} no socket is opened`, async (t) => {
    const { server, job } = await setUp(t, options);
    server.answers(SUBMIT, accepted({ push: server.push }));
    server.answers(STATUS, completed);

    assert.deepEqual(await job.submit(REQUEST), RESULT);
    assert.equal(server.sockets.length, 0);
  });
}

test("a push offer that is none is polled", async (t) => {
  const { server, job } = await setUp(t);
  server.answers(SUBMIT, accepted({ push: { url: 7 } }));
  server.answers(STATUS, completed);

  assert.deepEqual(await job.submit(REQUEST), RESULT);
});

test("in the background a socket is not asked, on return it is at once", async (t) => {
  const visibility = new App();
  const { server, clock, job } = await setUp(t, { visibility });
  server.answers(SUBMIT, accepted({ push: server.push }));
  let frames = 0;
  server.onFrame = (socket) => {
    frames += 1;
    socket.send(frames === 1 ? document({ progress: 30 }) : COMPLETED);
  };
  const result = job.submit(REQUEST);
  await until(() => job.progress === 30);
  visibility.hide();
  await clock.fire(10_000);
  await server.roundTrips();
  assert.equal(frames, 1);

  visibility.show();

  assert.deepEqual(await result, RESULT);
  assert.deepEqual(server.routes, [SUBMIT]);
});

test("a return while the socket opens is no trouble with it", async (t) => {
  const visibility = new App();
  let socket;
  class Slow {
    sent = [];
    #isOpen = false;
    constructor() {
      socket = this;
    }
    send(text) {
      if (!this.#isOpen) throw new Error("still connecting"); // as a browser's does
      this.sent.push(text);
    }
    open() {
      this.#isOpen = true;
      this.onopen();
    }
    close() {}
  }
  const { server, job } = await setUp(t, { visibility, WebSocket: Slow });
  server.answers(SUBMIT, accepted({ push: server.push }));
  const result = job.submit(REQUEST);
  await until(() => socket);
  visibility.hide();
  visibility.show();

  socket.open();

  assert.equal(socket.sent.length, 1);
  socket.onmessage({ data: JSON.stringify(COMPLETED) });
  assert.deepEqual(await result, RESULT);
  assert.deepEqual(server.routes, [SUBMIT]);
});

test("a socket that died in the background is replaced by polling soon after", async (t) => {
  const visibility = new App();
  const { server, clock, job } = await setUp(t, { visibility });
  server.answers(SUBMIT, accepted({ push: server.push }));
  server.answers(STATUS, completed);
  let frames = 0;
  server.onFrame = (socket) => {
    frames += 1;
    if (frames === 1) socket.send(document({ progress: 30 }));
  };
  const result = job.submit(REQUEST);
  await until(() => job.progress === 30);
  visibility.hide();
  visibility.show();

  await clock.fire(1500);

  assert.deepEqual(await result, RESULT);
});

// --- What is ahead ----------------------------------------------------------------------------

/** A frame, and where the bar is each 5 s after it. */
const frame = (progress, ...bars) => {
  const ahead = bars.map((each, n) => ({ afterMs: (n + 1) * 5000, progress: each }));
  return document({ progress, message: `${progress} %`, askAfterMs: 30_000, ahead });
};

/** A job that was told `first`; every ask after the first one brings the next of `frames`. */
async function setUpAhead(t, first, frames = [], options = {}) {
  const all = await setUp(t, options);
  const { server, job } = all;
  server.answers(SUBMIT, accepted({ push: server.push }));
  const answers = [first, ...frames];
  server.onFrame = (socket) => answers.length && socket.send(answers.shift());
  const result = job.submit(REQUEST);
  result.catch(() => {});
  await until(() => job.progress === first.progress);
  return { ...all, result };
}

const asks = (server) => server.sockets[0].frames.length;
const bars = (updates) => [...new Set(updates.map(({ progress }) => progress))];

test("between two frames the bar goes on, and nobody is asked", async (t) => {
  const { server, clock, job, updates, result } = await setUpAhead(t, frame(10, 20, 30), [COMPLETED]);

  await clock.fire(5000);
  await clock.fire(5000);

  await server.roundTrips();
  assert.deepEqual([job.progress, job.message, job.transport, asks(server)], [30, "10 %", "push", 1]);
  await clock.fire(30_000);
  assert.deepEqual(await result, RESULT);
  assert.deepEqual(bars(updates), [0, 10, 20, 30, 100]);
  assert.deepEqual([server.routes, asks(server), clock.heldCount], [[SUBMIT], 2, 0]);
});

test("in the background nothing that is ahead is shown, on return at once what holds by then", async (t) => {
  const visibility = new App();
  const first = frame(10, 20, 30, 40, 50);
  first.ahead[1].message = "Writing.";
  const { server, clock, job, updates, result } = await setUpAhead(t, first, [], { visibility });
  visibility.hide();
  await clock.fire(5000);
  clock.advance(11_000);
  assert.equal(job.progress, 10);

  visibility.show();

  assert.deepEqual([job.progress, job.message], [40, "Writing."]);
  assert.deepEqual(bars(updates), [0, 10, 40], "in one step");
  await until(() => asks(server) === 2);
  assert.deepEqual(clock.pauses, [4000], "and from there it goes on");
  await until(() => job.progress === 50);
  server.sockets[0].send(COMPLETED);
  assert.deepEqual(await result, RESULT);
  assert.deepEqual([visibility.listenerCount, clock.heldCount], [0, 0]);
});

test("a frame that comes in the background is shown, and nothing ahead of it before the return", async (t) => {
  const visibility = new App();
  const { server, clock, job, result } = await setUpAhead(t, frame(10, 20), [], { visibility });
  visibility.hide();
  server.sockets[0].send(frame(60, 70, 80));
  await until(() => job.progress === 60);
  clock.advance(7000);
  assert.equal(job.progress, 60);

  visibility.show();

  assert.equal(job.progress, 70);
  server.sockets[0].send({ ...frame(60, 70, 80), ...COMPLETED });
  assert.deepEqual(await result, RESULT);
  assert.deepEqual([visibility.listenerCount, clock.heldCount], [0, 0], "of an end nothing is ahead");
});

test("while a cancel is under way nothing is shown that was ahead", async (t) => {
  const { server, clock, job, updates, result } = await setUpAhead(t, frame(10, 20, 30));
  server.answers(CANCEL, "hang", { body: CANCELLED });
  await clock.fire(5000);
  const cancel = job.cancel();
  await until(() => server.routes.includes(CANCEL));

  assert.ok(!clock.isHeld(5000));
  await clock.fire(15_000); // the request is given up, and sent again
  assert.equal(await cancel, "cancelled");
  await rejection(result);
  assert.deepEqual(bars(updates), [0, 10, 20, 95]);
});

test("who leaves at what was ahead is shown no more", async (t) => {
  const controller = new AbortController();
  const server = await Server.start(t);
  const clock = new Clock();
  const visibility = new App();
  const seen = [];
  const onUpdate = ({ progress }) => {
    seen.push(progress);
    if (progress === 20) controller.abort();
  };
  const client = new SimmerClient({ baseUrl: server.url, token: "jwt", clock, visibility });
  const job = client.job({ onUpdate, signal: controller.signal });
  server.answers(SUBMIT, accepted({ push: server.push }));
  server.onFrame = (socket) => socket.send(frame(10, 20, 30));
  const result = job.submit(REQUEST);
  await until(() => job.progress === 10);
  await clock.fire(5000);

  assert.equal((await rejection(result)).name, "AbortError");
  assert.deepEqual([visibility.listenerCount, clock.heldCount], [0, 0]);
  assert.ok(!seen.includes(30));
});

test("an error's job has what was shown, and nothing of what was ahead", async (t) => {
  const { server, clock, job, result } = await setUpAhead(t, frame(10, 20));
  server.answers(STATUS, problem(404, "job_not_found"));
  await clock.fire(5000);
  assert.equal(job.progress, 20);
  server.sockets[0].close();

  assert.deepEqual((await rejection(result)).job, document({ progress: 20, message: "10 %" }));
});

test("a deadline that passes while push says nothing new ends it", async (t) => {
  const { server, clock, job } = await setUp(t, { deadlineMs: 20_000 });
  server.answers(SUBMIT, accepted({ push: server.push }));
  server.answers(STATUS, open(95));
  server.onFrame = (socket) => socket.send(document({ progress: 95 }));
  const result = job.submit(REQUEST);
  for (let seconds = 0; seconds < 20; seconds += 10) await clock.fire(10_000);

  assert.ok((await rejection(result)) instanceof DeadlineExceeded);
  assert.deepEqual(server.routes, [SUBMIT, STATUS]);
});

test("a cancel over push ends once", async (t) => {
  const { server, clock, job, updates } = await setUp(t);
  server.answers(SUBMIT, accepted({ push: server.push }));
  server.answers(CANCEL, { body: CANCELLED });
  server.onFrame = (socket) => socket.send(document({ progress: 30 }));
  const result = job.submit(REQUEST);
  await until(() => job.progress === 30);

  assert.equal(await job.cancel(), "cancelled");

  assert.ok((await rejection(result)) instanceof JobCancelled);
  assert.equal(updates.filter(({ state }) => state === "cancelled").length, 1);
  assert.equal(clock.heldCount, 0);
});

// --- What makes no sense ----------------------------------------------------------------------

test("what makes no sense is said at once, and nothing is sent", async (t) => {
  const { server, client } = await setUp(t);
  const made = (options) => () => new SimmerClient({ baseUrl: server.url, ...options });

  assert.throws(made({ baseUrl: undefined }), /baseUrl is missing/);
  assert.throws(made({ deadlineMs: NaN }), /deadlineMs is a number/); // it would wait for ever
  assert.throws(made({ deadlineMs: -1 }), /deadlineMs is a number/);
  for (const id of [undefined, null, "", 7]) assert.throws(() => client.job().resume(id), /jobId is missing/);
  assert.deepEqual(server.routes, []);
});

test("an error as JSON has its name, its code, its words and its job", async (t) => {
  const { server, client } = await setUp(t);
  server.answers(STATUS, { body: { jobId: "7", status: "failed", progress: 95, error: "No.", errorCode: "refused" } });
  const error = await client.job().resume("7").catch((failed) => failed);

  const { job, ...rest } = JSON.parse(JSON.stringify(error));
  assert.deepEqual(rest, { name: "JobFailed", code: "refused", message: "No.", retryable: false });
  assert.equal(job.jobId, "7");
  assert.deepEqual(structuredClone(error.toJSON()).code, "refused"); // of the error itself it is lost
});

// --- Types -----------------------------------------------------------------------------------

test("the types name what there is, and nothing else", async () => {
  const module = await import("../simmer.js");
  const types = await readFile(new URL("../simmer.d.ts", import.meta.url), "utf8");
  const classes = [...types.matchAll(/^export class (\w+)[^{]*\{(\}|.*?^\})/gms)];
  const declared = Object.fromEntries(
    classes.map(([, name, body]) => [
      name,
      [...body.matchAll(/^ {2}(?:readonly )?(\w+)[(<:]/gm)].map(([, member]) => member),
    ]),
  );

  assert.deepEqual(Object.keys(declared).sort(), Object.keys(module).sort());
  const client = new SimmerClient({ baseUrl: "", token: "" });
  for (const [name, instance] of Object.entries({
    SimmerClient: client,
    Job: client.job(),
    SimmerError: new SimmerError("code", "message"),
    RequestRefused: new RequestRefused("code", "message"),
  })) {
    const inherited = name === "RequestRefused" ? declared.SimmerError : [];
    const own = Object.keys(instance).concat(
      Object.getOwnPropertyNames(Object.getPrototypeOf(instance)),
      instance instanceof SimmerError ? Object.getOwnPropertyNames(SimmerError.prototype) : [],
    );
    const ofError = instance instanceof Error ? ["name", "stack", "message", "cause"] : [];
    const there = new Set(own.filter((each) => ![...ofError, "constructor"].includes(each)));
    const said = declared[name].concat(inherited).filter((each) => !["constructor", "name"].includes(each));
    assert.deepEqual([...there].sort(), [...new Set(said)].sort(), name);
  }
});
