// The demo page: one screen at a time (form, job, result or what went wrong), on simmer.js.

import { clientFor, keepSettings, readTasks, user } from "./api.js";
import { fillBar, heed, showBar, startBar } from "./bar.js";
import { choose, chosenTask, language, offer, taskNamed, view, words } from "./choice.js";
import { announce, byId, element } from "./dom.js";
import { begin, jobKnownAs, remember, renderHistory } from "./history.js";
import { outcomeOf } from "./outcome.js";
import { clearParts, fillPart, hasParts, keepingPlace, placeParts, renderParts, settled, showOutline } from "./parts.js";
import { offerSharing } from "./share.js";
import { speak, texts } from "./texts.js";
import { dollars, followTrace, forgetTrace, renderTrace, traceFacts } from "./trace.js";
import { viewOf, wordsOf } from "./views.js";
import { clearWire } from "./wire.js";

const SCREENS = ["form", "job", "outcome", "results"];
const STAGES = ["queued", "analyzing", "generating", "done"];
const FILL_MS = 400; // in which the bar reaches its end
const LONGEST_TIMER_MS = 2 ** 31 - 1;

const form = byId("form");
const isStill = matchMedia("(prefers-reduced-motion: reduce)");

let following; // an AbortController, of the job on the screen
let job;
let jobTask; // of the job on the screen
let request; // of the job on the screen, as far as it is known
let startedAt; // of the job, in ms, as far as it is known
let isOurs; // submitted here and now, not resumed
let isKept; // in the address and in the history
let isTimed; // seen under way, so that its end tells how long it took
let screen;

// --- A job, from its start to its end --------------------------------------------------------

function newJob(at, isSubmitted) {
  following?.abort();
  following = new AbortController();
  jobTask = chosenTask();
  job = clientFor(jobTask.name).job({ onUpdate: showJob, onPart: showPart, signal: following.signal });
  startedAt = at;
  isOurs = isTimed = isSubmitted;
  isKept = false;
  startBar({ at });
  forgetTrace();
  clearParts();
  byId("cancel").disabled = false;
  return job;
}

function submit(isFresh = false) {
  newJob(Date.now(), true).submit(request, { fresh: isFresh }).catch(() => {});
  showScreen("job");
}

function resume(id) {
  const known = jobKnownAs(id, user());
  request = history.state?.request ?? known?.request;
  newJob(known?.at, false).resume(id).catch(() => {});
  showScreen("job");
}

/** The job's id and task stand in the address, so that a reload finds it again. */
function follow() {
  if (!chosenTask()) return; // the tasks are still to come, and then this is called again
  const address = new URLSearchParams(location.hash.slice(1));
  const id = address.get("job");
  if (id && id === job?.id && !following.signal.aborted && screen !== "form") return;
  if (id) {
    choose(address.get("task") ?? jobKnownAs(id, user())?.task);
    return resume(id);
  }
  following?.abort();
  showScreen("form");
}

function setAddress(id) {
  const hash = id ? `#task=${encodeURIComponent(chosenTask().name)}&job=${encodeURIComponent(id)}` : "";
  if (location.hash === hash) return;
  const url = location.pathname + location.search + hash;
  // Back leads from a job to the form, not from the end of a job to itself.
  if (id && !location.hash) history.pushState({ request }, "", url);
  else history.replaceState(id ? { request } : null, "", url);
}

/** Called by the client with every change of the job. */
function showJob(changed) {
  if (changed !== job || job.state === "idle") return; // idle: we follow it no more, and it goes on
  const isOpen = job.state === "submitting" || job.state === "polling";
  if (job.id && !isMissing()) keep(isOpen);
  if (job.state === "cancelled") clearParts();
  else showOutline(job.outline);
  if (isOpen) {
    if (job.failures === 0) heed(job);
    return showProgress();
  }
  if (job.state === "completed") return finish();
  if (job.error?.errors?.length && !job.id) return refuse(job.error.errors);
  if (job.state === "cancelled" || job.state === "failed") {
    showOutcome();
    renderJobs();
  }
}

/** Called by the client with each part, once. */
function showPart(part, of) {
  if (of !== job) return;
  fillPart(part, view());
  if (screen === "outcome") byId("outcome-parts").hidden = false;
}

const isMissing = () => job.error?.code === "job_not_found";

/** Let the address and the history know the job, and its story be told. */
function keep(isOpen) {
  const state = isOpen ? "open" : job.state;
  const entry = { id: job.id, task: chosenTask().name, user: user(), request, state };
  isTimed ||= isOpen && job.message !== undefined;
  setAddress(job.id);
  if (!isKept) {
    isKept = true;
    const followed = job;
    followTrace(job.id, () => followed.state !== "polling", showFacts);
    if (isOurs) begin({ ...entry, at: startedAt });
  }
  const seconds = !isOpen && isTimed && !job.cached && startedAt ? (Date.now() - startedAt) / 1000 : undefined;
  remember({ ...entry, seconds });
  renderJobs();
}

/** The bar goes to its end before the result takes its place. */
function finish() {
  if (screen !== "job" || job.cached || isStill.matches) return showResults();
  const finished = job;
  fillBar();
  setTimeout(() => finished === job && !following.signal.aborted && showResults(), FILL_MS);
}

/** Back to the form, with each complaint where it belongs. */
function refuse(errors) {
  showScreen("form");
  const homeless = view().complain(errors);
  byId("form-faults").hidden = false;
  byId("form-faults").querySelector("p").textContent = texts().invalid;
  byId("form-faults")
    .querySelector("ul")
    .replaceChildren(...homeless.map(({ field, message }) => element("li", {}, field ? `${field}: ${message}` : message)));
}

// --- Screens ---------------------------------------------------------------------------------

function showScreen(name) {
  const isNew = screen !== name;
  screen = name;
  for (const each of SCREENS) byId(each).hidden = each !== name;
  placeParts(name, request?.locale);
  if (name !== "job") document.title = "Simmer";
  document.body.classList.toggle("busy", name === "job");
  byId("form-faults").hidden = true;
  const asked = request ? view().wanted(request) : "";
  for (const id of ["wanted", "outcome-wanted", "result-wanted"]) byId(id).textContent = asked;
  if (!isNew) return;
  if (name === "form") view().focus();
  else byId(name).querySelector("h2").focus({ preventScroll: true });
  if (name !== "results" || !hasParts()) window.scrollTo(0, 0); // who reads a card stays at it
}

function showProgress() {
  const waiting = job.state === "submitting" ? texts().submitting : texts().resuming;
  const message = byId("cancel").disabled ? texts().cancelling : (job.message ?? waiting);
  byId("job-title").textContent = words().jobTitle;
  byId("stage").textContent = message;
  announce(message);
  byId("trouble").hidden = job.failures === 0;
  showStages();
  showBar();
}

/** What has been, what is, what is to come. */
function showStages() {
  const own = chosenTask().words?.[language()] ?? {};
  const at = STAGES.indexOf(job.stage);
  byId("stages").replaceChildren(
    ...STAGES.map((stage, index) => {
      const text = (own[stage] ?? texts().stages[stage]).replace(/(\.\.\.|…)$/, "");
      const item = element("li", { className: index < at ? "past" : "" }, text);
      if (index === at) item.setAttribute("aria-current", "step");
      return item;
    }),
  );
}

// Between two answers the bar and the seconds go on.
setInterval(() => screen === "job" && job.state !== "completed" && showBar(), 1000);

function showResults() {
  const title = view().found(job.result);
  byId("results-title").textContent = title;
  byId("cached").hidden = !job.cached;
  byId("result").lang = request?.locale ?? "";
  keepingPlace(() => {
    byId("result").replaceChildren(...settled(view().result(job.result)));
    showScreen("results");
  });
  showFacts();
  announce(title + (job.cached ? ` (${texts().cached})` : ""));
}

let retryTimer;

function showOutcome() {
  clearTimeout(retryTimer);
  const { title, text, code, isWrong, canRetry, waitMs } = outcomeOf(job, words(), user());
  byId("outcome-title").textContent = title;
  byId("outcome-text").textContent = text;
  byId("outcome-code").textContent = code;
  byId("outcome").classList.toggle("wrong", isWrong);
  byId("retry").hidden = !request || !canRetry;
  if (waitMs < LONGEST_TIMER_MS && request) retryTimer = setTimeout(() => (byId("retry").hidden = false), waitMs);
  byId("outcome-parts").hidden = !hasParts();
  showScreen("outcome");
  showFacts();
  announce(`${title}. ${text}`);
}

/** How long it took and what it cost, as far as that is known. */
function showFacts() {
  const known = job?.id ? jobKnownAs(job.id, user()) : undefined;
  const { seconds, costMicrousd } = traceFacts();
  if (known && (seconds !== undefined || costMicrousd !== undefined)) {
    remember({ ...known, seconds: job.cached ? undefined : seconds, costMicrousd });
    renderJobs();
  }
  const took = job?.cached ? undefined : (seconds ?? known?.seconds);
  const cost = job?.cached ? undefined : (costMicrousd ?? known?.costMicrousd);
  const facts = [took > 0 && texts().took(took), cost > 0 && dollars(cost)].filter(Boolean).join(" · ");
  for (const id of ["result-facts", "outcome-facts"]) byId(id).textContent = job?.state === "polling" ? "" : facts;
  byId("trace-facts").textContent = facts;
}

const renderJobs = () =>
  renderHistory(user(), open, ({ task, request: asked }) => {
    const known = taskNamed(task);
    if (!known) return [task, ""];
    return [wordsOf(viewOf(known)).title, asked ? viewOf(known).wanted(asked) : ""];
  });

/** Show a job of the history. */
function open(entry) {
  if (!choose(entry.task)) return;
  request = entry.request;
  setAddress(entry.id);
  history.replaceState({ request }, "");
  resume(entry.id);
}

/** Another task or another language. */
function renderAnew() {
  renderJobs();
  renderTrace();
  if (chosenTask() !== jobTask) {
    // What is on the screen is of another one: it is about to go, or it is the form.
    following?.abort();
    request = undefined;
    byId("form-faults").hidden = true;
    return;
  }
  renderParts(view());
  if (screen === "results") showResults();
  if (screen === "outcome") showOutcome();
  if (screen === "job") showProgress();
  if (screen) showScreen(screen);
}

// --- The form and the buttons ----------------------------------------------------------------

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const asked = view().read();
  if (!asked) return;
  request = "locale" in (chosenTask().request.properties ?? {}) ? { ...asked, locale: language() } : asked;
  submit(byId("fresh").checked);
});

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

byId("retry").addEventListener("click", () => submit());

for (const id of ["edit", "again"]) {
  byId(id).addEventListener("click", () => {
    if (request) view().fill(request);
    setAddress(undefined);
    showScreen("form");
  });
}

byId("clear").addEventListener("click", clearWire);

// --- Start -----------------------------------------------------------------------------------

for (const id of ["history", "wire"]) byId(id).open = matchMedia("(min-width: 68rem)").matches;

offerSharing(() => ({
  title: view().found(job.result),
  text: view().text(job.result),
  json: JSON.stringify(job.result, null, 2),
}));

// A job is its user's: the other one would meet a 404.
keepSettings(() => {
  setAddress(undefined);
  request = undefined;
  forgetTrace();
  renderJobs();
  follow();
});

byId("reload").addEventListener("click", start);
window.addEventListener("popstate", follow);

async function start() {
  speak();
  const tasks = await readTasks().catch(() => []);
  byId("no-tasks").hidden = tasks.length > 0;
  if (!tasks.length) return;
  offer(tasks, renderAnew);
  follow();
  if (request) view().fill(request);
}

start();

fetch("/dev/info")
  .then((answer) => answer.json())
  .then(({ model }) => (byId("nonsense").hidden = model !== "local"))
  .catch(() => {});
