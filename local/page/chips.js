// A list of short texts: typed, pasted or picked, one chip each.

import { announce, button, element, freshId } from "./dom.js";
import { texts } from "./texts.js";

/**
 * `{node, names, set, take, complain, render, focus}`. `words()` are the texts of its own, over the
 * generic ones; `suggested()` names what can be picked; `separators` end a chip as Enter does;
 * `isSame` tells repeats, which are left out.
 */
export function chips({
  words = texts,
  label = () => "",
  most = Infinity,
  longest = Infinity,
  shortest = 1,
  separators = /[\n\r\t]+/,
  suggested = () => [],
  isOptional = false,
  isSame = (one, other) => one === other,
  ids = {},
}) {
  const id = ids.input ?? freshId();
  const [hintId, errorId] = [`${id}-hint`, `${id}-error`];
  let names = [];
  const input = element("input", {
    id,
    autocomplete: "off",
    autocapitalize: "none",
    enterKeyHint: "done",
    maxLength: 2000,
  });
  input.setAttribute("aria-describedby", `${hintId} ${errorId}`);
  const list = element("ul", { id: ids.list ?? freshId() });
  const box = element("div", { className: "chips" }, list, input);
  const hint = element("p", { className: "hint", id: hintId });
  const error = element("p", { className: "error", id: errorId, role: "alert" });
  const picks = element("div", { className: "suggestions", role: "group" });
  const name = element("label", { htmlFor: id });
  const node = element("div", { className: "field" }, name, box, hint, error, picks);

  /** Make chips of a text. False if some of it was refused: that stays in the field. */
  function take(text = input.value) {
    const refused = [];
    let complaint = "";
    for (const each of text.normalize("NFC").split(separators).map((part) => part.trim())) {
      if (!each) continue;
      const isRepeat = names.some((known) => isSame(known, each));
      const problem = isRepeat ? words().duplicate(each) : problemWith(each);
      if (!problem) {
        names.push(each);
        announce(words().added(each));
      } else if (!isRepeat) {
        refused.push(each);
      }
      complaint = problem || complaint;
    }
    input.value = refused.join(", ");
    renderList();
    complain(complaint, refused.length > 0);
    if (names.length) node.dispatchEvent(new Event("input", { bubbles: true }));
    return refused.length === 0;
  }

  function problemWith(text) {
    if ([...text].length > longest) return words().tooLong(longest);
    if ([...text].length < shortest) return words().tooShort(shortest);
    return names.length >= most ? words().tooMany(most) : "";
  }

  function remove(text) {
    const at = names.indexOf(text);
    names.splice(at, 1);
    renderList();
    complain("");
    announce(words().removed(text));
    // The focus must not fall off the page with the button that had it.
    (list.querySelectorAll("button")[at] ?? input).focus();
  }

  function complain(message, isInvalid = message !== "") {
    error.textContent = message;
    input.ariaInvalid = isInvalid ? "true" : null;
    if (isInvalid) input.focus();
  }

  function render() {
    name.replaceChildren(label(), ...(isOptional ? [" ", element("span", { className: "optional" }, texts().optional)] : []));
    list.ariaLabel = label();
    hint.textContent = words().chipsHint;
    picks.ariaLabel = words().suggestions;
    complain("");
    renderList();
  }

  function renderList() {
    list.replaceChildren(
      ...names.map((text) =>
        element(
          "li",
          {},
          element("span", {}, text),
          button("×", () => remove(text), { ariaLabel: words().remove(text) }),
        ),
      ),
    );
    list.hidden = names.length === 0;
    // A placeholder beside chips would be cut off.
    input.placeholder = names.length ? "" : words().chipsPlaceholder;
    const unused = suggested().filter((text) => !names.includes(text));
    picks.hidden = unused.length === 0;
    picks.replaceChildren(
      ...unused.map((text) => {
        const pick = button(`+ ${text}`, () => {
          const at = [...picks.children].indexOf(pick);
          take(`${input.value}\n${text}`);
          (picks.children[at] ?? input).focus();
        });
        pick.ariaLabel = words().add(text);
        return pick;
      }),
    );
  }

  input.addEventListener("keydown", (event) => {
    // While Hangul is being composed, Enter ends the syllable and Backspace takes it apart.
    if (event.isComposing) return;
    if (event.key === "Enter" && input.value.trim()) {
      event.preventDefault(); // with nothing typed, Enter sends the form
      take();
    } else if (event.key === "Backspace" && !input.value && names.length) {
      event.preventDefault();
      remove(names.at(-1));
      input.focus();
    }
  });

  // Not the key: the keyboards of phones do not tell which it was.
  input.addEventListener("input", (event) => {
    if (!event.isComposing && separators.test(input.value)) take();
  });

  input.addEventListener("paste", (event) => {
    const text = event.clipboardData?.getData("text") ?? "";
    if (!separators.test(text)) return;
    event.preventDefault(); // a field of one line would lose the line ends
    take(`${input.value}\n${text}`);
  });

  box.addEventListener("click", (event) => {
    if (event.target === box || event.target === list) input.focus();
  });

  render();
  return {
    node,
    names: () => [...names],
    set(given) {
      names = [...given];
      render();
    },
    take,
    complain,
    render,
    focus: () => input.focus({ preventScroll: true }),
  };
}
