export const byId = (id) => document.getElementById(id);

/** A node with children: text stays text, so nothing a server or a model wrote becomes markup. */
export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children.filter((child) => child !== undefined));
  return node;
}

export function button(text, onClick, properties = {}) {
  const node = element("button", { type: "button", ...properties }, text);
  node.addEventListener("click", onClick);
  return node;
}

let count = 0;

/** An id that no other node has. */
export const freshId = () => `n${(count += 1)}`;

let last;

/** Let a screen reader say it, unless it has just said so. */
export function announce(message) {
  if (message && message !== last) byId("announcer").textContent = message;
  last = message;
}
