// The drawer: what goes over the wire, as it goes, for a developer who came to learn the API.

import { byId, element } from "./dom.js";
import { texts } from "./texts.js";

const MOST_ENTRIES = 100;
const MASK = "•••";

const log = byId("log");
let seen = 0;

/** A fetch that shows what it sends and gets. */
export async function watchedFetch(url, options = {}) {
  const method = options.method ?? "GET";
  const path = shortened(new URL(url, location.href));
  const entry = add(method, path);
  entry.show(texts().request, { headers: masked(options.headers), body: read(options.body) });
  const start = performance.now();
  try {
    const response = await fetch(url, options);
    const ms = Math.round(performance.now() - start);
    entry.conclude(`${response.status}`, `${ms} ms`, response.ok ? "" : "wrong");
    const isToken = path.startsWith("/dev/token");
    response
      .clone()
      .text()
      .then((text) => {
        const headers = ["location", "retry-after"].map((name) => [name, response.headers.get(name)]);
        entry.show(`${texts().answer} ${response.status}`, {
          headers: Object.fromEntries(headers.filter(([, value]) => value)),
          body: isToken && response.ok ? MASK : read(text),
        });
      })
      .catch(() => {}); // it was broken off
    return response;
  } catch (error) {
    entry.conclude("—", texts().noAnswer, "wrong");
    throw error;
  }
}

/** A WebSocket that shows its frames. */
export class WatchedWebSocket extends WebSocket {
  constructor(url) {
    super(url);
    const entry = add("WS", shortened(new URL(url)));
    this.show = entry.show;
    this.addEventListener("open", () => entry.conclude("101", texts().opened));
    this.addEventListener("message", ({ data }) => entry.show(`← ${texts().received}`, { body: read(data) }));
    this.addEventListener("close", ({ code }) => {
      // 1005 is no code at all: neither side gave one, which says nothing of how it went.
      if (code === 1005) entry.conclude("—", texts().closed, "neutral");
      else entry.conclude(`${code}`, texts().closed, code < 1002 ? "" : "wrong");
    });
  }

  send(data) {
    this.show(`→ ${texts().sent}`, { body: read(data) });
    super.send(data);
  }
}

export function clearWire() {
  seen = 0;
  log.replaceChildren();
  byId("wire-count").textContent = "";
}

function add(method, path) {
  seen += 1;
  byId("wire-count").textContent = `${seen}`;
  const status = element("span", { className: "status" }, "…");
  const note = element("span", { className: "note" });
  const summary = element(
    "summary",
    {},
    element("b", {}, method),
    element("span", { className: "path" }, path),
    status,
    note,
  );
  const details = element("details", {}, summary);
  log.prepend(element("li", {}, details));
  while (log.children.length > MOST_ENTRIES) log.lastChild.remove();
  return {
    show(title, { headers = {}, body = "" }) {
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
      const text = [lines.join("\n"), body].filter(Boolean).join("\n\n");
      const block = element("pre", { tabIndex: 0 }, text || "—");
      details.append(element("h3", {}, title), block);
    },
    /** `tone`: nothing, which is well, or "wrong", or "neutral". */
    conclude(code, remark, tone = "") {
      status.textContent = code;
      status.className = `status ${tone}`.trim();
      note.textContent = remark;
    },
  };
}

/** Indented where it is JSON, and without tokens and tickets. */
function read(text) {
  if (!text) return "";
  try {
    const hideTokens = (key, value) =>
      key === "token" ? MASK : typeof value === "string" ? withoutTicket(value) : value;
    return JSON.stringify(JSON.parse(text, hideTokens), null, 2);
  } catch {
    return String(text);
  }
}

const masked = (headers = {}) => ({
  ...headers,
  ...("Authorization" in headers ? { Authorization: `Bearer ${MASK}` } : {}),
});

/** The address of a socket opens it. */
const withoutTicket = (address) => address.replace(/\bticket=[^&#\s]+/g, `ticket=${MASK}`);

/** The path and the query; of the emulator's long paths the end. */
const shortened = ({ pathname, search }) =>
  withoutTicket(pathname.replace(/^\/_aws\/execute-api\/[^/]+/, "") + search);
