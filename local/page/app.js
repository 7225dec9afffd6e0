// The demo page: one screen at a time (form, job, recipes or what went wrong), on simmer.js.

import { checkIngredients, ingredients, renderChips, setIngredients } from "./chips.js";
import { announce, byId, element } from "./dom.js";
import { SimmerClient } from "./simmer.js";
import { currentLanguage, speak, texts } from "./texts.js";
import { WatchedWebSocket, clearWire, watchedFetch } from "./wire.js";

const SCREENS = ["form", "job", "outcome", "results"];
const MINUTES = [10, 15, 20, 30, 45, 60, 90, 120];
const USER = "simmer.user";
const PUSH = "simmer.push";

const form = byId("form");
const user = byId("user");

let following; // an AbortController, of the job on the screen
let job;
let request; // of the job on the screen; kept in the history, so that a reload knows it
let tokenOfUser; // {user, token}
let way; // of the bar: percent {from, to}, and {since, until} in ms of performance.now()
let screen = "form";

// --- Talking to the API ----------------------------------------------------------------------

async function token({ renew }) {
  if (renew || tokenOfUser?.user !== user.value) {
    const name = user.value;
    const answer = await watchedFetch(`/dev/token?user=${encodeURIComponent(name)}`);
    if (!answer.ok) throw new Error(`no token: ${answer.status}`);
    tokenOfUser = { user: name, token: await answer.text() };
  }
  return tokenOfUser.token;
}

function newJob() {
  following?.abort();
  following = new AbortController();
  const client = new SimmerClient({
    baseUrl: "",
    token,
    fetch: watchedFetch,
    WebSocket: WatchedWebSocket,
    push: byId("push").checked,
  });
  job = client.job({ onUpdate: showJob, signal: following.signal });
  way = { from: 0 };
  byId("cancel").disabled = false;
  byId("wanted").textContent = request ? wanted(request) : "";
  return job;
}

function submit() {
  const { fresh, ...body } = request;
  newJob().submit(body, { fresh }).catch(() => {});
  showScreen("job");
}

function resume(jobId) {
  newJob().resume(jobId).catch(() => {});
  showScreen("job");
}

/** The job's id stands in the address, so that a reload finds it again. */
function follow() {
  const id = new URLSearchParams(location.hash.slice(1)).get("job");
  if (id && id === job?.id && !following.signal.aborted) return;
  if (id) {
    request = history.state?.request;
    return resume(id);
  }
  following?.abort();
  showScreen("form");
}

function setAddress(jobId) {
  const hash = jobId ? `#job=${encodeURIComponent(jobId)}` : "";
  if (location.hash === hash) return;
  const url = location.pathname + location.search + hash;
  // Back leads from a job to the form, not from the end of a job to itself.
  if (jobId && !location.hash) history.pushState({ request }, "", url);
  else history.replaceState(jobId ? { request } : null, "", url);
}

// --- Screens ---------------------------------------------------------------------------------

function showScreen(name) {
  const isNew = screen !== name;
  screen = name;
  for (const each of SCREENS) byId(each).hidden = each !== name;
  if (name !== "job") document.title = "Simmer";
  document.body.classList.toggle("busy", name === "job");
  if (!isNew) return;
  const title = byId(name).querySelector("h2");
  if (name === "form") byId("ingredient").focus({ preventScroll: true });
  else title.focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

/** Called by the client with every change of the job. */
function showJob(changed) {
  if (changed !== job) return;
  switch (job.state) {
    case "submitting":
    case "polling":
      if (job.id) setAddress(job.id);
      if (job.failures === 0) heed(job);
      return showProgress();
    case "completed":
      setAddress(job.id);
      return showResults();
    case "cancelled":
    case "failed":
      setAddress(undefined);
      return showOutcome();
  }
}

function showProgress() {
  const waiting = job.state === "submitting" ? texts().submitting : texts().resuming;
  const message = byId("cancel").disabled ? texts().cancelling : (job.message ?? waiting);
  byId("stage").textContent = message;
  announce(message);
  byId("trouble").hidden = job.failures === 0;
  showBar();
}

/** Let the bar go on from what the server said: its next word may be ten seconds off. */
function heed({ progress, estimatedSecondsRemaining: seconds }) {
  const since = performance.now();
  const from = Math.max(progress, drawn());
  // The estimate is a median, and the bar up to 95 a share of jobs: when it has passed, half of those
  // now open are done, and the server's bar is half-way to 95. Under 10 the job waits for its turn.
  const to = progress < 10 ? from : Math.max(from, (progress + 95) / 2);
  way = { from, to, since, until: seconds > 0 ? since + seconds * 1000 : undefined };
}

/** In percent. It never goes back, and stands where the estimate ends. */
function drawn() {
  const { from, to, since, until } = way;
  if (!until) return from;
  return from + (to - from) * Math.min(1, (performance.now() - since) / (until - since));
}

function showBar() {
  const width = drawn();
  const percent = Math.floor(width);
  byId("bar").ariaValueNow = `${percent}`;
  byId("bar").firstElementChild.style.width = `${width}%`;
  byId("percent").textContent = `${percent}%`;
  document.title = `${percent}% · Simmer`;
  const seconds = Math.max(1, Math.round((way.until - performance.now()) / 1000));
  byId("remaining").textContent = way.until ? texts().remaining(seconds) : "";
}

// Between two answers the bar and the seconds go on.
setInterval(() => screen === "job" && showBar(), 1000);

function showResults() {
  const recipes = job.result?.recipes ?? [];
  byId("results-title").textContent = texts().found(recipes.length);
  byId("cached").hidden = !job.cached;
  byId("recipes").replaceChildren(...recipes.map(card));
  showScreen("results");
  announce(texts().found(recipes.length) + (job.cached ? ` (${texts().cached})` : ""));
}

function showOutcome() {
  const { error } = job;
  const isCancelled = job.state === "cancelled";
  const title = isCancelled ? texts().cancelledTitle : texts().failedTitle;
  const words = isCancelled ? texts().cancelledText : explain(error);
  byId("outcome-title").textContent = title;
  byId("outcome-text").textContent = words;
  byId("outcome-faults").replaceChildren(
    ...(error.errors ?? []).map(({ field, message }) => element("li", {}, `${field}: ${message}`)),
  );
  byId("outcome-code").textContent = isCancelled ? "" : (error.code ?? error.name);
  byId("outcome").classList.toggle("wrong", !isCancelled);
  byId("retry").hidden = !request || !(isCancelled || error.retryable || error.code === "client_deadline");
  showScreen("outcome");
  announce(`${title}. ${words}`);
}

function explain({ code, message, retryAfterMs }) {
  const words = texts().errors[code] ?? message;
  if (code !== "quota_exceeded" || !retryAfterMs) return words;
  const time = new Date(Date.now() + retryAfterMs);
  const short = { dateStyle: "medium", timeStyle: "short" };
  return `${words} ${texts().until(time.toLocaleString(currentLanguage(), short))}`;
}

function card(recipe) {
  const facts = [texts().minutes(recipe.cookingTime), texts()[recipe.difficulty], texts().servingsOf(recipe.servings)];
  return element(
    "article",
    { className: "recipe" },
    element("h3", {}, recipe.name),
    element("ul", { className: "facts" }, ...facts.map((each) => element("li", {}, each))),
    recipe.description && element("p", {}, recipe.description),
    ...listed(texts().have, "have", recipe.ingredients),
    ...listed(texts().need, "need", recipe.additionalIngredients ?? []),
    element("h4", {}, texts().steps),
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

// --- The form --------------------------------------------------------------------------------

function read() {
  const data = new FormData(form);
  const servings = Math.round(form.servings.valueAsNumber);
  const wishes = data.getAll("diet").map((at) => texts().diets[at]);
  return {
    ingredients: [...ingredients()],
    servings: Math.min(20, Math.max(1, servings || 2)),
    count: Number(data.get("count")),
    locale: currentLanguage(),
    ...(data.get("time") ? { maxCookingTime: Number(data.get("time")) } : {}),
    ...(data.get("difficulty") ? { difficulty: data.get("difficulty") } : {}),
    ...(wishes.length ? { dietary: wishes } : {}),
    fresh: form.fresh.checked,
  };
}

const terms = ({ servings, count, maxCookingTime, difficulty, dietary = [] }) => [
  texts().servingsOf(servings),
  texts().countOf(count),
  ...(maxCookingTime ? [texts().within(maxCookingTime)] : []),
  ...(difficulty ? [texts()[difficulty]] : []),
  ...dietary,
];

const wanted = (what) => `${what.ingredients.join(", ")} · ${terms(what).join(" · ")}`;

function renderForm() {
  const { time } = form;
  const chosenTime = time.value;
  time.replaceChildren(
    element("option", { value: "" }, texts().anyTime),
    ...MINUTES.map((n) => element("option", { value: n }, texts().within(n))),
  );
  time.value = chosenTime;
  choices("counts", "radio", "count", [1, 2, 3, 4, 5].map((n) => [n, `${n}`]), "3");
  const levels = ["easy", "medium", "hard"].map((level) => [level, texts()[level]]);
  choices("difficulties", "radio", "difficulty", [["", texts().any], ...levels], "");
  choices("diets", "checkbox", "diet", texts().diets.map((diet, at) => [at, diet]));
  summarise();
}

/** Radios or checkboxes, with those checked that were before. */
function choices(id, type, name, pairs, fallback) {
  const box = byId(id);
  const before = [...box.querySelectorAll(":checked")].map((each) => each.value);
  const checked = before.length || fallback === undefined ? before : [fallback];
  box.replaceChildren(
    ...pairs.map(([value, text]) =>
      element(
        "label",
        {},
        element("input", { type, name, value, checked: checked.includes(`${value}`) }),
        element("span", {}, text),
      ),
    ),
  );
}

const summarise = () => (byId("options-summary").textContent = terms(read()).join(" · "));

form.addEventListener("input", summarise);

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!checkIngredients()) return;
  form.servings.value = read().servings;
  request = read();
  submit();
});

for (const button of document.querySelectorAll("[data-step]")) {
  button.addEventListener("click", () => {
    const { servings } = form;
    servings.value = Math.min(20, Math.max(1, (servings.valueAsNumber || 2) + Number(button.dataset.step)));
    announce(texts().servingsOf(servings.value));
    summarise();
  });
}

// --- Buttons ---------------------------------------------------------------------------------

byId("cancel").addEventListener("click", async () => {
  const cancelled = job;
  byId("cancel").disabled = true;
  showProgress();
  byId("job-title").focus(); // the button that had the focus is disabled
  try {
    await cancelled.cancel();
  } catch {
    if (cancelled !== job) return;
    byId("cancel").disabled = false;
    byId("stage").textContent = texts().cancelFailed;
    announce(texts().cancelFailed);
  }
});

byId("retry").addEventListener("click", submit);

for (const id of ["edit", "again"]) {
  byId(id).addEventListener("click", () => {
    if (request && !ingredients().length) setIngredients(request.ingredients);
    setAddress(undefined);
    showScreen("form");
  });
}

// --- Language, user, drawer ------------------------------------------------------------------

function translate(language) {
  speak(language);
  renderChips();
  renderForm();
  if (request) byId("wanted").textContent = wanted(request);
  if (screen === "results") showResults();
  if (screen === "outcome") showOutcome();
  if (screen === "job") showProgress();
}

for (const radio of document.querySelectorAll("[name=language]")) {
  radio.checked = radio.value === currentLanguage();
  radio.addEventListener("change", () => translate(radio.value));
}

user.value = sessionStorage.getItem(USER) ?? "alice";
user.addEventListener("change", () => {
  sessionStorage.setItem(USER, user.value);
  // A job is its user's: the other one would meet a 404.
  setAddress(undefined);
  follow();
});

byId("push").checked = sessionStorage.getItem(PUSH) !== "off";
byId("push").addEventListener("change", ({ target }) =>
  sessionStorage.setItem(PUSH, target.checked ? "on" : "off"),
);

byId("clear").addEventListener("click", clearWire);
byId("wire").open = matchMedia("(min-width: 68rem)").matches;

// --- Start -----------------------------------------------------------------------------------

translate(currentLanguage());
window.addEventListener("popstate", follow);
follow();
if (request) setIngredients(request.ingredients);

fetch("/dev/info")
  .then((answer) => answer.json())
  .then(({ model }) => (byId("nonsense").hidden = model !== "local"))
  .catch(() => {});
