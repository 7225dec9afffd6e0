// What a JSON schema asks for, as one of a few kinds. It reads what pydantic writes.

const DEEPEST = 32; // of references to references
const LONGEST_LINE = 160;

/** The schema itself, without references; what stands beside a reference goes first. */
export function resolved(schema, root) {
  let it = typeof schema === "object" && schema !== null ? schema : {};
  for (let depth = 0; depth < DEEPEST; depth += 1) {
    if (it.$ref) {
      const { $ref, ...beside } = it;
      it = { ...pointed($ref, root), ...beside };
    } else if (it.allOf?.length === 1) {
      const { allOf, ...beside } = it;
      it = { ...allOf[0], ...beside };
    } else break;
  }
  return it;
}

const pointed = (pointer, root) =>
  pointer
    .replace(/^#\/?/, "")
    .split("/")
    .map((part) => part.replace(/~1/g, "/").replace(/~0/g, "~"))
    .reduce((at, part) => (part ? at?.[part] : at), root);

/**
 * `{kind, ...}` of a schema: `const` {value}, `choice` {values}, `boolean`, `number` {isInteger},
 * `decimal`, `text` {format, isLong}, `list` {items}, `tuple` {items}, `object` {properties, required},
 * `mapping` {values, names}, `union` {options}, or `json`, which is anything else.
 * `schema` is what it was read from; null is left out, for on the wire absent is absent.
 */
export function shapeOf(given, root) {
  const schema = resolved(given, root);
  const shape = (kind, more = {}) => ({ kind, schema, ...more });
  const options = (schema.oneOf ?? schema.anyOf)?.map((each) => resolved(each, root));
  if (options) {
    const { oneOf, anyOf, discriminator, ...common } = schema;
    const real = options.filter((each) => each.type !== "null" && each.const !== null);
    if (real.length === 1) return shapeOf({ ...real[0], ...common }, root);
    if (isDecimal(real)) return shape("decimal");
    return real.length ? shape("union", { options: real }) : shape("json");
  }
  if ("const" in schema) return shape("const", { value: schema.const });
  if (schema.enum) {
    const values = schema.enum.filter((each) => each !== null);
    return values.length === 1 ? shape("const", { value: values[0] }) : shape("choice", { values });
  }
  if (Array.isArray(schema.type)) {
    const { type, ...common } = schema;
    return shapeOf({ ...common, anyOf: type.map((each) => ({ ...common, type: each })) }, root);
  }
  switch (schema.type) {
    case "boolean":
      return shape("boolean");
    case "integer":
    case "number":
      return shape("number", { isInteger: schema.type === "integer" });
    case "string": {
      const { format, pattern, maxLength } = schema;
      const isLong = !format && (maxLength === undefined ? !pattern : maxLength > LONGEST_LINE);
      return shape("text", { format, isLong });
    }
    case "array":
      if (schema.prefixItems) return shape("tuple", { items: schema.prefixItems });
      return shape("list", { items: resolved(schema.items, root) });
    case "object": {
      if (schema.properties) {
        return shape("object", { properties: schema.properties, required: schema.required ?? [] });
      }
      const patterned = Object.entries(schema.patternProperties ?? {})[0];
      const values = patterned?.[1] ?? schema.additionalProperties;
      if (values === false) return shape("object", { properties: {}, required: [] });
      return shape("mapping", { values: resolved(values, root), names: schema.propertyNames ?? {} });
    }
    default:
      return shape("json");
  }
}

/** A number, or the same as text: a decimal, whose digits must not pass through a float. */
const isDecimal = (options) =>
  options.length === 2 &&
  options.some(({ type }) => type === "number") &&
  options.some(({ type, pattern }) => type === "string" && /\\d/.test(pattern ?? ""));

/** How a field is called: by the title of its own, unless pydantic made that of its name. */
export function labelOf(name, { title } = {}) {
  const plain = (text) => text.toLowerCase().replace(/[\s_-]/g, "");
  return title && plain(title) !== plain(name) ? title : words(name);
}

/** `maxCookingTime`, `max_cooking_time` or `MaxCookingTime`: Max cooking time. */
export function words(name) {
  const text = String(name)
    .replace(/([\p{Ll}\d])(\p{Lu})/gu, "$1 $2")
    .replace(/[_-]+/g, " ")
    .trim()
    .replace(/^is (?=.)/i, ""); // a question's own word
  // Abbreviations stay: VAT, URL.
  const lower = text.replace(/\p{Lu}\p{Ll}+/gu, (word) => word.toLowerCase());
  return lower.charAt(0).toUpperCase() + lower.slice(1);
}

/** How an option of a union is called: by what tells it from the others. */
export function optionLabel(schema, root, tag) {
  const shape = shapeOf(schema, root);
  if (shape.kind !== "object") return schema.title ? words(schema.title) : undefined;
  const names = tag ? [tag] : Object.keys(shape.properties);
  for (const name of names) {
    const inner = shape.properties[name] && shapeOf(shape.properties[name], root);
    if (inner?.kind === "const") return words(inner.value);
  }
  return schema.title && words(schema.title);
}

/** The option of a union that a value fits best. */
export function optionFor(value, options, root) {
  const scores = options.map((each) => fit(value, each, root));
  return Math.max(0, scores.indexOf(Math.max(...scores)));
}

function fit(value, schema, root) {
  const shape = shapeOf(schema, root);
  const type = typeof value;
  switch (shape.kind) {
    case "const":
      return value === shape.value ? 9 : -9;
    case "choice":
      return shape.values.includes(value) ? 8 : -9;
    case "boolean":
      return type === "boolean" ? 5 : -9;
    case "number":
      if (type !== "number") return -9;
      return shape.isInteger ? (Number.isInteger(value) ? 6 : -9) : 5;
    case "decimal":
      return type === "number" || (type === "string" && value && !Number.isNaN(Number(value))) ? 4 : -9;
    case "text":
      return type === "string" ? 3 : -9;
    case "list":
    case "tuple":
      return Array.isArray(value) ? 3 : -9;
    case "mapping":
      return type === "object" && value && !Array.isArray(value) ? 1 : -9;
    case "object": {
      if (type !== "object" || !value || Array.isArray(value)) return -9;
      const { properties, required } = shape;
      const known = Object.keys(value).filter((name) => name in properties);
      const consts = known
        .map((name) => [shapeOf(properties[name], root), value[name]])
        .filter(([inner]) => inner.kind === "const")
        .reduce((sum, [inner, given]) => sum + (inner.value === given ? 100 : -100), 0);
      const missing = required.filter((name) => !(name in value)).length;
      return 2 + consts + known.length - 3 * missing - 3 * (Object.keys(value).length - known.length);
    }
    default:
      return 0;
  }
}
