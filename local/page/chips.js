// The ingredients: typed, pasted or picked, one chip each.

import { announce, byId, element } from "./dom.js";
import { texts } from "./texts.js";

const MOST = 30;
const LONGEST = 60;
const SEPARATORS = /[,，、;\n\r\t]+/;

const input = byId("ingredient");
const list = byId("chip-list");
let names = [];

export const ingredients = () => names;

export function setIngredients(given) {
  names = [...given];
  render();
}

/** Whether there is something to cook with; if not it says so, at the field. */
export function checkIngredients() {
  if (!take(input.value)) return false;
  if (names.length) return true;
  complain(texts().noIngredients);
  return false;
}

export function renderChips() {
  complain("");
  render();
}

/** Make chips of a text. False if some of it was refused: that stays in the field. */
function take(text) {
  const refused = [];
  let complaint = "";
  for (const name of text.normalize("NFC").split(SEPARATORS).map((each) => each.trim())) {
    if (!name) continue;
    const problem = problemWith(name);
    if (!problem) {
      names.push(name);
      announce(texts().added(name));
    } else if (problem !== texts().duplicate(name)) {
      refused.push(name);
    }
    complaint = problem || complaint;
  }
  input.value = refused.join(", ");
  render();
  complain(complaint, refused.length > 0);
  return refused.length === 0;
}

function problemWith(name) {
  if (names.some((each) => each.toLowerCase() === name.toLowerCase())) {
    return texts().duplicate(name);
  }
  if ([...name].length > LONGEST) return texts().tooLong(LONGEST);
  if (names.length >= MOST) return texts().tooMany(MOST);
  return "";
}

function remove(name) {
  const at = names.indexOf(name);
  names.splice(at, 1);
  render();
  complain("");
  announce(texts().removed(name));
  // The focus must not fall off the page with the button that had it.
  (list.querySelectorAll("button")[at] ?? input).focus();
}

function complain(message, isInvalid = message !== "") {
  byId("ingredient-error").textContent = message;
  input.ariaInvalid = isInvalid ? "true" : null;
  if (isInvalid) input.focus();
}

function render() {
  list.replaceChildren(
    ...names.map((name) => {
      const button = element("button", { type: "button", ariaLabel: texts().remove(name) }, "×");
      button.addEventListener("click", () => remove(name));
      return element("li", {}, element("span", {}, name), button);
    }),
  );
  list.hidden = names.length === 0;
  const unused = texts().suggested.filter((name) => !names.includes(name));
  byId("suggestions").replaceChildren(
    ...unused.map((name) => {
      const button = element("button", { type: "button", ariaLabel: texts().add(name) }, `+ ${name}`);
      button.addEventListener("click", () => {
        const at = [...byId("suggestions").children].indexOf(button);
        take(`${input.value},${name}`);
        (byId("suggestions").children[at] ?? input).focus();
      });
      return button;
    }),
  );
}

input.addEventListener("keydown", (event) => {
  // While Hangul is being composed, Enter ends the syllable and Backspace takes it apart.
  if (event.isComposing) return;
  if (event.key === "Enter" && input.value.trim()) {
    event.preventDefault(); // with nothing typed, Enter sends the form
    take(input.value);
  } else if (event.key === "Backspace" && !input.value && names.length) {
    event.preventDefault();
    remove(names.at(-1));
    input.focus();
  }
});

// Not the key: the keyboards of phones do not tell which it was.
input.addEventListener("input", (event) => {
  if (!event.isComposing && SEPARATORS.test(input.value)) take(input.value);
});

input.addEventListener("paste", (event) => {
  const text = event.clipboardData?.getData("text") ?? "";
  if (!SEPARATORS.test(text)) return;
  event.preventDefault(); // a field of one line would lose the line ends
  take(`${input.value},${text}`);
});

byId("chips").addEventListener("click", (event) => {
  if (event.target === event.currentTarget || event.target === list) input.focus();
});
