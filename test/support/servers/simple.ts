// An ordinary server of the demo service, in the process of the test.
import { createSecureServer, createServer, type Http2Server, type SecureServerOptions } from "node:http2";
import type { AddressInfo } from "node:net";
import type { ConnectRouter, HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { Simple } from "../../../gen/simple_pb.ts";

/** A server of the demo service. */
export interface SimpleServer {
  readonly port: number;
  /** `127.0.0.1:port`. */
  readonly address: string;
  readonly server: Http2Server;
  /** What requests came: `data` of every request message, in order. */
  readonly received: readonly string[];
  /** The contexts of all calls so far. */
  readonly calls: readonly HandlerContext[];
  /** Stops listening and ends all connections. */
  close(): Promise<void>;
}

/** Options of {@link startSimpleServer}. */
export interface SimpleServerOptions {
  /** Speak TLS with these. */
  tls?: SecureServerOptions;
  /** Listen here in place of a free port of 127.0.0.1. */
  path?: string;
  /** Replaces the methods it names. */
  methods?: Partial<ServiceImpl<typeof Simple>>;
}

/** Starts one on a free port of 127.0.0.1. */
export async function startSimpleServer(options: SimpleServerOptions = {}): Promise<SimpleServer> {
  const received: string[] = [];
  const calls: HandlerContext[] = [];
  const hear = (data: string, context?: HandlerContext) => {
    received.push(data);
    if (context !== undefined) calls.push(context);
    return data;
  };
  const methods: ServiceImpl<typeof Simple> = {
    route: ({ data }, context) => ({ code: 200, value: `hello ${hear(data, context)}` }),
    async *routeServerStream({ data }, context) {
      hear(data, context);
      for (let i = 0; i < 3; i++) yield { code: 200, value: `hello ${data} ${i}` };
    },
    async routeClientStream(requests, context) {
      let count = 0;
      for await (const { data } of requests) hear(data, count++ === 0 ? context : undefined);
      return { code: 200, value: `hello ${count}` };
    },
    async *routeBidiStream(requests, context) {
      let count = 0;
      for await (const { data } of requests) {
        yield { code: 200, value: `hello ${hear(data, count++ === 0 ? context : undefined)}` };
      }
    },
    ...options.methods,
  };
  const handler = connectNodeAdapter({ routes: (router: ConnectRouter) => void router.service(Simple, methods) });
  const server = options.tls === undefined ? createServer(handler) : createSecureServer(options.tls, handler);
  const sessions = new Set<{ destroyed: boolean; destroy(error?: Error): void }>();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
    // A client that goes away is no failure of the test.
    session.on("error", () => {});
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    if (options.path === undefined) server.listen(0, "127.0.0.1", resolve);
    else server.listen(options.path, resolve);
  });
  const port = options.path === undefined ? (server.address() as AddressInfo).port : 0;
  return {
    port,
    address: options.path === undefined ? `127.0.0.1:${port}` : `unix:${options.path}`,
    server,
    received,
    calls,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const session of sessions) if (!session.destroyed) session.destroy(new Error("the test server is closed"));
      await closed;
    },
  };
}
