// Fields that hold fields: objects, lists, tuples, mappings, unions, and what may be left out.

import { button, element, freshId } from "./dom.js";
import { checkedList, fieldOf, framed } from "./fields.js";
import { labelOf, optionFor, optionLabel, shapeOf } from "./schema.js";
import { texts } from "./texts.js";

/** `skip` names properties that are no fields of this form. */
export function objectField({ schema, properties, required }, context, skip = []) {
  const fields = new Map();
  const box = element("div", { className: "members" });
  for (const [name, property] of Object.entries(properties)) {
    if (skip.includes(name)) continue;
    const { root, depth } = context;
    const label = labelOf(name, property);
    const field = fieldOf(property, { root, depth, label, isRequired: required.includes(name) });
    fields.set(name, field);
    box.append(field.node);
  }
  const frame = context.isBare ? bare(box) : framed(context, box, { isGroup: true });
  frame.node.classList.toggle("group", !context.isBare);
  const field = {
    ...frame,
    read(faults) {
      const pairs = [...fields].map(([name, each]) => [name, each.read(faults)]);
      return Object.fromEntries(pairs.filter(([, value]) => value !== undefined));
    },
    write(given) {
      const value = given ?? context.fallback ?? schema.default ?? {};
      for (const [name, each] of fields) each.write(value[name]);
    },
    find([name, ...rest]) {
      return fields.get(name)?.find(rest) ?? { field, rest: name === undefined ? [] : [name, ...rest] };
    },
  };
  return field;
}

/** Without a frame: complaints stand above it. */
function bare(box) {
  const error = element("p", { className: "error", role: "alert" });
  return {
    node: element("div", {}, error, box),
    complain: (message) => (error.textContent = message),
    rename() {},
    focus: () => (box.querySelector("input, select, textarea, button") ?? box).focus(),
  };
}

/** Made when it is wanted: so a model may hold itself. */
export function optionalField(make, context) {
  const box = element("div", { className: "optional-part" });
  const add = button(texts().addOne(context.label), () => {
    put(make());
    inner.write();
    inner.focus();
  });
  add.className = "small";
  let inner;
  const put = (made) => {
    inner = made;
    box.replaceChildren(made ? made.node : add);
    if (!made) return;
    const remove = button(texts().remove(context.label), () => {
      put(undefined);
      add.focus();
    });
    remove.className = "small";
    box.append(remove);
  };
  put(undefined);
  const field = {
    node: box,
    read: (faults) => inner?.read(faults),
    write(given) {
      const value = given ?? context.fallback;
      put(value === undefined ? undefined : make());
      inner?.write(value);
    },
    find: (path) => inner?.find(path) ?? { field, rest: path },
    complain(message) {
      if (message && !inner) put(make()); // or there is no place to say it
      inner?.complain(message);
    },
    rename() {},
    focus: () => (inner ?? add).focus(),
  };
  return field;
}

/** Rows that can be added and removed; `rows` are {node, …} as the caller makes them. */
function rowsOf(make, { max = Infinity, onChange }) {
  const rows = [];
  const list = element("ul", { className: "rows" });
  const add = button("", () => append().focus());
  add.className = "small";
  const append = () => {
    const row = make();
    const remove = button("×", () => {
      const at = rows.indexOf(row);
      rows.splice(at, 1);
      row.item.remove();
      changed();
      (rows[Math.min(at, rows.length - 1)] ?? add).focus();
    });
    remove.className = "remove";
    Object.assign(row, { remove, item: element("li", {}, row.node, remove) });
    rows.push(row);
    list.append(row.item);
    changed();
    return row;
  };
  const changed = () => {
    add.disabled = rows.length >= max;
    onChange(rows);
  };
  const clear = () => {
    rows.length = 0;
    list.replaceChildren();
  };
  return { rows, append, clear, add, node: element("div", { className: "list" }, list, add) };
}

export function listField({ schema, items }, context) {
  const { root, depth } = context;
  const one = (n) => `${context.label} ${n}`;
  const isFlat = !["object", "union", "tuple"].includes(shapeOf(items, root).kind);
  const make = () => fieldOf(items, { root, depth, label: "", isRequired: true, isItem: isFlat });
  const rows = rowsOf(make, {
    max: schema.maxItems,
    onChange(all) {
      for (const [at, row] of all.entries()) {
        row.rename(one(at + 1));
        row.remove.ariaLabel = texts().remove(one(at + 1));
      }
    },
  });
  rows.add.textContent = texts().addOne(context.label);
  const frame = framed(context, rows.node, { isGroup: true });
  frame.node.classList.add("group");
  const field = {
    ...frame,
    read(faults) {
      const values = rows.rows.map((row) => row.read(faults)).filter((value) => value !== undefined);
      return checkedList(values, schema, context, field, faults);
    },
    write(given) {
      rows.clear();
      const values = given ?? context.fallback ?? Array(schema.minItems ?? 0).fill(undefined);
      for (const value of values) rows.append().write(value);
    },
    find([at, ...rest]) {
      const row = /^\d+$/.test(at ?? "") ? rows.rows[Number(at)] : undefined;
      return row?.find(rest) ?? { field, rest: at === undefined ? [] : [at, ...rest] };
    },
  };
  field.write();
  return field;
}

export function tupleField({ items }, context) {
  const { root, depth } = context;
  const fields = items.map((each, at) =>
    fieldOf(each, { root, depth, label: each.title ?? `${context.label} ${at + 1}`, isRequired: true }),
  );
  const box = element("div", { className: "members" }, ...fields.map((each) => each.node));
  const frame = framed(context, box, { isGroup: true });
  frame.node.classList.add("group");
  const field = {
    ...frame,
    read: (faults) => fields.map((each) => each.read(faults)),
    write(given) {
      const values = given ?? context.fallback ?? [];
      for (const [at, each] of fields.entries()) each.write(values[at]);
    },
    find: ([at, ...rest]) => fields[at]?.find(rest) ?? { field, rest: at === undefined ? [] : [at, ...rest] },
  };
  return field;
}

/** Rows of a name and a value each. */
export function mappingField({ schema, values }, context) {
  const { root, depth } = context;
  const make = () => {
    const key = element("input", { autocomplete: "off", placeholder: texts().key });
    const value = fieldOf(values, { root, depth, label: "", isRequired: true, isItem: true });
    const node = element("div", { className: "pair" }, key, value.node);
    return { ...value, key, value, node, focus: () => key.focus() };
  };
  const rows = rowsOf(make, {
    max: schema.maxProperties,
    onChange(all) {
      for (const [at, row] of all.entries()) {
        const label = `${context.label} ${at + 1}`;
        row.key.ariaLabel = `${label}, ${texts().key}`;
        row.value.rename(label);
        row.remove.ariaLabel = texts().remove(label);
      }
    },
  });
  rows.add.textContent = texts().addOne(context.label);
  const frame = framed(context, rows.node, { isGroup: true });
  frame.node.classList.add("group");
  const field = {
    ...frame,
    read(faults) {
      const pairs = rows.rows
        .map((row) => [row.key.value.trim(), row.value.read(faults)])
        .filter(([key, value]) => key || value !== undefined);
      const keys = pairs.map(([key]) => key);
      if (keys.includes("")) faults.push([field, texts().keyNeeded]);
      if (new Set(keys).size < keys.length) faults.push([field, texts().keyTwice]);
      if (!pairs.length && !context.isRequired) return undefined;
      if (pairs.length < schema.minProperties) faults.push([field, texts().tooFew(schema.minProperties)]);
      return Object.fromEntries(pairs);
    },
    write(given) {
      rows.clear();
      for (const [key, value] of Object.entries(given ?? context.fallback ?? {})) {
        const row = rows.append();
        row.key.value = key;
        row.value.write(value);
      }
    },
    find([key, ...rest]) {
      const row = rows.rows.find((each) => each.key.value.trim() === key);
      return row?.value.find(rest) ?? { field, rest: key === undefined ? [] : [key, ...rest] };
    },
  };
  field.write();
  return field;
}

/** One of several: which one is chosen first. */
export function unionField({ schema, options }, context) {
  const { root, depth } = context;
  const id = freshId();
  const labels = options.map(
    (each, at) =>
      optionLabel(each, root, schema.discriminator?.propertyName) ??
      texts().kinds[shapeOf(each, root).kind] ??
      `${at + 1}`,
  );
  const select = element("select", { id, ariaLabel: `${context.label}, ${texts().which}` });
  if (!context.isRequired) select.append(element("option", { value: "" }, texts().unset));
  select.append(...labels.map((label, at) => element("option", { value: at }, label)));
  const body = element("div", { className: "variant" });
  let inner;
  const choose = (at) => {
    select.value = at === undefined ? "" : `${at}`;
    const isNone = select.value === "";
    inner = isNone
      ? undefined
      : fieldOf(options[at], { root, depth, label: labels[at], isRequired: true, isBare: true, isItem: true });
    body.replaceChildren(...(inner ? [inner.node] : []));
  };
  select.addEventListener("change", () => {
    choose(select.value === "" ? undefined : Number(select.value));
    inner?.write();
  });
  const frame = framed(context, element("div", { className: "members" }, select, body), { isGroup: true });
  frame.node.classList.add("group");
  const field = {
    ...frame,
    read: (faults) => inner?.read(faults),
    write(given) {
      const value = given ?? context.fallback;
      if (value === undefined) choose(context.isRequired ? 0 : undefined);
      else choose(optionFor(value, options, root));
      inner?.write(value);
    },
    find(path) {
      // A path may name the option by its tag or its model, which is no property.
      const found = inner?.find(path);
      if (!found) return { field, rest: path };
      if (found.field !== inner || path.length < 2) return found;
      const behind = inner.find(path.slice(1));
      return behind.field === inner ? found : behind;
    },
  };
  field.write();
  return field;
}
