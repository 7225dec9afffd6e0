// The ends of jobs, as the webhook told this machine's receiver, which has verified each. Only `make
// run` has a receiver (`/dev/webhook`); without it there is no list.

import { user } from "./api.js";
import { byId, element } from "./dom.js";
import { texts, uiLanguage, uiLocale } from "./texts.js";

const EVERY_MS = 2000;
const MOST_EVENTS = 30;

let shown; // what the list was drawn from: a list that is drawn anew would lose a reader's place

/** The user's events, newest first; undefined where nobody receives them. */
async function read(name) {
  try {
    const answer = await fetch(`/dev/webhook?user=${encodeURIComponent(name)}`, { cache: "no-store" });
    return answer.ok ? await answer.json() : undefined;
  } catch {
    return []; // out of reach: perhaps the next time
  }
}

function render(events) {
  byId("received").hidden = events.length === 0;
  byId("received-count").textContent = events.length ? `${events.length}` : "";
  byId("received-list").replaceChildren(...events.slice(0, MOST_EVENTS).map(row));
}

function row({ at, type, verified, data }) {
  const time = new Date(at).toLocaleTimeString(uiLocale(), { timeStyle: "medium" });
  const state = element("span", { className: `state ${data.status}` }, texts().states[data.status] ?? data.status);
  return element(
    "li",
    {},
    element("span", { className: "top" }, element("b", {}, type), state),
    element("code", {}, data.jobId),
    element("span", { className: "facts-line" }, [time, verified && texts().verified].filter(Boolean).join(" · ")),
  );
}

async function look() {
  const name = user();
  const events = document.hidden ? undefined : await read(name);
  if (!document.hidden && !Array.isArray(events)) return; // nobody receives here
  const drawn = JSON.stringify([uiLanguage(), name, events]);
  if (events && name === user() && drawn !== shown) {
    shown = drawn;
    render(events);
  }
  setTimeout(look, EVERY_MS);
}

look();
