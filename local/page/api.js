// How the page talks to Simmer: a token for the user chosen, a client for the task chosen.

import { byId } from "./dom.js";
import { SimmerClient } from "./simmer.js";
import { WatchedWebSocket, watchedFetch } from "./wire.js";

const USER = "simmer.user";
const PUSH = "simmer.push";

const select = byId("user");
const push = byId("push");

let tokenOfUser; // {user, token}

export const user = () => select.value;

async function token({ renew }) {
  if (renew || tokenOfUser?.user !== user()) {
    const name = user();
    const answer = await watchedFetch(`/dev/token?user=${encodeURIComponent(name)}`);
    if (!answer.ok) throw new Error(`no token: ${answer.status}`);
    tokenOfUser = { user: name, token: await answer.text() };
  }
  return tokenOfUser.token;
}

export const clientFor = (task) =>
  new SimmerClient({ baseUrl: "", task, token, fetch: watchedFetch, WebSocket: WatchedWebSocket, push: push.checked });

/** What the tasks say of themselves: name, languages, schemas, example, words. */
export async function readTasks() {
  const answer = await fetch("/dev/tasks", { cache: "no-store" });
  if (!answer.ok) throw new Error(`no tasks: ${answer.status}`);
  return answer.json();
}

/** Let the drawer's settings last as long as the tab. */
export function keepSettings(onUser) {
  select.value = sessionStorage.getItem(USER) ?? "alice";
  select.addEventListener("change", () => {
    sessionStorage.setItem(USER, select.value);
    onUser();
  });
  push.checked = sessionStorage.getItem(PUSH) !== "off";
  push.addEventListener("change", () => sessionStorage.setItem(PUSH, push.checked ? "on" : "off"));
}
