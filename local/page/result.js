// A readable view of any result, with the words of its schema. All of it is text.

import { element } from "./dom.js";
import { labelOf, optionFor, shapeOf, words } from "./schema.js";
import { texts, uiLocale } from "./texts.js";

const LONGEST_FACT = 120; // characters; what is longer is a paragraph
const MOST_COLUMNS = 6;
const HEADINGS = ["name", "title"];

/** A card of the result, or of a part of it, whose schema is within `root`. */
export function resultView(value, schema, root = schema) {
  return element("article", { className: "card result" }, ...content(value, schema, root, 3));
}

/** The same as plain text, to be copied. */
export const resultText = (value, schema) => lines(value, schema, schema, "").join("\n");

function content(value, given, root, level) {
  const shape = chosen(value, given, root);
  if (value === null || value === undefined) return [];
  if (Array.isArray(value)) return listed(value, shape, root, level);
  if (typeof value === "object") return members(entries(value, shape, root), root, level);
  return [paragraph(scalar(value, shape))];
}

/** The shape that the value has: of a union the option that fits. */
function chosen(value, given, root) {
  const shape = shapeOf(given, root);
  return shape.kind === "union" ? chosen(value, shape.options[optionFor(value, shape.options, root)], root) : shape;
}

/** `{label, value, schema}` of each member, in the order of the schema; null is absence. */
function entries(value, shape, root) {
  const properties = shape.properties ?? {};
  const names = Object.keys(value);
  const known = Object.keys(properties).filter((name) => names.includes(name));
  return [...known, ...names.filter((name) => !known.includes(name))]
    .filter((name) => value[name] !== null && value[name] !== undefined)
    .map((name) => ({
      name,
      // A mapping's keys are its writer's, not ours to word.
      label: shape.kind === "mapping" ? name : labelOf(name, properties[name]),
      value: value[name],
      schema: properties[name] ?? shape.values ?? {},
      root,
    }));
}

function members(all, root, level) {
  const heading = all.find(({ name, value }) => HEADINGS.includes(name) && isShort(value));
  const nodes = heading ? [element(`h${level}`, {}, heading.value)] : [];
  let facts;
  for (const each of all) {
    if (each === heading) continue;
    if (isScalar(each.value) && isShort(each.value)) {
      facts ??= element("dl", { className: "pairs" });
      if (!facts.parentNode && !nodes.includes(facts)) nodes.push(facts);
      const shown = scalar(each.value, chosen(each.value, each.schema, root));
      facts.append(element("div", {}, element("dt", {}, each.label), element("dd", {}, shown)));
      continue;
    }
    facts = undefined;
    const inner = content(each.value, each.schema, root, Math.min(level + 1, 6));
    const title = element(`h${Math.min(level + (heading ? 1 : 0), 6)}`, { className: "part" }, each.label);
    nodes.push(element("section", {}, title, ...(inner.length ? inner : [paragraph(texts().none)])));
  }
  return nodes;
}

function listed(values, shape, root, level) {
  const schemaAt = (at) => (shape.kind === "tuple" ? (shape.items[at] ?? {}) : (shape.items ?? {}));
  if (values.length === 0) return [];
  if (values.every(isScalar)) {
    const areChips = values.every((each) => `${each}`.length <= 40);
    const items = values.map((each, at) => element("li", {}, scalar(each, chosen(each, schemaAt(at), root))));
    return [element("ul", { className: areChips ? "names have" : "bullets" }, ...items)];
  }
  const rows = values.map((each, at) => (isObject(each) ? entries(each, chosen(each, schemaAt(at), root), root) : []));
  return [table(rows, root) ?? cards(values, schemaAt, root, level)];
}

const cards = (values, schemaAt, root, level) =>
  element(
    "ul",
    { className: "cards" },
    ...values.map((each, at) => element("li", {}, ...content(each, schemaAt(at), root, level))),
  );

/** Of things that are alike, and flat; else undefined. */
function table(rows, root) {
  const columns = new Map(rows.flat().map(({ name, label }) => [name, label]));
  const areFlat = rows.flat().every(({ value }) => isScalar(value) && isShort(value));
  const areAlike = rows.every((row) => row.length > columns.size / 2);
  if (rows.length < 2 || !areFlat || !areAlike || columns.size < 2 || columns.size > MOST_COLUMNS) return undefined;
  const cell = (row, name) => {
    const each = row.find((it) => it.name === name);
    if (!each) return element("td");
    const shape = chosen(each.value, each.schema, root);
    const isNumber = typeof each.value === "number" || shape.kind === "decimal" || /^-?\d+(\.\d+)?$/.test(each.value);
    return element("td", { className: isNumber ? "number" : "" }, scalar(each.value, shape));
  };
  const head = [...columns.values()].map((label) => element("th", { scope: "col" }, label));
  const body = rows.map((row) => element("tr", {}, ...[...columns.keys()].map((name) => cell(row, name))));
  const node = element(
    "table",
    {},
    element("thead", {}, element("tr", {}, ...head)),
    element("tbody", {}, ...body),
  );
  // Wide ones scroll by themselves, and by keyboard.
  return element("div", { className: "scroll", tabIndex: 0, role: "group", ariaLabel: texts().table }, node);
}

const paragraph = (text) => element("p", { className: "prose" }, text);
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isScalar = (value) => typeof value !== "object" || value === null;
const isShort = (value) => typeof value !== "string" || (value.length <= LONGEST_FACT && !value.includes("\n"));

/** A value in words, as its shape has them: a date as people write it. */
export function scalar(value, { kind, format }) {
  if (value === null) return texts().none;
  if (typeof value === "boolean") return texts().yesNo(value);
  if (kind === "choice" || kind === "const") return words(value);
  if (format === "date") return moment(`${value}T00:00:00Z`, { dateStyle: "medium", timeZone: "UTC" }) ?? value;
  if (format === "date-time") return moment(value, { dateStyle: "medium", timeStyle: "short" }) ?? value;
  return `${value}`;
}

function moment(text, style) {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? undefined : at.toLocaleString(uiLocale(), style);
}

function lines(value, given, root, indent) {
  const shape = chosen(value, given, root);
  const block = (label, inner, schema) =>
    isScalar(inner)
      ? [`${indent}${label}: ${scalar(inner, chosen(inner, schema, root)).replace(/\n/g, `\n${indent}  `)}`]
      : [`${indent}${label}:`, ...lines(inner, schema, root, `${indent}  `)];
  if (isObject(value)) {
    return entries(value, shape, root).flatMap((each) => block(each.label, each.value, each.schema));
  }
  if (!Array.isArray(value)) return [`${indent}${scalar(value, shape)}`];
  return value.flatMap((each, at) => {
    const schema = shape.kind === "tuple" ? shape.items[at] : shape.items;
    const inner = lines(each, schema, root, `${indent}  `);
    return [`${indent}- ${inner[0]?.trimStart() ?? ""}`, ...inner.slice(1)];
  });
}
