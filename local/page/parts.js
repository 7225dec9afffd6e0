// An answer in parts, under way or failed: a card for each title, filled in its place when its part is there.

import { announce, byId, element } from "./dom.js";
import { texts } from "./texts.js";

const LINES = 3; // of a card that waits

let shown = []; // {title, value, node}: what the outline says, in its order

/** A card for each title. Those that stand there stay: only what is new is drawn. */
export function showOutline(outline = []) {
  const isSame = outline.length === shown.length && outline.every(({ title }, at) => shown[at].title === title);
  if (isSame) return;
  shown = outline.map(({ title }) => ({ title, node: waiting(title) }));
  byId("parts").replaceChildren(...shown.map(({ node }) => node));
  announce(texts().outline(outline.map(({ title }) => title)));
}

/** `{position, title, value}` is there: its card takes the place of the one that waited. */
export function fillPart({ position, title, value }, view) {
  const part = shown[position];
  if (!part || part.value !== undefined) return;
  part.value = value;
  draw(part, view);
  announce(texts().partReady(title));
}

/** Where the parts belong: under a job, and under what became of one, which has the good ones. */
export function placeParts(screen, language = "") {
  byId("parts").hidden = screen !== "job" && screen !== "outcome";
  byId("parts").classList.toggle("over", screen === "outcome");
  byId("parts").lang = language;
}

/** In another language. */
export function renderParts(view) {
  for (const part of shown) draw(part, view);
}

export function clearParts() {
  shown = [];
  byId("parts").replaceChildren();
}

/** Whether parts are to be seen: only the good ones, once the job has ended. */
export const hasParts = () => shown.some(({ value }) => value !== undefined);

/** The cards of a whole answer: those that were seen stay the very same, so that a reader's place does. */
export function settled(cards) {
  return cards.length === shown.length ? cards.map((card, at) => filledAt(at) ?? card) : cards;
}

/** Whoever reads a card goes on reading where it was, although what stands above it changes. */
export function keepingPlace(change) {
  const topOf = (node) => node.getBoundingClientRect().top;
  const reading = [...byId("parts").children].find((card) => card.getBoundingClientRect().bottom > 0);
  const before = reading && topOf(reading);
  change();
  if (reading?.isConnected) window.scrollBy(0, topOf(reading) - before);
}

const filledAt = (at) => (shown[at].value === undefined ? undefined : shown[at].node);

function draw(part, view) {
  const node = part.value === undefined ? waiting(part.title) : view.part(part.value, part.title);
  if (part.value !== undefined && !node.querySelector("h3")) node.prepend(element("h3", {}, part.title));
  node.classList.add("slot");
  part.node.replaceWith(node);
  part.node = node;
}

function waiting(title) {
  const lines = Array.from({ length: LINES }, () => element("div", { className: "line" }));
  return element(
    "article",
    { className: "card slot waiting", ariaBusy: "true" },
    element("h3", {}, title),
    element("p", { className: "unseen" }, texts().partWaiting),
    element("div", { className: "lines", ariaHidden: "true" }, ...lines),
  );
}
