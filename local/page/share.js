// Copying and sharing a result.

import { announce, byId } from "./dom.js";
import { texts } from "./texts.js";

const NOTED_MS = 2500;

/** `result()` is `{title, text, json}` of what is on the screen. */
export function offerSharing(result) {
  byId("copy").addEventListener("click", () => copy(result().text, byId("copy"), "copy"));
  byId("copy-json").addEventListener("click", () => copy(result().json, byId("copy-json"), "copyJson"));
  // Phones have it, few desktops do.
  byId("share").hidden = typeof navigator.share !== "function";
  byId("share").addEventListener("click", () => {
    const { title, text } = result();
    navigator.share({ title, text }).catch(() => {}); // the user thought better of it
  });
}

async function copy(text, button, key) {
  let isCopied = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    isCopied = false; // not allowed, or no safe context
  }
  const said = isCopied ? texts().copied : texts().copyFailed;
  button.textContent = said;
  announce(said);
  setTimeout(() => (button.textContent = texts()[key]), NOTED_MS);
}
