// The jobs of this session: which task, when, how each ended. Kept in the tab, and gone with it, for
// what was asked is the user's.

import { button, byId, element } from "./dom.js";
import { texts, uiLocale } from "./texts.js";
import { dollars } from "./trace.js";

const KEY = "simmer.jobs";
const MOST_JOBS = 30;

let jobs = read();

function read() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept : [];
  } catch {
    return [];
  }
}

/** `{id, task, user, request, at, state, seconds, costMicrousd}`: each as far as it is known. */
export const jobKnownAs = (id, user) => jobs.find((each) => each.id === id && each.user === user);

/** Add to what is known of a job; the newest stands first. */
export function remember(entry) {
  const before = jobKnownAs(entry.id, entry.user);
  const known = Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== undefined));
  if (before) Object.assign(before, known);
  else jobs.unshift({ at: Date.now(), ...known });
  keep();
}

/** A job of that id runs anew: it stands first again. */
export function begin(entry) {
  jobs = jobs.filter((each) => each.id !== entry.id || each.user !== entry.user);
  jobs.unshift(entry);
  keep();
}

function keep() {
  jobs.length = Math.min(jobs.length, MOST_JOBS);
  try {
    sessionStorage.setItem(KEY, JSON.stringify(jobs));
  } catch {
    // Full, or forbidden: then a reload forgets.
  }
}

/** `open(entry)` is called for the one that is clicked; `wordsFor(entry)` gives `[title, what was asked]`. */
export function renderHistory(user, open, wordsFor) {
  const mine = jobs.filter((each) => each.user === user);
  byId("history").hidden = mine.length === 0;
  byId("history-count").textContent = mine.length ? `${mine.length}` : "";
  byId("jobs").replaceChildren(
    ...mine.map((entry) => {
      const [title, asked] = wordsFor(entry);
      const state = element("span", { className: `state ${entry.state}` }, texts().states[entry.state] ?? entry.state);
      const facts = [
        new Date(entry.at).toLocaleTimeString(uiLocale(), { timeStyle: "short" }),
        entry.seconds > 0 && texts().seconds(entry.seconds),
        entry.costMicrousd > 0 && dollars(entry.costMicrousd),
      ];
      const row = button("", () => open(entry));
      row.replaceChildren(
        element("span", { className: "top" }, element("b", {}, title), state),
        element("span", { className: "asked" }, asked),
        element("span", { className: "facts-line" }, facts.filter(Boolean).join(" · ")),
      );
      return element("li", {}, row);
    }),
  );
}
