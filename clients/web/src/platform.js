// --- Time and platform -----------------------------------------------------------------------

const LONGEST_BACKOFF_MS = 10_000;

// The time of day jumps: it is set, and phones set it by themselves.
export const systemClock = {
  now: () => globalThis.performance?.now?.() ?? Date.now(),
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (timer) => clearTimeout(timer),
};

/** 1, 2, 4 s and so on, less up to half of it, so that many clients do not come back as one. */
export const backoffMs = (failures) =>
  Math.min(1000 * 2 ** (failures - 1), LONGEST_BACKOFF_MS) * (1 - Math.random() / 2);

export function documentVisibility() {
  if (typeof document === "undefined" || !("hidden" in document)) return undefined;
  return {
    isHidden: () => document.hidden,
    onChange: (callback) => {
      document.addEventListener("visibilitychange", callback);
      return () => document.removeEventListener("visibilitychange", callback);
    },
  };
}

/** Unique is enough: it is no secret. React Native has no crypto of its own. */
export const randomKey = () =>
  globalThis.crypto?.randomUUID?.() ??
  "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx".replace(/x/g, () => Math.floor(Math.random() * 16).toString(16));

export const isSecure = (baseUrl) => /^https:/i.test(absolute(baseUrl));

/** Whether an answer came by a redirect, which some platforms follow whatever they are told. */
export function isFromElsewhere({ type, redirected, url }, asked) {
  if (type === "opaqueredirect" || redirected === true) return true;
  const [from, to] = [url, asked].map((each) => (each ? originOf(absolute(each)) : undefined));
  return from !== undefined && to !== undefined && from !== to;
}

const absolute = (url) => (/^[a-z][a-z0-9+.-]*:/i.test(url) ? url : (globalThis.location?.href ?? ""));

function originOf(url) {
  try {
    return new URL(url).origin;
  } catch {
    // React Native's URL knows no origin.
    const [, scheme, host] = /^(https?):\/\/(?:[^/?#]*@)?([^/?#]+)/i.exec(url) ?? [];
    return host && `${scheme}://${host}`.toLowerCase().replace(scheme.length === 5 ? /:443$/ : /:80$/, "");
  }
}
