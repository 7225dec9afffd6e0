// The bar of a job under way: it goes on between two answers, as the server estimates.

import { byId } from "./dom.js";
import { texts } from "./texts.js";

let way = { from: 0 }; // percent {from, to}, and {since, until} in ms of performance.now()
let startedAt; // of the job, in ms of Date.now(), where it is known
let isMeasured = false; // whether the server's estimate is more than a guess

export function startBar({ at }) {
  way = { from: 0 };
  startedAt = at;
  isMeasured = false;
}

/** Let the bar go on from what the server said: its next word may be ten seconds off. */
export function heed({ progress, estimatedSecondsRemaining: seconds, estimateIsMeasured }) {
  isMeasured = estimateIsMeasured;
  const since = performance.now();
  const from = Math.max(progress, drawn());
  // The estimate is a median, and the bar up to 95 a share of jobs: when it has passed, half of those
  // now open are done, and the server's bar is half-way to 95. Under 10 the job waits for its turn.
  const to = progress < 10 ? from : Math.max(from, (progress + 95) / 2);
  way = { from, to, since, until: seconds > 0 ? since + seconds * 1000 : undefined };
}

/** In percent. It never goes back, and stands where the estimate ends. */
function drawn() {
  const { from, to, since, until } = way;
  if (!until) return from;
  return from + (to - from) * Math.min(1, (performance.now() - since) / (until - since));
}

/** The job is done. */
export function fillBar() {
  way = { from: 100 };
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
  if (!way.until || !isMeasured) return undefined;
  return texts().remaining(Math.max(1, Math.round((way.until - performance.now()) / 1000)));
}

/** Where nothing is known of what is to come, what has been is. */
function elapsed() {
  const seconds = Math.floor((Date.now() - startedAt) / 1000);
  return seconds >= 1 ? texts().elapsed(seconds) : undefined;
}
