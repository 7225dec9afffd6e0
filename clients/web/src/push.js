import { askAfterMs } from "./ahead.js";
import { parsed, readStatus } from "./answers.js";

// --- Push ------------------------------------------------------------------------------------

const PUSH_EVERY_MS = 10_000; // subscribed again this often, where the frame does not say
const PUSH_QUEUED_MS = 1000; // doubles up to that: an older server does not tell a job's turn
const PUSH_TIMEOUT_ON_RETURN_MS = 1500; // while asleep, most sockets do die

/** Follow a job over the socket. Ends when the job has, or when it is to be polled instead. */
export function listen({ url, token }, jobId, { WebSocket, pushTimeoutMs }, watch) {
  return new Promise((resolve) => {
    let socket;
    let isOpen = false;
    let stopTimer = () => {};
    let queuedMs = PUSH_QUEUED_MS / 2;
    const close = () => {
      stopTimer();
      stopListening();
      stopWatching();
      if (socket) {
        socket.onopen = socket.onmessage = socket.onerror = socket.onclose = null;
        try {
          socket.close();
        } catch {
          // Some throw while they are still connecting.
        }
      }
      resolve();
    };
    const expectAnswer = (withinMs) => {
      stopTimer();
      stopTimer = watch.later(Math.min(withinMs, watch.leftMs()), close);
    };
    const subscribe = (withinMs) => {
      if (watch.leftMs() === 0) return close(); // the last look is a poll
      expectAnswer(withinMs);
      queuedMs *= 2;
      try {
        socket.send(JSON.stringify({ action: "subscribe", jobId, token }));
      } catch {
        close();
      }
    };
    const stopListening = watch.onReturn(() => isOpen && subscribe(PUSH_TIMEOUT_ON_RETURN_MS));
    const stopWatching = watch.onEnd(close);
    expectAnswer(pushTimeoutMs);
    try {
      socket = new WebSocket(url);
    } catch {
      return close(); // switched off, not to be had here, or not with this URL
    }
    socket.onopen = () => {
      isOpen = true;
      subscribe(pushTimeoutMs);
    };
    socket.onerror = socket.onclose = close;
    socket.onmessage = ({ data }) => {
      const document = readStatus(jobId)({ body: parsed(data) });
      // A problem, garbage, or a result too large for a frame: polling deals with all of them.
      if (!document || watch.lacksParts(document)) return close();
      stopTimer();
      const unsaidMs = document.stage === "queued" ? Math.min(queuedMs, PUSH_EVERY_MS) : PUSH_EVERY_MS;
      const againMs = askAfterMs(document) ?? unsaidMs;
      watch.take(document, againMs);
      if (watch.isOver()) return;
      stopTimer = watch.later(Math.min(againMs, watch.leftMs()), () => {
        if (!watch.isHidden()) subscribe(pushTimeoutMs);
      });
    };
  });
}
