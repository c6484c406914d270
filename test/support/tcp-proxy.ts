// A TCP proxy on loopback between a client and a server, which makes the path between them bad.
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { parseAddress } from "../../src/endpoint.ts";

/** Bytes that one direction holds before it stops reading, as a path with full buffers does. */
const MOST_HELD_BYTES = 1 << 20;

/** A proxy that listens on 127.0.0.1. What it is told counts for the connections it has and for those to come. */
export interface TcpProxy {
  readonly port: number;
  /** `127.0.0.1:port`. */
  readonly address: string;
  /** How many connections were ever accepted. */
  readonly accepted: number;
  /** How many are open on the client's side. */
  readonly open: number;
  /** `host:port` that new connections are passed on to; may be changed. */
  target: string;
  /** What every byte takes longer in each direction, in milliseconds. */
  delay(ms: number): void;
  /**
   * Nothing gets through any more, neither bytes nor the end of a connection; new connections are accepted, as the
   * kernel does it, and stay silent. What was sent meanwhile arrives after `heal()`, as TCP would send it again.
   */
  blackHole(): void;
  /** Ends a black hole. */
  heal(): void;
  /** Ends all present connections with a reset on both sides. */
  cut(): void;
  /** Does that by itself when so many bytes more have gone to clients; then again after the next number of bytes. */
  cutAfter(...bytes: readonly number[]): void;
  /** Flips a bit of the last byte of what goes next to a client, or to a server. */
  corrupt(to: "client" | "server"): void;
  /** Ends the server's side of all present connections; the client's side stays open and silent. */
  halfOpen(): void;
  /** Stops listening, so that new connections are refused; those that are open stay. */
  refuse(): Promise<void>;
  /** Listens again on the same port after `refuse()`. */
  listen(): Promise<void>;
  /** Ends everything. Safe to call twice. */
  close(): Promise<void>;
}

/** Starts one in front of `target` (`host:port`). */
export async function startTcpProxy(target: string): Promise<TcpProxy> {
  const pairs = new Set<Pair>();
  const cut = () => {
    for (const pair of [...pairs]) pair.cut();
  };
  let cuts: number[] = [];
  const passed = (bytes: number) => {
    if (cuts.length === 0) return;
    cuts[0]! -= bytes;
    if (cuts[0]! > 0) return;
    cuts.shift();
    cut();
  };
  const state: Path = { target, delayMs: 0, holding: false, corrupting: undefined, passed };
  let accepted = 0;
  let port = 0;
  let server: Server | undefined;

  const listen = async () => {
    if (server !== undefined) return;
    const listening = server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      accepted++;
      const pair = new Pair(client, state, () => pairs.delete(pair));
      pairs.add(pair);
    });
    await new Promise<void>((resolve, reject) => {
      listening.once("error", reject);
      listening.listen(port, "127.0.0.1", resolve);
    });
    port = (listening.address() as AddressInfo).port;
  };
  // The server's own `close` waits for its connections, which may stay.
  const refuse = () => {
    const listening = server;
    server = undefined;
    listening?.close();
    return Promise.resolve();
  };
  await listen();

  return {
    port,
    address: `127.0.0.1:${port}`,
    get accepted() {
      return accepted;
    },
    get open() {
      return pairs.size;
    },
    get target() {
      return state.target;
    },
    set target(value) {
      state.target = value;
    },
    delay(ms) {
      state.delayMs = ms;
    },
    blackHole() {
      state.holding = true;
    },
    heal() {
      state.holding = false;
      for (const pair of pairs) pair.flow();
    },
    cut,
    cutAfter: (...bytes) => void (cuts = [...bytes]),
    corrupt: (to) => void (state.corrupting = to),
    halfOpen() {
      for (const pair of pairs) pair.loseServer();
    },
    refuse,
    listen,
    async close() {
      await refuse();
      cut();
    },
  };
}

/** How the path behaves now. */
interface Path {
  target: string;
  delayMs: number;
  holding: boolean;
  /** Whose next bytes are made wrong. */
  corrupting: "client" | "server" | undefined;
  /** Told of bytes that went to a client. */
  passed(bytes: number): void;
}

/** A client's connection and the one that it is passed on to. */
class Pair {
  readonly #client: Socket;
  readonly #path: Path;
  readonly #onEnd: () => void;
  #server: Socket | undefined;
  #up: Direction | undefined;
  #down: Direction | undefined;
  #over = false;

  constructor(client: Socket, path: Path, onEnd: () => void) {
    this.#client = client;
    this.#path = path;
    this.#onEnd = onEnd;
    client.on("error", () => this.#gone(client));
    client.on("close", () => this.#gone(client));
    if (path.holding) client.pause();
    else this.#dial();
  }

  /** Goes on after a black hole. */
  flow(): void {
    if (this.#over) return;
    if (this.#up === undefined) return this.#dial();
    this.#up.flow();
    this.#down?.flow();
    if (this.#client.destroyed) this.#gone(this.#client);
    else if (this.#server?.destroyed) this.#gone(this.#server);
  }

  cut(): void {
    this.#over = true;
    for (const socket of [this.#client, this.#server]) if (socket?.destroyed === false) socket.resetAndDestroy();
    this.#forget();
  }

  loseServer(): void {
    const server = this.#server;
    this.#up?.stop();
    this.#down?.stop();
    // What the client sends is read and lost; it hears nothing.
    this.#client.resume();
    this.#server = undefined;
    server?.destroy();
  }

  #dial(): void {
    const { host, port } = parseAddress(this.#path.target);
    const client = this.#client;
    const server = this.#server = connect({ host, port, allowHalfOpen: true, noDelay: true });
    server.on("error", () => this.#gone(server));
    server.on("close", () => this.#gone(server));
    this.#up = new Direction(client, server, this.#path, "server");
    this.#down = new Direction(server, client, this.#path, "client");
    client.resume();
  }

  /** One side has ended altogether. */
  #gone(socket: Socket): void {
    if (this.#over || (socket !== this.#client && socket !== this.#server)) return;
    // The client's end of a black-holed connection is not heard; nor is that of a server.
    if (this.#path.holding && this.#server !== undefined) return;
    const other = socket === this.#client ? this.#server : this.#client;
    const rest = socket === this.#client ? this.#up : this.#down;
    this.#over = true;
    const end = () => {
      other?.destroy();
      this.#forget();
    };
    if (rest === undefined || rest.held === 0) end();
    else rest.onEmpty = end;
  }

  #forget(): void {
    this.#up?.stop();
    this.#down?.stop();
    this.#onEnd();
  }
}

/** What goes from one socket to the other. */
class Direction {
  onEmpty: (() => void) | undefined;
  held = 0;
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #path: Path;
  /** Bytes, or undefined for the end of the stream, and when they are due. */
  readonly #queue: { dueMs: number; bytes: Uint8Array | undefined }[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #full = false;
  #stopped = false;
  readonly #side: "client" | "server";

  constructor(from: Socket, to: Socket, path: Path, side: "client" | "server") {
    this.#from = from;
    this.#to = to;
    this.#path = path;
    this.#side = side;
    from.on("data", (bytes: Uint8Array) => this.#push(bytes));
    from.on("end", () => this.#push(undefined));
    to.on("drain", () => {
      this.#full = false;
      this.flow();
    });
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#queue.length = 0;
    this.held = 0;
  }

  #push(bytes: Uint8Array | undefined): void {
    if (this.#stopped) return;
    if (bytes !== undefined && this.#path.corrupting === this.#side) {
      this.#path.corrupting = undefined;
      bytes[bytes.length - 1]! ^= 1;
    }
    this.#queue.push({ dueMs: performance.now() + this.#path.delayMs, bytes });
    this.held += bytes?.length ?? 1;
    if (this.held > MOST_HELD_BYTES) this.#from.pause();
    this.flow();
  }

  /** Passes on what is due. */
  flow(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (!this.#stopped && !this.#full && !this.#path.holding) {
      const head = this.#queue[0];
      if (head === undefined) break;
      const waitMs = head.dueMs - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.flow(), waitMs);
        return;
      }
      this.#queue.shift();
      this.held -= head.bytes?.length ?? 1;
      if (this.#to.destroyed) continue;
      if (head.bytes === undefined) this.#to.end();
      else {
        this.#full = !this.#to.write(head.bytes);
        if (this.#side === "client") this.#path.passed(head.bytes.length);
      }
    }
    if (this.#stopped || this.held > MOST_HELD_BYTES) return;
    if (this.#from.isPaused()) this.#from.resume();
    if (this.held === 0) this.onEmpty?.();
  }
}
