// The bar of a job under way: it goes on between two answers, as the server says or estimates.

import { byId } from "./dom.js";
import { texts } from "./texts.js";

const AHEAD_EVERY_MS = 5000; // over push this often an update comes, or was ahead of the last frame
const LATE_MS = 1000;

let way; // percent {from, to}, and {since, until} in ms of performance.now()
let endsAt; // by the server's estimate, in ms of performance.now()
let startedAt; // of the job, in ms of Date.now(), where it is known
let isMeasured = false; // whether the server's estimate is more than a guess

export function startBar({ at }) {
  way = standing(0);
  endsAt = undefined;
  startedAt = at;
  isMeasured = false;
}

const standing = (percent) => ({ from: percent, to: percent, since: -Infinity, until: -Infinity });

/** Let the bar go on from what the server said. */
export function heed({ progress, estimatedSecondsRemaining: seconds, estimateIsMeasured, transport }) {
  isMeasured = estimateIsMeasured;
  const since = performance.now();
  endsAt = seconds > 0 ? since + seconds * 1000 : undefined;
  way = transport === "push" ? glide(progress, since) : guess(progress, since);
}

/** Over push the bar takes the time until the next update. Who was away sees at once where it stands. */
function glide(progress, since) {
  const to = Math.max(progress, drawn());
  const isLate = since - way.since > AHEAD_EVERY_MS + LATE_MS;
  return { from: isLate ? to : drawn(), to, since, until: since + AHEAD_EVERY_MS };
}

/** Where it is polled, the server's next word may be ten seconds off. */
function guess(progress, since) {
  const from = Math.max(progress, drawn());
  if (progress < 10 || !endsAt) return standing(from); // it waits for its turn, or nobody knows
  // The estimate is a median, and the bar up to 95 a share of jobs: when it has passed, half of those
  // now open are done, and the server's bar is half-way to 95.
  return { from, to: Math.max(from, (progress + 95) / 2), since, until: endsAt };
}

/** In percent. It never goes back, and stands where its way ends. */
function drawn() {
  const { from, to, since, until } = way;
  const now = performance.now();
  return now < until ? from + ((to - from) * (now - since)) / (until - since) : to;
}

/** The job is done. */
export function fillBar() {
  way = standing(100);
  endsAt = undefined;
  startedAt = undefined;
  showBar();
}

export function showBar() {
  const width = drawn();
  const percent = Math.floor(width);
  byId("bar").ariaValueNow = `${percent}`;
  byId("bar").firstElementChild.style.width = `${width}%`;
  byId("percent").textContent = `${percent}%`;
  document.title = `${percent}% · Simmer`;
  byId("remaining").textContent = left() ?? elapsed() ?? "";
}

function left() {
  if (!endsAt || !isMeasured) return undefined;
  return texts().remaining(Math.max(1, Math.round((endsAt - performance.now()) / 1000)));
}

/** Where nothing is known of what is to come, what has been is. */
function elapsed() {
  const seconds = Math.floor((Date.now() - startedAt) / 1000);
  return seconds >= 1 ? texts().elapsed(seconds) : undefined;
}
