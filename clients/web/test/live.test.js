/**
 * Against a running stack: SIMMER_URL, SIMMER_TOKEN (a user's), SIMMER_OTHER_TOKEN (another's).
 * The model must take its time with an egg from SIMMER_SLOW_FARM.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { SimmerClient } from "../simmer.js";

const {
  SIMMER_URL: baseUrl,
  SIMMER_TOKEN: token,
  SIMMER_OTHER_TOKEN: otherToken,
  SIMMER_SLOW_FARM: slowFarm,
} = process.env;
assert.ok(baseUrl && token && otherToken && slowFarm);

/** The routes that are asked through it, "GET /recipe/status/…" each. */
function recorder() {
  const routes = [];
  const fetch = (url, options) => {
    routes.push(`${options.method} ${url.slice(baseUrl.length)}`);
    return globalThis.fetch(url, options);
  };
  return { routes, fetch };
}

// The machine is shared: a function that starts slowly must not look like a dead socket.
const pushTimeoutMs = 60_000;

const unique = (name) => `${name} ${Math.random().toString(36).slice(2)}`;

for (const push of [false, true]) {
  test(`with push: ${push} a job runs, and runs no second time`, async () => {
    const { routes, fetch } = recorder();
    const client = new SimmerClient({ baseUrl, token, push, pushTimeoutMs, fetch });
    const request = { ingredients: [unique("egg")], count: 2, locale: "en" };
    const bars = [];
    const transports = new Set();
    const job = client.job({
      onUpdate({ progress, transport }) {
        bars.push(progress);
        transports.add(transport);
      },
    });

    const result = await job.submit(request);

    assert.equal(result.recipes.length, 2);
    assert.deepEqual(bars, bars.toSorted((a, b) => a - b));
    const polls = routes.filter((route) => route === `GET /recipe/status/${job.id}`);
    assert.equal(polls.length === 0, push);
    assert.equal(transports.has("push"), push);
    assert.equal(transports.has("polling"), !push);

    const again = client.job();
    assert.deepEqual(await again.submit(request), result);
    assert.deepEqual([again.cached, again.id], [true, job.id]);
    assert.deepEqual(await client.job().resume(job.id), result);
  });
}

test("a fresh job is another one, and a key finds it again", async () => {
  const client = new SimmerClient({ baseUrl, token });
  const request = { ingredients: [unique("egg")], count: 1 };
  const first = client.job();
  await first.submit(request);

  const fresh = client.job();
  const same = client.job();
  const idempotencyKey = unique("key").replace(" ", "-");
  await fresh.submit(request, { fresh: true, idempotencyKey });
  await same.submit(request, { fresh: true, idempotencyKey });

  assert.notEqual(fresh.id, first.id);
  assert.equal(same.id, fresh.id);
});

test("what is refused has the API's code", async () => {
  const mine = new SimmerClient({ baseUrl, token });
  const job = mine.job();
  await job.submit({ ingredients: [unique("egg")], count: 1 });
  const refusals = [
    [mine.job().submit({ ingredients: [] }), 422, "invalid_request"],
    [mine.job().resume("0".repeat(32)), 404, "job_not_found"],
    [new SimmerClient({ baseUrl, token: otherToken }).job().resume(job.id), 404, "job_not_found"],
    [new SimmerClient({ baseUrl, token, task: "poem" }).job().submit({}), 404, "unknown_task"],
    [new SimmerClient({ baseUrl, token: "nonsense" }).job().resume(job.id), 401, "unauthorized"],
  ];
  for (const [promise, status, code] of refusals) {
    await assert.rejects(promise, { status, code });
  }
});

test("an expired token is renewed in mid-job", async () => {
  const renewals = [];
  const client = new SimmerClient({
    baseUrl,
    token({ renew }) {
      renewals.push(renew);
      return renew ? token : "expired";
    },
  });

  await client.job().submit({ ingredients: [unique("egg")], count: 1 });

  assert.ok(renewals.includes(true));
});

test("a job is cancelled", async () => {
  const client = new SimmerClient({ baseUrl, token });
  const job = client.job();
  const result = job.submit({ ingredients: [unique(`egg from ${slowFarm}`)] });

  assert.equal(await job.cancel(), "cancelled");

  await assert.rejects(result, { code: "cancelled" });
  await assert.rejects(client.job().resume(job.id), { code: "cancelled" });
});
