// --- What is ahead: how the bar goes on between two frames -------------------------------------

const SHORTEST_ASK_MS = 1000;
const LONGEST_ASK_MS = 60_000;

/** How long after its frame the next ask is wanted; undefined where that makes no sense. */
export const askAfterMs = ({ askAfterMs: ms }) =>
  Number.isFinite(ms) && ms >= SHORTEST_ASK_MS && ms <= LONGEST_ASK_MS ? ms : undefined;

/**
 * Call `show(fields)` with what each entry of a frame's `ahead` says, at its time from now on, and
 * before `untilMs`. In the background nothing is shown; on return, at once what holds by then.
 * Returns how to stop it.
 */
export function showAhead(ahead, untilMs, { now, later, isHidden, onReturn }, show) {
  const cameAt = now();
  let entries = (Array.isArray(ahead) ? ahead : [])
    .filter((each) => Number.isFinite(each?.progress) && Number.isFinite(each.afterMs))
    .filter(({ afterMs }) => afterMs > 0 && afterMs < untilMs)
    .sort((one, other) => one.afterMs - other.afterMs);
  let stopTimer = () => {};
  const goOn = () => {
    stopTimer();
    if (isHidden()) return;
    const due = entries.filter(({ afterMs }) => afterMs <= now() - cameAt);
    entries = entries.slice(due.length);
    // Who is shown something may stop us.
    if (entries.length) stopTimer = later(cameAt + entries[0].afterMs - now(), goOn);
    if (due.length) show(Object.assign({}, ...due.map(said)));
  };
  const stopListening = onReturn(goOn);
  goOn();
  return () => {
    stopTimer();
    stopListening();
  };
}

/** Nothing else is taken from an entry. */
const said = ({ progress, estimatedSecondsRemaining, stage, message }) => ({
  progress,
  ...(Number.isFinite(estimatedSecondsRemaining) && { estimatedSecondsRemaining }),
  ...(typeof stage === "string" && { stage }),
  ...(typeof message === "string" && { message }),
});
