// The recipe's own view: ingredients as chips, options that fold away, a card for each recipe.

import { chips } from "./chips.js";
import { announce, button, element } from "./dom.js";
import { RECIPE } from "./recipe-texts.js";
import { spoken, texts } from "./texts.js";

const MINUTES = [10, 15, 20, 30, 45, 60, 90, 120];
const LEVELS = ["easy", "medium", "hard"];
const COUNTS = [1, 2, 3, 4, 5];

const words = () => ({ ...texts(), ...spoken(RECIPE) });

export function recipeView() {
  const list = chips({
    words,
    label: () => words().ingredients,
    most: 30,
    longest: 60,
    separators: /[,，、;\n\r\t]+/,
    suggested: () => words().suggested,
    isSame: (one, other) => one.toLowerCase() === other.toLowerCase(),
    ids: { input: "ingredient", list: "chip-list" },
  });
  const options = optionFields();
  const node = element("div", { className: "members" }, list.node, options.node);
  node.addEventListener("input", () => options.summarise());

  return {
    node,
    words,
    render() {
      list.render();
      options.render();
    },
    fill(request) {
      if (!list.names().length) list.set(request.ingredients ?? []);
      options.summarise();
    },
    read() {
      if (!list.take()) return undefined;
      if (list.names().length) return { ingredients: list.names(), ...options.read() };
      list.complain(words().noIngredients);
      return undefined;
    },
    complain(errors) {
      const isListed = ({ field }) => /^ingredients(\.|$)/.test(field);
      const first = errors.find(isListed);
      list.complain(first ? sentence(first, list.names()) : "");
      return options.complain(errors.filter((each) => !isListed(each)));
    },
    focus: list.focus,
    wanted: (request) => [(request.ingredients ?? []).join(", "), ...terms(request)].join(" · "),
    found: ({ recipes = [] } = {}) => words().found(recipes.length),
    result: ({ recipes = [] } = {}) => recipes.map(card),
    part: card,
    text: ({ recipes = [] } = {}) => recipes.map(plain).join("\n\n"),
  };
}

/** The complaint about one entry names it. */
function sentence({ field, message }, names) {
  const name = names[Number(field.split(".")[1])];
  return name === undefined ? message : `${name}: ${message}`;
}

const terms = ({ servings, count, maxCookingTime, difficulty, dietary = [] }) => [
  ...(servings ? [words().servingsOf(servings)] : []),
  ...(count ? [words().countOf(count)] : []),
  ...(maxCookingTime ? [words().within(maxCookingTime)] : []),
  ...(difficulty ? [words()[difficulty]] : []),
  ...dietary,
];

// --- The options -----------------------------------------------------------------------------

function optionFields() {
  const said = {}; // elements whose text follows the language
  const name = (key, tag, properties = {}) => (said[key] = element(tag, properties));
  const errors = {};
  const errorOf = (field) => (errors[field] = element("p", { className: "error", role: "alert" }));

  const servings = element("input", { id: "servings", type: "number", min: 1, max: 20, value: 2, inputMode: "numeric" });
  const step = (by) => {
    servings.value = Math.min(20, Math.max(1, (servings.valueAsNumber || 2) + by));
    announce(words().servingsOf(servings.value));
    summarise();
  };
  const [fewer, more] = [button("−", () => step(-1)), button("+", () => step(1))];
  const time = element("select", { id: "time" });
  const counts = choices("radio", "count");
  const levels = choices("radio", "difficulty");
  const diets = choices("checkbox", "diet");
  const line = element("span", { id: "options-summary" });

  const field = (label, ...rest) => element("div", { className: "field" }, label, ...rest);
  const group = (legend, box, error) => element("fieldset", { className: "field" }, legend, box, error);
  const diet = group(name("diet", "legend"), diets.node, errorOf("dietary"));
  diet.classList.add("wide");
  const grid = element(
    "div",
    { className: "grid" },
    field(
      name("servings", "label", { htmlFor: "servings" }),
      element("div", { className: "stepper" }, fewer, servings, more),
      errorOf("servings"),
    ),
    field(name("maxTime", "label", { htmlFor: "time" }), time, errorOf("maxCookingTime")),
    group(name("count", "legend"), counts.node, errorOf("count")),
    group(name("difficulty", "legend"), levels.node, errorOf("difficulty")),
    diet,
  );
  const node = element("details", { id: "options" }, element("summary", {}, name("options", "span"), " ", line), grid);

  function read() {
    const whole = Math.round(servings.valueAsNumber);
    const [count] = counts.chosen();
    const [difficulty] = levels.chosen();
    const wishes = diets.chosen().map((at) => words().diets[at]);
    return {
      servings: Math.min(20, Math.max(1, whole || 2)),
      count: Number(count),
      ...(time.value ? { maxCookingTime: Number(time.value) } : {}),
      ...(difficulty ? { difficulty } : {}),
      ...(wishes.length ? { dietary: wishes } : {}),
    };
  }
  const summarise = () => (line.textContent = terms(read()).join(" · "));

  return {
    node,
    summarise,
    read() {
      const request = read();
      servings.value = request.servings;
      return request;
    },
    render() {
      for (const [key, each] of Object.entries(said)) each.textContent = words()[key];
      [fewer.ariaLabel, more.ariaLabel] = [words().fewer, words().more];
      const chosen = time.value;
      time.replaceChildren(
        element("option", { value: "" }, words().anyTime),
        ...MINUTES.map((n) => element("option", { value: n }, words().within(n))),
      );
      time.value = chosen;
      counts.render(COUNTS.map((n) => [n, `${n}`]), "3");
      levels.render([["", words().any], ...LEVELS.map((level) => [level, words()[level]])], "");
      diets.render(words().diets.map((text, at) => [at, text]));
      summarise();
    },
    /** Returns those complaints that belong to none of these fields. */
    complain(all) {
      for (const each of Object.values(errors)) each.textContent = "";
      const place = ({ field: path }) => errors[path.split(".")[0]];
      for (const each of all) {
        if (!place(each)) continue;
        place(each).textContent = each.message;
        node.open = true;
      }
      return all.filter((each) => !place(each));
    },
  };
}

/** Radios or checkboxes; rendered again, those stay checked that were. */
function choices(type, group) {
  const node = element("div", { className: type === "radio" ? "segments" : "toggles" });
  const chosen = () => [...node.querySelectorAll(":checked")].map((each) => each.value);
  return {
    node,
    chosen,
    render(pairs, fallback) {
      const before = chosen();
      const checked = before.length || fallback === undefined ? before : [fallback];
      node.replaceChildren(
        ...pairs.map(([value, text]) => {
          const input = element("input", { type, name: group, value, checked: checked.includes(`${value}`) });
          return element("label", {}, input, element("span", {}, text));
        }),
      );
    },
  };
}

// --- The recipes -----------------------------------------------------------------------------

const facts = ({ cookingTime, difficulty, servings }) => [
  words().minutes(cookingTime),
  words()[difficulty] ?? difficulty,
  words().servingsOf(servings),
];

function card(recipe) {
  return element(
    "article",
    { className: "card recipe" },
    element("h3", {}, recipe.name),
    element("ul", { className: "facts" }, ...facts(recipe).map((each) => element("li", {}, each))),
    recipe.description && element("p", {}, recipe.description),
    ...listed(words().have, "have", recipe.ingredients),
    ...listed(words().need, "need", recipe.additionalIngredients ?? []),
    element("h4", {}, words().steps),
    steps(recipe.instructions),
  );
}

const listed = (title, className, names) =>
  names.length === 0
    ? []
    : [
        element("h4", {}, title),
        element("ul", { className: `names ${className}` }, ...names.map((each) => element("li", {}, each))),
      ];

/** A numbered text as a list, any other as it is. */
function steps(text) {
  const lines = text.split("\n").filter((line) => line.trim());
  const numbered = lines.map((line) => /^\s*\d+[.)]\s+(.*)$/.exec(line)?.[1]);
  if (lines.length < 2 || numbered.includes(undefined)) return element("p", { className: "steps" }, text);
  return element("ol", { className: "steps" }, ...numbered.map((line) => element("li", {}, line)));
}

function plain(recipe) {
  const more = recipe.additionalIngredients ?? [];
  return [
    recipe.name,
    facts(recipe).join(" · "),
    recipe.description,
    `${words().have}: ${recipe.ingredients.join(", ")}`,
    more.length ? `${words().need}: ${more.join(", ")}` : undefined,
    recipe.instructions,
  ]
    .filter(Boolean)
    .join("\n");
}
