// A job's story as a timeline: queued, asked, rejected because, asked again, stored. Only `make run`
// tells it (`/dev/trace/{jobId}`); without it there is no timeline.

import { byId, element } from "./dom.js";
import { texts } from "./texts.js";

const EVERY_MS = 1000;
const LATE_LOOKS = 3; // log lines come a little after what they tell of
const MOST_LATEST = 4;

const GOOD = ["stored", "cached"];
const WRONG = ["failed", "rejected", "lost"];

let told = []; // events, with their names in lower case and without underscores
let timer;
let round = 0; // of `followTrace`: an answer to an earlier one is not shown
let onChange = () => {};

/** Show the story of a job until it `isOver()`; `changed()` is called with every new event. */
export function followTrace(jobId, isOver, changed) {
  forgetTrace();
  onChange = changed;
  const mine = round;
  let looksLeft = LATE_LOOKS;
  const look = async () => {
    const events = document.hidden ? told : await read(jobId);
    if (mine !== round) return;
    if (!events) return; // nobody tells stories here
    const isNew = events.length !== told.length;
    told = events;
    if (isNew) renderTrace();
    if (isNew) onChange();
    if (isOver()) looksLeft = isEnd(events.at(-1)) ? 0 : looksLeft - 1;
    if (looksLeft > 0) timer = setTimeout(look, EVERY_MS);
  };
  look();
}

export function forgetTrace() {
  clearTimeout(timer);
  round += 1;
  told = [];
  onChange = () => {};
  renderTrace();
}

async function read(jobId) {
  try {
    const answer = await fetch(`/dev/trace/${encodeURIComponent(jobId)}`, { cache: "no-store" });
    if (!answer.ok) return undefined;
    const events = await answer.json();
    return Array.isArray(events) ? lastRun(events.map(plain)) : undefined;
  } catch {
    return told; // perhaps the next time
  }
}

const plain = (event) =>
  Object.fromEntries(Object.entries(event).map(([name, value]) => [name.toLowerCase().replaceAll("_", ""), value]));

/** A job that failed may be admitted again, under its id. */
const lastRun = (events) => events.slice(Math.max(0, events.findLastIndex(({ event }) => event === "job admitted")));

const isEnd = (event) => /stored|failed|cancelled|cached/.test(event?.event ?? "");
const has = (event, words) => words.some((word) => event.event?.includes(word));

/** `{seconds, costMicrousd, tokens}`, each undefined where it is not known. */
export function traceFacts() {
  const calls = told.filter(({ event }) => event === "model call");
  const sum = (name) => {
    const known = calls.map((each) => each[name]).filter((each) => typeof each === "number");
    return known.length ? known.reduce((all, each) => all + each) : undefined;
  };
  const input = sum("inputtokens");
  const output = sum("outputtokens");
  const [first, end] = [told[0], told.at(-1)];
  const isWhole = first?.event === "job admitted" && isEnd(end);
  const seconds = isWhole ? (Date.parse(end.at) - Date.parse(first.at)) / 1000 : undefined;
  return {
    seconds: Number.isFinite(seconds) ? Math.max(0, seconds) : undefined,
    costMicrousd: sum("costmicrousd"),
    tokens: input === undefined && output === undefined ? undefined : (input ?? 0) + (output ?? 0),
  };
}

/** Draw it in the drawer, and its latest lines where one waits. */
export function renderTrace() {
  byId("trace").hidden = told.length === 0;
  const start = Date.parse(told[0]?.at);
  byId("story").replaceChildren(...told.map((event) => line(event, start)));
  byId("latest").replaceChildren(...told.slice(-MOST_LATEST).map((event) => line(event, start)));
}

function line(event, start) {
  const item = element("li", {});
  item.classList.toggle("good", has(event, GOOD));
  item.classList.toggle("wrong", has(event, WRONG));
  const title = [texts().events[event.event] ?? event.event, event.model].filter(Boolean).join(" · ");
  const after = (Date.parse(event.at) - start) / 1000;
  item.append(
    element("span", { className: "when" }, Number.isFinite(after) ? `+${after.toFixed(1)} s` : ""),
    element("div", { className: "what" }, element("b", {}, title), ...details(event)),
  );
  return item;
}

function details(event) {
  const { ending, seconds, queueseconds, delayseconds, inputtokens, outputtokens, costmicrousd, code } = event;
  const facts = [
    seconds !== undefined && texts().seconds(seconds),
    queueseconds !== undefined && texts().waited(queueseconds),
    delayseconds !== undefined && texts().againIn(delayseconds),
    (inputtokens !== undefined || outputtokens !== undefined) && texts().tokens(inputtokens ?? 0, outputtokens ?? 0),
    typeof costmicrousd === "number" && dollars(costmicrousd),
    ending,
    code,
  ].filter((each) => each || each === 0);
  const why = [event.because, event.complaints, event.kinds].find(Array.isArray) ?? [];
  return [
    ...(facts.length ? [element("span", { className: "facts-line" }, facts.join(" · "))] : []),
    ...(why.length ? [element("ul", {}, ...why.map((each) => element("li", {}, `${each}`)))] : []),
  ];
}

/** Millionths of a dollar, in dollars, with two digits that say something. */
export function dollars(micro) {
  const usd = micro / 1e6;
  if (usd === 0) return "$0";
  return `$${usd >= 1 ? usd.toFixed(2) : Number(usd.toPrecision(2)).toFixed(Math.max(2, 1 - Math.floor(Math.log10(usd))))}`;
}
