// The demo page: submit, poll as often as the server says, show what came of it.

const TEXTS = {
  ko: {
    ingredients: "재료 (쉼표로 구분)", example: "두부, 김치, 대파", count: "레시피 수", locale: "언어",
    user: "사용자", fresh: "저장된 답을 쓰지 않고 새로 만들기", submit: "레시피 추천받기", cancel: "취소",
    submitting: "보내는 중…", cancelled: "취소했습니다.", cached: "저장된 답",
    unreachable: "서버에 연결할 수 없습니다. 잠시 후 다시 시도해 주세요.",
    refused: "요청이 받아들여지지 않았습니다", failed: "실패했습니다.", retry: "다시 시도할 수 있습니다.",
    nonsense: "작은 실제 모델(SmolLM2-135M)이 답합니다. 레시피는 엉터리이고, 실패하는 일도 많습니다.",
    minutes: (n) => `${n}분`, servings: (n) => `${n}인분`,
    easy: "쉬움", medium: "보통", hard: "어려움",
  },
  en: {
    ingredients: "Ingredients, separated by commas", example: "tofu, kimchi, spring onion",
    count: "Recipes", locale: "Language", user: "User",
    fresh: "Make it anew, without a stored answer", submit: "Recommend recipes", cancel: "Cancel",
    submitting: "Sending…", cancelled: "Cancelled.", cached: "Stored answer",
    unreachable: "The server cannot be reached. Please try again in a moment.",
    refused: "The request was not accepted", failed: "That failed.", retry: "You can try again.",
    nonsense: "A real but tiny model (SmolLM2-135M) answers. Its recipes are nonsense, and many requests fail.",
    minutes: (n) => `${n} min`, servings: (n) => `serves ${n}`,
    easy: "easy", medium: "medium", hard: "hard",
  },
};

// A poll may fail for a moment, on a train; this many in a row are an error.
const MOST_FAILED_POLLS = 5;
const FALLBACK_POLL_MS = 2000;

const form = document.querySelector("#form");
const byId = (id) => document.getElementById(id);
let job = null; // {url, cancelUrl, token} of the job being followed

const texts = () => TEXTS[form.locale.value];
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function translate() {
  document.documentElement.lang = form.locale.value;
  for (const node of document.querySelectorAll("[data-text]")) {
    node.textContent = texts()[node.dataset.text];
  }
  form.ingredients.placeholder = texts().example;
}

form.locale.addEventListener("change", translate);
translate();

fetch("/dev/info").then((answer) => answer.json()).then(({ model }) => {
  byId("nonsense").hidden = model !== "local";
}).catch(() => {});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  byId("submit").disabled = true;
  byId("recipes").replaceChildren();
  say(texts().submitting);
  try {
    await recommend();
  } catch (error) {
    say(error instanceof Refusal ? error.message : texts().unreachable, true);
  } finally {
    job = null;
    byId("submit").disabled = false;
    byId("cancel").hidden = true;
    byId("progress").hidden = true;
  }
});

byId("cancel").addEventListener("click", async () => {
  if (!job) return;
  byId("cancel").disabled = true;
  // What comes of it is seen by the next poll.
  await fetch(job.cancelUrl, { method: "POST", headers: job.headers }).catch(() => {});
});

/** What the API said in its own words, for the user to read. */
class Refusal extends Error {}

async function recommend() {
  const user = encodeURIComponent(form.user.value);
  const token = await (await fetch(`/dev/token?user=${user}`)).text();
  const headers = { Authorization: `Bearer ${token}` };
  const answer = await call("/recipe/generate", {
    method: "POST",
    headers: {
      ...headers,
      "Content-Type": "application/json",
      ...(form.fresh.checked ? { "Cache-Control": "no-cache" } : {}),
    },
    body: JSON.stringify({
      ingredients: form.ingredients.value.split(",").map((each) => each.trim()).filter(Boolean),
      count: Number(form.count.value),
      locale: form.locale.value,
    }),
  });
  if (answer.status === "completed") {
    say("");
    showRecipes(answer.result, answer.cached);
    return;
  }
  const url = new URL(answer.statusUrl, location.href);
  job = { cancelUrl: `/recipe/cancel/${encodeURIComponent(answer.jobId)}`, headers };
  byId("cancel").hidden = false;
  byId("cancel").disabled = false;
  // The path alone: behind a proxy, the API may not know its own address.
  await follow(url.pathname + url.search, headers);
}

async function follow(url, headers) {
  say("");
  byId("progress").hidden = false;
  for (let failedPolls = 0; ; ) {
    let status;
    try {
      status = await call(url, { headers });
      failedPolls = 0;
    } catch (error) {
      if (error instanceof Refusal || ++failedPolls >= MOST_FAILED_POLLS) throw error;
      await sleep(FALLBACK_POLL_MS);
      continue;
    }
    byId("bar").value = status.progress;
    byId("stage").textContent = status.message ?? "";
    byId("percent").textContent = `${Math.floor(status.progress)} %`;
    switch (status.status) {
      case "completed":
        return showRecipes(status.result, false);
      case "cancelled":
        return say(texts().cancelled);
      case "failed":
        return say(`${status.error ?? texts().failed} ${status.retryable ? texts().retry : ""}`, true);
    }
    await sleep(status.pollAfterMs ?? FALLBACK_POLL_MS);
  }
}

/** Fetch JSON. A Refusal says what the API found wrong; other errors are of the network. */
async function call(url, options) {
  const response = await fetch(url, options);
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  if (response.status >= 500) throw new Error(`status ${response.status}`);
  const faults = (body.errors ?? []).map((each) => `${each.field}: ${each.message}`);
  const reason = body.detail ?? body.title ?? body.message ?? `HTTP ${response.status}`;
  throw new Refusal([`${texts().refused}: ${reason}`, ...faults].join("\n"));
}

function say(message, isWrong = false) {
  byId("status").textContent = message;
  byId("status").classList.toggle("wrong", isWrong);
}

function showRecipes(result, isCached) {
  const cards = result.recipes.map(card);
  if (isCached) cards.unshift(element("p", "badge", texts().cached));
  byId("recipes").replaceChildren(...cards);
}

function card(recipe) {
  const node = element("article", "recipe");
  const facts = [
    texts().minutes(recipe.cookingTime), texts()[recipe.difficulty], texts().servings(recipe.servings),
  ];
  const list = element("ul", "");
  list.append(
    ...recipe.ingredients.map((each) => element("li", "", each)),
    ...(recipe.additionalIngredients ?? []).map((each) => element("li", "extra", each)),
  );
  node.append(element("h2", "", recipe.name), element("p", "facts", facts.join(" · ")));
  if (recipe.description) node.append(element("p", "", recipe.description));
  node.append(list, element("p", "steps", recipe.instructions));
  return node;
}

// Text nodes only: what a model wrote never becomes markup.
function element(tag, className, text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.textContent = text;
  return node;
}
