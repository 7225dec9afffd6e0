// The task and the language chosen, and how they are chosen.

import { byId, element } from "./dom.js";
import { languageOf, nameOf, speak, wishFor } from "./texts.js";
import { hasOwnView, viewOf, wordsOf } from "./views.js";

const TASK = "simmer.task";

let tasks = [];
let task;
let onChange = () => {};

export const chosenTask = () => task;
export const taskNamed = (name) => tasks.find((each) => each.name === name);
export const view = () => viewOf(task);
export const words = () => wordsOf(view());
export const language = () => byId("language").value;

/** Offer these tasks, the last one chosen or else one with a view of its own; `changed()` is called after each choice of a task or a language. */
export function offer(all, changed) {
  tasks = all;
  onChange = changed;
  const last = taskNamed(sessionStorage.getItem(TASK));
  choose((last ?? tasks.find(hasOwnView) ?? tasks[0]).name);
}

/** Whether there is a task of that name: then it is the one on the screen. */
export function choose(name) {
  const found = taskNamed(name);
  if (!found || found === task) return found !== undefined;
  task = found;
  sessionStorage.setItem(TASK, name);
  const options = task.languages.map((tag) => element("option", { value: tag, lang: tag }, nameOf(tag)));
  byId("language").replaceChildren(...options);
  byId("language").value = languageOf(task.languages);
  byId("language").hidden = task.languages.length < 2;
  byId("fields").replaceChildren(view().node);
  translate();
  return true;
}

function translate() {
  speak(language());
  view().render();
  byId("form-title").textContent = words().formTitle;
  byId("submit").textContent = words().submit;
  renderPicker();
  onChange();
}

function renderPicker() {
  byId("tasks").hidden = tasks.length < 2;
  byId("tasks").replaceChildren(
    ...tasks.map((each) => {
      const radio = element("input", { type: "radio", name: "task", value: each.name, checked: each === task });
      radio.addEventListener("change", () => {
        choose(each.name);
        byId("tasks").querySelector(":checked").focus();
      });
      return element("label", {}, radio, element("span", {}, wordsOf(viewOf(each)).title));
    }),
  );
}

byId("language").addEventListener("change", ({ target }) => {
  wishFor(target.value);
  translate();
});
