/** Many jobs at once: standard input has a line of JSON `{token, body}` for each, SIMMER_URL the API; prints how each ended. */

import { createInterface } from "node:readline";

import { SimmerClient } from "../simmer.js";

const AT_ONCE = 8;
const TAPS = 5; // a user whose request got no answer sends it again

async function follow({ token, body }, taps = TAPS) {
  const client = new SimmerClient({ baseUrl: process.env.SIMMER_URL, token: ({ renew }) => (renew ? undefined : token) });
  let ends = 0;
  const job = client.job({ onUpdate: ({ state }) => (ends += ["completed", "failed", "cancelled"].includes(state)) });
  const end = await job.submit(body).then(
    (result) => ({ result }),
    ({ name, code, message }) => ({ code: code ?? name, message }),
  );
  if (job.id === undefined && taps > 1) return follow({ token, body }, taps - 1);
  console.log(JSON.stringify({ name: body.ingredients[0], jobId: job.id, ends, ...end }));
}

const waiting = [];
for await (const line of createInterface({ input: process.stdin })) waiting.push(JSON.parse(line));
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    while (waiting.length > 0) await follow(waiting.shift());
  }),
);
