import { Dispatcher } from "../grpc/server/dispatcher.ts";
import { type FetchHandler, fetchHandler } from "../grpc/server/fetch-handler.ts";
import { httpAnswer } from "../grpc/server/http-answer.ts";
import { Services } from "../grpc/server/services.ts";
import type { ByteStream } from "../http2/byte-stream.ts";
import type { Peer } from "../http2/server/peer.ts";
import { checkOptions, type Checks, kind, quoted, wholeNumber } from "../option.ts";
import type { Duplex } from "../socket/duplex.ts";
import { DuplexStream } from "../socket/duplex-stream.ts";
import type { ListenAddress, ListenOptions } from "../socket/listener.ts";
import { hostOf } from "./host-of.ts";
import type { GrpcServerOptions } from "./options.ts";
import type { ServerRuntime } from "./runtime.ts";
import type { ServerSnapshot } from "./snapshot.ts";
import { withStandardServices } from "./standard-services.ts";

/** A gRPC server. */
export interface GrpcServer extends AsyncDisposable {
  /**
   * Listens on a port, of one address or of all, or on a Unix domain socket, and resolves with where; may be called more
   * than once. Rejects if that is not possible, such as when the port is in use.
   *
   * @throws TypeError or RangeError for an invalid option, from the promise
   */
  listen(options?: ListenOptions): Promise<ListenAddress>;
  /**
   * Serves one connection over something else than a listening socket: a byte stream, or a duplex stream of
   * `node:stream` such as one of a `duplexPair()`.
   *
   * @throws TypeError for anything else
   */
  serveConnection(stream: ByteStream | Duplex, client?: Peer): void;
  /**
   * The same services over Connect and gRPC-Web for whatever serves fetch requests, such as `Bun.serve`, `Deno.serve` or a
   * framework. `connect-lb/server-fetch` makes one without Node's modules.
   */
  readonly handler: FetchHandler;
  /** How many connections are open. */
  readonly connections: number;
  /** The current state: where it listens, its connections and its calls. */
  snapshot(): ServerSnapshot;
  /** Reports NOT_SERVING to health checks; `shutdown()` begins with it. */
  stopServing(): void;
  /**
   * Stops listening, asks clients to send their calls elsewhere (GOAWAY), and lets calls in flight finish. Streams of
   * health checks and load reports end at once. Resolves, and calls `done`, when all connections have ended.
   * `shutdown()` does more. `await using server = createGrpcServer(…)` calls it at the end of the block.
   */
  close(done?: () => void): Promise<void>;
  /** Ends all connections now, with their calls. */
  closeAllConnections(): void;
}

/** Makes a server of valid options. @throws whatever `routes` throws */
export function createServerOver<Tls>(options: GrpcServerOptions<Tls>, runtime: ServerRuntime<Tls>): GrpcServer {
  const ended = new AbortController();
  const { health, names, options: served, recorder } = withStandardServices(options, ended.signal);
  const { clock } = options;
  const services = new Services(served, recorder, clock);
  const host = hostOf(options, runtime, {
    accept: new Dispatcher(services, clock).accept,
    http1: runtime.http1?.(httpAnswer(services)),
    tlsOf: "the server",
  });
  const handler = fetchHandler(services);
  /** Requests can arrive: services without a status of their own are SERVING from now on. */
  const serving = () => {
    for (const name of names) if (health?.status(name) === undefined) health?.setStatus(name, "SERVING");
    names.clear();
  };
  const close = async () => {
    ended.abort();
    await host.close();
  };
  const server: GrpcServer = {
    handler(request) {
      serving();
      return handler(request);
    },
    get connections() {
      return host.size;
    },
    async listen(where = {}) {
      checkOptions("listen()", where, LISTEN);
      const { host: name, path, port } = where;
      if (path !== undefined && (port !== undefined || name !== undefined)) {
        throw new TypeError("listen() takes a port, with a host or without, or a path");
      }
      const address = await host.listen(where);
      serving();
      return address;
    },
    serveConnection(stream, client = {}) {
      const bytes = byteStreamOf(stream);
      serving();
      host.serve(bytes, client);
    },
    snapshot() {
      return host.snapshot(services.calls);
    },
    stopServing() {
      health?.shutdown();
    },
    async close(done) {
      await close();
      done?.();
    },
    [Symbol.asyncDispose]: close,
    closeAllConnections() {
      host.destroy();
    },
  };
  options.channelz?.add(server);
  return server;
}

/** What `serveConnection` takes as a byte stream. @throws TypeError for anything else */
export function byteStreamOf(stream: ByteStream | Duplex): ByteStream {
  const has = (name: string) =>
    typeof (stream as unknown as Partial<Record<string, unknown>> | null)?.[name] === "function";
  if (!["write", "end", "destroy", "pause", "resume"].every(has) || !(has("start") || has("on"))) {
    throw new TypeError(
      `serveConnection() takes a byte stream, or a duplex stream of node:stream such as a socket, not ${
        quoted(stream)
      }`,
    );
  }
  return has("start") ? stream as ByteStream : new DuplexStream(stream as Duplex);
}

/** The checks of {@link ListenOptions}. */
export const LISTEN: Checks<ListenOptions> = {
  port: wholeNumber(0, 65_535),
  host: kind('a host such as "127.0.0.1"', (value) => typeof value === "string" && value !== ""),
  path: kind(
    'the path of a Unix domain socket, such as "/run/app.sock" and without "unix:"',
    (value) => typeof value === "string" && value !== "" && !value.startsWith("unix:"),
  ),
};
