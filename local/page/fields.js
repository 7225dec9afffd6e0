// A form's fields, one for each schema. A field is
//   {node, read(faults), write(value), find(path), complain(message), rename(label), focus()}
// `read` gives the value, or undefined for none, and pushes `[field, message]` of what is wrong;
// `find` gives `{field, rest}`, the deepest field on a path like ["lines", "0", "price"].

import { chips } from "./chips.js";
import { listField, mappingField, objectField, optionalField, tupleField, unionField } from "./groups.js";
import { element, freshId } from "./dom.js";
import { shapeOf, words } from "./schema.js";
import { texts } from "./texts.js";

const DEEPEST = 6; // a model that holds itself must end somewhere: from there on it is JSON
const LONGEST_CHIP = 80;
const MOST_SEGMENTS = 4;
const WIDEST_SEGMENTS = 26; // characters

/** `context`: {root, label, hint, isRequired, isBare, depth}; a bare field has no frame of its own. */
export function fieldOf(schema, context) {
  const shape = shapeOf(schema, context.root);
  const inner = {
    hint: shape.schema.description && !isModel(shape) ? shape.schema.description : "",
    ...context,
    depth: (context.depth ?? 0) + 1,
    fallback: shape.schema.default ?? undefined,
  };
  if (inner.depth > DEEPEST) return jsonField(inner);
  switch (shape.kind) {
    case "const":
      return constField(shape, inner);
    case "choice":
      return choiceField(shape.values.map((value) => ({ value, label: words(value) })), inner);
    case "boolean":
      if (inner.isRequired || inner.fallback !== undefined) return checkField(inner);
      return choiceField([true, false].map((value) => ({ value, label: texts().yesNo(value) })), inner);
    case "number":
      return numberField(shape, inner);
    case "decimal":
      return textField({ ...shape, isDecimal: true }, inner);
    case "text":
      return textField(shape, inner);
    case "list":
      return listOf(shape, inner);
    case "tuple":
      return optionalUnlessRequired(tupleField, shape, inner);
    case "object":
      return optionalUnlessRequired(objectField, shape, inner);
    case "mapping":
      return mappingField(shape, inner);
    case "union":
      return unionField(shape, inner);
    default:
      return jsonField(inner);
  }
}

const isModel = ({ kind }) => kind === "object";

const optionalUnlessRequired = (make, shape, context) =>
  context.isRequired || context.isBare ? make(shape, context) : optionalField(() => make(shape, context), context);

function listOf(shape, context) {
  const items = shapeOf(shape.items, context.root);
  if (items.kind === "choice") return togglesField(items.values, shape, context);
  const isShort = items.kind === "text" && !items.format && items.schema.maxLength <= LONGEST_CHIP;
  return isShort ? chipsField(items.schema, shape, context) : listField(shape, context);
}

/** A label, a control, a hint and a place for what is wrong with it. */
export function framed(context, control, { isGroup = false } = {}) {
  const id = control.id || freshId();
  const error = element("p", { className: "error", id: `${id}-error`, role: "alert" });
  const hint = element("p", { className: "hint", id: `${id}-hint` }, context.hint ?? "");
  hint.hidden = !context.hint;
  const name = element("span", {}, context.label ?? "");
  const isOptional = !context.isRequired && !context.isItem;
  const optional = isOptional ? [" ", element("span", { className: "optional" }, texts().optional)] : [];
  const title = element(isGroup ? "legend" : "label", isGroup ? {} : { htmlFor: id }, name, ...optional);
  title.classList.toggle("unseen", context.isItem === true);
  const node = element(isGroup ? "fieldset" : "div", { className: "field" }, title, control, hint, error);
  const described = isGroup ? node : control;
  described.setAttribute("aria-describedby", `${id}-hint ${id}-error`);
  return {
    node,
    find: (path) => ({ field: undefined, rest: path }),
    complain(message) {
      error.textContent = message;
      described.ariaInvalid = message && !isGroup ? "true" : null;
    },
    rename: (label) => (name.textContent = label),
    focus: () => (isGroup ? (node.querySelector("input, select, textarea, button") ?? node) : control).focus(),
  };
}

const finished = (field) => ({ ...field, find: (path) => ({ field, rest: path }) });

function constField({ value }) {
  const field = {
    node: element("span", { hidden: true }),
    read: () => value,
    write() {},
    complain() {},
    rename() {},
    focus() {},
  };
  return finished(field);
}

/** Radios where they fit side by side, else a select. */
function choiceField(options, context) {
  // With a default, there is nothing to be left out.
  const isSet = context.isRequired || context.fallback !== undefined;
  const all = isSet ? options : [{ value: undefined, label: texts().unset }, ...options];
  const width = all.reduce((sum, { label }) => sum + label.length + 3, 0);
  const areSegments = all.length <= MOST_SEGMENTS && width <= WIDEST_SEGMENTS;
  const id = freshId();
  let control;
  if (areSegments) {
    control = element(
      "div",
      { className: "segments" },
      ...all.map(({ label }, at) =>
        element("label", {}, element("input", { type: "radio", name: id, value: at }), element("span", {}, label)),
      ),
    );
  } else {
    control = element("select", { id }, ...all.map(({ label }, at) => element("option", { value: at }, label)));
  }
  const chosen = () => (areSegments ? control.querySelector(":checked")?.value : control.value);
  const field = {
    ...framed({ ...context, isRequired: isSet }, control, { isGroup: areSegments }),
    read(faults) {
      const value = all[chosen()]?.value;
      if (value === undefined && context.isRequired) faults.push([field, texts().needed]);
      return value;
    },
    write(given) {
      const value = given ?? context.fallback;
      const at = all.findIndex((each) => each.value === value);
      if (areSegments) for (const radio of control.querySelectorAll("input")) radio.checked = radio.value === `${at}`;
      else control.value = at < 0 ? "" : `${at}`;
    },
  };
  field.write();
  return finished(field);
}

/** Some of a few: a list of what can be chosen. */
function togglesField(values, { schema }, context) {
  const control = element(
    "div",
    { className: "toggles" },
    ...values.map((value, at) =>
      element("label", {}, element("input", { type: "checkbox", value: at }), element("span", {}, words(value))),
    ),
  );
  const boxes = [...control.querySelectorAll("input")];
  const field = {
    ...framed(context, control, { isGroup: true }),
    read(faults) {
      const chosen = values.filter((_, at) => boxes[at].checked);
      return checkedList(chosen, schema, context, field, faults);
    },
    write(given) {
      const chosen = given ?? context.fallback ?? [];
      for (const [at, box] of boxes.entries()) box.checked = chosen.includes(values[at]);
    },
  };
  return finished(field);
}

function chipsField(items, { schema }, context) {
  const list = chips({
    label: () => context.label,
    isOptional: !context.isRequired,
    most: schema.maxItems,
    longest: items.maxLength,
    shortest: items.minLength,
    isSame: schema.uniqueItems ? undefined : () => false,
  });
  const field = {
    node: list.node,
    read(faults) {
      if (!list.take()) faults.push([{ ...field, complain() {} }, ""]); // it has said what is wrong
      return checkedList(list.names(), schema, context, field, faults);
    },
    write: (given) => list.set(given ?? context.fallback ?? []),
    complain: list.complain,
    rename() {},
    focus: list.focus,
  };
  return finished(field);
}

/** A list within its bounds; empty and optional, it is left out. */
export function checkedList(list, { minItems = 0, maxItems = Infinity }, context, field, faults) {
  if (!list.length && !context.isRequired) return undefined;
  if (list.length < minItems) faults.push([field, texts().tooFew(minItems)]);
  if (list.length > maxItems) faults.push([field, texts().tooMany(maxItems)]);
  return list;
}

function checkField(context) {
  const box = element("input", { type: "checkbox", id: freshId() });
  const error = element("p", { className: "error", role: "alert" });
  const name = element("span", {}, context.label);
  const hint = element("p", { className: "hint", hidden: !context.hint }, context.hint ?? "");
  const node = element("div", { className: "field" }, element("label", { className: "check" }, box, " ", name), hint, error);
  const field = {
    node,
    read: () => box.checked,
    write: (given) => (box.checked = given ?? context.fallback ?? false),
    complain: (message) => (error.textContent = message),
    rename: (label) => (name.textContent = label),
    focus: () => box.focus(),
  };
  field.write();
  return finished(field);
}

function numberField({ schema, isInteger }, context) {
  const least = schema.minimum ?? (isInteger ? plus(schema.exclusiveMinimum, 1) : undefined);
  const most = schema.maximum ?? (isInteger ? plus(schema.exclusiveMaximum, -1) : undefined);
  const input = element("input", {
    id: freshId(),
    type: "number",
    min: least ?? "",
    max: most ?? "",
    step: schema.multipleOf ?? (isInteger ? 1 : "any"),
    inputMode: isInteger && least >= 0 ? "numeric" : "decimal",
  });
  const bounds = texts().bounds({
    least,
    most,
    above: isInteger ? undefined : schema.exclusiveMinimum,
    below: isInteger ? undefined : schema.exclusiveMaximum,
  });
  const hint = [context.hint, bounds].filter(Boolean).join(" ");
  const field = {
    ...framed({ ...context, hint }, input),
    read(faults) {
      const value = input.valueAsNumber;
      const fault = problem(value);
      if (fault) faults.push([field, fault]);
      return Number.isNaN(value) ? undefined : value;
    },
    write: (given) => (input.value = given ?? context.fallback ?? ""),
  };
  function problem(value) {
    if (input.validity.badInput) return texts().notANumber;
    if (Number.isNaN(value)) return context.isRequired ? texts().needed : "";
    if (isInteger && !Number.isInteger(value)) return texts().notWhole;
    const isOut =
      value < least || value > most || value <= schema.exclusiveMinimum || value >= schema.exclusiveMaximum;
    return isOut ? bounds : "";
  }
  field.write();
  return finished(field);
}

const plus = (number, step) => (number === undefined ? undefined : number + step);

const INPUT_TYPES = { date: "date", time: "time", "date-time": "datetime-local", email: "email", uri: "url" };

function textField({ schema = {}, format, isLong, isDecimal }, context) {
  const type = INPUT_TYPES[format] ?? "text";
  const input = element(isLong ? "textarea" : "input", { id: freshId() });
  if (isLong) input.rows = schema.maxLength ? 3 : 1;
  else Object.assign(input, { type, autocomplete: "off", step: type === "time" ? 1 : "" });
  if (isDecimal) input.inputMode = "decimal";
  let original; // a moment as it was given: the control knows no zones
  let shown = "";
  const field = {
    ...framed(context, input),
    read(faults) {
      const text = isLong ? input.value : input.value.trim();
      const length = [...text].length;
      if (!text) {
        const isMissing = context.isRequired || input.validity.badInput;
        if (isMissing) faults.push([field, texts().needed]);
        return undefined;
      }
      if (length > schema.maxLength) faults.push([field, texts().tooLong(schema.maxLength)]);
      if (length < schema.minLength) faults.push([field, texts().tooShort(schema.minLength)]);
      if (isDecimal && Number.isNaN(Number(text))) faults.push([field, texts().notANumber]);
      if (type !== "datetime-local") return text;
      return text === shown && original ? original : new Date(text).toISOString();
    },
    write(given) {
      original = given ?? context.fallback ?? "";
      input.value = type === "datetime-local" && original ? localMoment(original) : original;
      shown = input.value;
    },
  };
  field.write();
  return finished(field);
}

function localMoment(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return "";
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** Whatever there is no control for. */
function jsonField(context) {
  const input = element("textarea", { id: freshId(), rows: 2, spellcheck: false, className: "json" });
  const field = {
    ...framed({ ...context, hint: context.hint || texts().asJson }, input),
    read(faults) {
      const text = input.value.trim();
      if (!text && context.isRequired) faults.push([field, texts().needed]);
      if (!text) return undefined;
      try {
        return JSON.parse(text);
      } catch {
        faults.push([field, texts().notJson]);
        return undefined;
      }
    },
    write(given) {
      const value = given ?? context.fallback;
      input.value = value === undefined ? "" : JSON.stringify(value, null, 2);
    },
  };
  field.write();
  return finished(field);
}
