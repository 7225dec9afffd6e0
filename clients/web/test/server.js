/** A scripted HTTP and WebSocket server on 127.0.0.1, and a clock that the tests turn. */

import { createHash } from "node:crypto";
import { createServer } from "node:http";

/**
 * `server.answers("GET /recipe/status/7", …)` queues answers of that route, the last one stays:
 * {status, headers, body}, "drop" (the connection) or "hang". `server.requests` are those it got.
 * `server.sockets` are the WebSockets, and `server.onFrame(socket, frame)` is what answers.
 */
export class Server {
  requests = [];
  sockets = [];
  onFrame = () => {};
  authorize = () => true;
  #script = new Map();
  #http = createServer((request, response) => this.#answer(request, response));

  static async start(test) {
    const server = new Server();
    server.#http.on("upgrade", (request, stream) => server.#upgrade(request, stream));
    await new Promise((resolve) => server.#http.listen(0, "127.0.0.1", resolve));
    test.after(() => server.stop());
    return server;
  }

  stop() {
    for (const socket of this.sockets) socket.drop();
    this.#http.closeAllConnections();
    this.#http.close();
  }

  get url() {
    return `http://127.0.0.1:${this.#http.address().port}`;
  }

  get push() {
    return { url: `${this.url.replace("http", "ws")}/push`, token: "push-token" };
  }

  answers(route, ...answers) {
    this.#script.set(route, answers);
  }

  /** The routes that were asked, in order. */
  get routes() {
    return this.requests.map(({ route }) => route);
  }

  /** Time for whatever was sent before to arrive. */
  async roundTrips() {
    for (let trip = 0; trip < 5; trip += 1) await (await fetch(`${this.url}/trip`)).text();
  }

  async #answer(request, response) {
    if (request.url === "/trip") return void response.end();
    let text = "";
    for await (const chunk of request.setEncoding("utf8")) text += chunk;
    const route = `${request.method} ${request.url}`;
    this.requests.push({ route, headers: request.headers, body: text && JSON.parse(text) });
    if (!this.authorize(request.headers.authorization)) {
      response.writeHead(401);
      return void response.end('{"message": "Unauthorized"}');
    }
    const script = this.#script.get(route) ?? [{ status: 418, body: { title: "not scripted" } }];
    const answer = script.length > 1 ? script.shift() : script[0];
    if (answer === "hang") return;
    if (answer === "drop") return void request.socket.destroy();
    const { status = 200, headers = {}, body } = answer;
    response.writeHead(status, headers);
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  }

  // RFC 6455, as much as a text frame below 64 KB takes.
  #upgrade(request, stream) {
    const key = request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    const accept = createHash("sha1").update(key).digest("base64");
    stream.write(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    const socket = {
      frames: [],
      isOpen: true,
      send(content) {
        const text = typeof content === "string" ? content : JSON.stringify(content);
        const payload = Buffer.from(text);
        const { length } = payload;
        const head = length < 126 ? [0x81, length] : [0x81, 126, length >> 8, length & 255];
        stream.write(Buffer.concat([Buffer.from(head), payload]));
      },
      close: () => stream.write(Buffer.from([0x88, 0])),
      drop: () => stream.destroy(),
    };
    this.sockets.push(socket);
    stream.on("error", () => {});
    stream.on("close", () => (socket.isOpen = false));
    let buffer = Buffer.alloc(0);
    stream.on("data", (chunk) => {
      buffer = Buffer.concat([buffer, chunk]);
      while (buffer.length >= 6) {
        const isLong = (buffer[1] & 127) === 126;
        const start = isLong ? 8 : 6;
        const length = isLong ? buffer.readUInt16BE(2) : buffer[1] & 127;
        if (buffer.length < start + length) return;
        const mask = buffer.subarray(start - 4, start);
        const payload = buffer.subarray(start, start + length).map((byte, i) => byte ^ mask[i % 4]);
        const isClose = (buffer[0] & 15) === 8;
        buffer = buffer.subarray(start + length);
        if (isClose) return void stream.end(Buffer.from([0x88, 0]));
        socket.frames.push(JSON.parse(payload.toString()));
        this.onFrame(socket, socket.frames.at(-1));
      }
    });
  }
}

const WATCHDOGS = [15_000, 5000, 10_000, 30_000, 1500]; // request, push answer, push again (twice), on return

/** Pauses take no time and are noted; the watchdogs and push's heartbeat wait to be fired. */
export class Clock {
  pauses = [];
  #now = 1_000_000;
  #held = new Set();
  #waiting = [];

  now = () => this.#now;

  setTimeout = (callback, ms) => {
    const timer = { callback, ms, at: this.#now + ms };
    if (WATCHDOGS.includes(ms)) {
      this.#held.add(timer);
      for (const look of [...this.#waiting]) look();
    } else {
      this.pauses.push(ms);
      timer.handle = setImmediate(() => this.#fire(timer));
    }
    return timer;
  };

  clearTimeout = (timer) => {
    this.#held.delete(timer);
    clearImmediate(timer.handle);
  };

  advance(ms) {
    this.#now += ms;
  }

  isHeld = (ms) => [...this.#held].some((timer) => timer.ms === ms);

  get heldCount() {
    return this.#held.size;
  }

  /** Fire the timer of this length, as soon as there is one. */
  async fire(ms) {
    await new Promise((resolve) => {
      const look = () => {
        if (!this.isHeld(ms)) return;
        this.#waiting = this.#waiting.filter((each) => each !== look);
        resolve();
      };
      this.#waiting.push(look);
      look();
    });
    const timer = [...this.#held].find((each) => each.ms === ms);
    this.#held.delete(timer);
    this.#fire(timer);
  }

  #fire(timer) {
    this.#now = Math.max(this.#now, timer.at);
    timer.callback();
  }
}

/** An app that can be sent to the background. */
export class App {
  #hidden = false;
  #listeners = new Set();

  isHidden = () => this.#hidden;

  onChange = (listener) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  get listenerCount() {
    return this.#listeners.size;
  }

  hide() {
    this.#set(true);
  }

  show() {
    this.#set(false);
  }

  #set(hidden) {
    this.#hidden = hidden;
    for (const listener of [...this.#listeners]) listener();
  }
}
