// How a task looks: its form, what was asked in one line, its result. A task has this view, made from
// its schemas, or one of its own.

import { byId, element } from "./dom.js";
import { objectField } from "./groups.js";
import { recipeView } from "./recipe.js";
import { resultText, resultView, scalar } from "./result.js";
import { labelOf, shapeOf, words } from "./schema.js";
import { texts } from "./texts.js";

const OWN = { recipe: recipeView };
const LONGEST_SUMMARY = 160; // characters

/** Whether the page has a view made for this task. */
export const hasOwnView = ({ name }) => name in OWN;

/** The view of a task as `/dev/tasks` describes it; made once, so that a form keeps what was typed. */
const known = new Map();
export function viewOf(task) {
  if (!known.has(task.name)) known.set(task.name, (OWN[task.name] ?? schemaView)(task));
  return known.get(task.name);
}

/** What the page says of a task: a view's own words over the generic ones. */
export const wordsOf = (view) => ({ ...texts(), ...view.words?.() });

function schemaView(task) {
  const { request: schema, result, example } = task;
  const shape = shapeOf(schema, schema);
  const title = words(task.name);
  let form;

  function render() {
    const draft = form ? form.read([]) : example;
    form = objectField(shape, { root: schema, depth: 0, isBare: true }, ["locale"]);
    form.write(draft);
    node.replaceChildren(form.node);
  }
  const node = element("div");

  return {
    node,
    render,
    words: () => ({ title, formTitle: title }),
    fill: (request) => form.write(request),
    /** The request, or undefined when it has said what is wrong with it. */
    read() {
      const faults = [];
      clear();
      const request = form.read(faults);
      for (const [field, message] of faults) if (message) field.complain(message);
      faults[0]?.[0].focus();
      return faults.length ? undefined : request;
    },
    /** Show the complaints of a 422 where they belong; returns those that belong nowhere. */
    complain(errors) {
      clear();
      const placed = errors.map(({ field, message }) => ({ ...form.find(path(field)), message, path: field }));
      const here = placed.filter((each) => each.field !== form);
      for (const each of here) each.field.complain(sentence(each.rest, each.message));
      here[0]?.field.focus();
      return placed.filter((each) => each.field === form).map((each) => ({ field: each.path, message: each.message }));
    },
    focus: () => byId("form-title").focus({ preventScroll: true }),
    wanted: (request) => summary(request, shape, schema),
    found: () => title,
    result: (value) => [resultView(value, result)],
    part: (value) => resultView(value, partOf(result), result),
    text: (value) => resultText(value, result),
  };

  function clear() {
    for (const each of node.querySelectorAll(".error")) each.textContent = "";
    for (const each of node.querySelectorAll("[aria-invalid]")) each.removeAttribute("aria-invalid");
  }
}

/** What the list of a result is made of. */
function partOf(result) {
  const members = Object.values(shapeOf(result, result).properties ?? {});
  return members.map((each) => shapeOf(each, result)).find(({ kind }) => kind === "list")?.items ?? {};
}

const path = (field) => (field ? field.split(".") : []);
const sentence = (rest, message) => (rest.length ? `${rest.join(".")}: ${message}` : message);

/** What was asked, shortly: the values in their order. */
function summary(request, { properties }, root) {
  const said = Object.entries(request)
    .filter(([name]) => name !== "locale" && properties[name])
    .map(([name, value]) => brief(value, labelOf(name, properties[name]), shapeOf(properties[name], root), root));
  const text = said.filter(Boolean).join(" · ").replace(/\s+/g, " ");
  return text.length > LONGEST_SUMMARY ? `${text.slice(0, LONGEST_SUMMARY)}…` : text;
}

function brief(value, label, shape, root) {
  if (typeof value === "string") return scalar(value, shape);
  if (typeof value === "boolean") return value ? label : "";
  if (typeof value === "number") return `${label} ${value}`;
  if (!Array.isArray(value)) {
    const fields = Object.entries(value).filter(([, each]) => isScalar(each));
    const said = fields.map(([name, each]) => {
      const schema = shape.properties?.[name]; // a mapping's key has none
      return brief(each, schema ? labelOf(name, schema) : name, schema ? shapeOf(schema, root) : {}, root);
    });
    return said.filter(Boolean).join(", ");
  }
  return value.every(isScalar) ? value.join(", ") : `${label} ${value.length}`;
}

const isScalar = (value) => typeof value !== "object";
