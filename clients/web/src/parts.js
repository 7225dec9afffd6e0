import { isText } from "./answers.js";
import { isoMs } from "./patience.js";

// --- An answer in parts ----------------------------------------------------------------------

/**
 * What is known of the parts of one run: the titles of all (the outline, in the order of the result)
 * and those parts that are there. It only grows: a late document takes nothing away.
 */
export class Parts {
  /** `{title, state}` of each, "waiting" or "ready"; undefined until it is known. */
  outline = undefined;
  #values = new Map(); // by position
  #listName;
  #runAt = NaN; // when the run began, in ms
  #handed = new Set(); // positions

  /** Take over what a status document says. */
  heed(document) {
    const { createdAt, status } = document;
    const runAt = isoMs(createdAt);
    if (runAt < this.#runAt) return; // of an earlier run
    if (runAt > this.#runAt) this.#begin();
    if (!Number.isNaN(runAt)) this.#runAt = runAt;
    const outline = outlineOf(document.outline);
    if (outline && hasSameTitles(outline, this.outline ?? outline)) {
      const ready = outline.flatMap(({ state }, at) => (state === "ready" ? [at] : []));
      const [name, values] = listOf(document.partialResult, ready.length);
      this.#listName ??= name;
      if (name === this.#listName) values.forEach((value, n) => this.#keep(ready[n], value));
      this.#show(outline.map((entry, at) => (this.outline?.[at].state === "ready" ? this.outline[at] : entry)));
    }
    if (status === "completed") {
      this.#show(this.outline?.map(({ title }) => ({ title, state: "ready" })));
      const [, values] = listOf(document.result, this.outline?.length ?? 0);
      this.#values = new Map(values.entries());
      this.#listName = undefined; // there is the result
    }
    if (status === "cancelled") this.#listName = undefined; // nobody wants them
  }

  /** Of the result's own type, with the parts that are there; undefined without one. */
  get partialResult() {
    if (this.#listName === undefined) return undefined;
    return { [this.#listName]: this.#sorted().map(([, value]) => value) };
  }

  /** Whether a part is ready that was not seen: it was too large for a frame. */
  get lacksSome() {
    return (this.outline ?? []).some(({ state }, at) => state === "ready" && !this.#values.has(at));
  }

  /** `{position, title, value}` of each part that was not given before. */
  *unhanded() {
    for (const [position, value] of this.#sorted()) {
      if (this.#handed.has(position)) continue;
      this.#handed.add(position);
      yield { position, title: this.outline[position].title, value };
    }
  }

  /** A part that was shown never changes. */
  #keep(position, value) {
    if (!this.#values.has(position)) this.#values.set(position, value);
  }

  #begin() {
    this.outline = undefined;
    this.#values.clear();
    this.#listName = undefined;
    this.#handed.clear();
  }

  /** A new list only where something is new, for those who compare. */
  #show(outline) {
    const isSame = outline?.every(({ state }, at) => this.outline?.[at].state === state) ?? true;
    if (!isSame) this.outline = outline;
  }

  #sorted() {
    return [...this.#values].sort(([one], [other]) => one - other);
  }
}

const hasSameTitles = (one, other) =>
  one.length === other.length && one.every(({ title }, at) => title === other[at].title);

/** Undefined for what is none: what is half right cannot be placed. */
function outlineOf(value) {
  const isEntry = (each) => isText(each?.title) && ["waiting", "ready"].includes(each.state);
  if (!Array.isArray(value) || value.length === 0 || !value.every(isEntry)) return undefined;
  return value.map(({ title, state }) => ({ title, state }));
}

/** The name and the elements of the one list of that length; none if there is no such one. */
function listOf(result, count) {
  const isObject = typeof result === "object" && result !== null && !Array.isArray(result);
  const members = isObject && count > 0 ? Object.entries(result) : [];
  const lists = members.filter(([, value]) => Array.isArray(value) && value.length === count);
  return lists.length === 1 ? lists[0] : [undefined, []];
}
