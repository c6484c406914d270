import net from "node:net";
import tls from "node:tls";
import type { ClientHttp2Stream } from "node:http2";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import type { Connector, Link, LinkEvents } from "../connection/link.ts";
import { markAttempt } from "../connection/mark.ts";
import { type Endpoint, parseAddress } from "../endpoint.ts";
import { Session } from "./session.ts";

/** How to speak TLS; the fields are those of `tls.connect` in `node:tls`. An empty object: the system's own CAs. */
export type TlsOptions = Pick<
  tls.ConnectionOptions,
  "ca" | "cert" | "key" | "passphrase" | "servername" | "rejectUnauthorized" | "checkServerIdentity"
>;

/** When to ask a silent server whether it is still there. */
export interface KeepaliveOptions {
  /** Time between pings while calls are in flight, in milliseconds. gRPC: GRPC_ARG_KEEPALIVE_TIME_MS. */
  intervalMs: number;
  /** How long to wait for the answer, in milliseconds. Defaults to 20,000. gRPC: GRPC_ARG_KEEPALIVE_TIMEOUT_MS. */
  timeoutMs?: number;
}

/** Options of {@link grpcConnector}. */
export interface GrpcConnectorOptions {
  /** TLS for endpoints that don't say `secure: false`. Undefined: plaintext, except for `secure: true`. */
  tls?: TlsOptions;
  /**
   * Pings while calls are in flight, to notice peers that vanished without a word. Off by default, as in gRPC: many
   * servers end connections that ping more often than they allow (grpc-go: every 5 minutes unless configured).
   */
  keepalive?: KeepaliveOptions;
  /** How long opening may take until the server's SETTINGS are there, in milliseconds. Defaults to 20,000 (gRPC). */
  connectTimeoutMs?: number;
  /** Run once per attempt, after the balanced transport's own, and see the URL of the endpoint. */
  interceptors?: Interceptor[];
}

/**
 * gRPC over HTTP/2 for Node, Bun and Deno: one connection per endpoint, opened ahead of calls, over plaintext or TLS.
 *
 * An endpoint's address is `host:port` or `unix:/path`; its `authority`, if any, is what the server is called by
 * (`:authority`, and TLS server name unless `tls.servername` is given), whatever the address.
 *
 * Calls on a link that isn't open are not sent: the balanced transport opens links and waits for them.
 *
 * @throws TypeError or RangeError for options of the wrong type or range.
 */
export function grpcConnector(options: GrpcConnectorOptions = {}): Connector {
  const connectTimeoutMs = positive("connectTimeoutMs", options.connectTimeoutMs ?? 20_000);
  const keepalive = options.keepalive && {
    intervalMs: positive("keepalive.intervalMs", options.keepalive.intervalMs),
    timeoutMs: positive("keepalive.timeoutMs", options.keepalive.timeoutMs ?? 20_000),
  };
  return (endpoint, events) => {
    const { origin, dial } = target(endpoint, options.tls);
    const open = (link: Pick<LinkEvents, "draining"> & { lost(cause: Error): void }) =>
      new Session({
        dial,
        origin,
        address: endpoint.address,
        connectTimeoutMs,
        keepalive,
        onDraining: link.draining,
        onLost: link.lost,
      });
    return grpcLink(endpoint, origin, open, events, options.interceptors ?? []);
  };
}

/** A link over one session at a time; sessions that drain live on beside it. */
function grpcLink(
  endpoint: Endpoint,
  origin: string,
  dial: (events: { draining(): void; lost(cause: Error): void }) => Session,
  events: LinkEvents,
  interceptors: Interceptor[],
): Link {
  const sessions = new Set<Session>();
  let current: Session | undefined;
  let closed = false;
  const notSent = (why: string, cause?: unknown) => {
    const text = `the request was not sent: the connection to ${endpoint.address} ${why}`;
    return markAttempt(new ConnectError(text, Code.Unavailable, undefined, undefined, cause), "not-sent");
  };
  return {
    transport: createGrpcTransport({
      baseUrl: origin,
      interceptors,
      sessionManager: {
        authority: origin,
        async request(method, path, headers) {
          const session = current;
          if (session === undefined) throw notSent("is not open");
          if (!session.isOpen) {
            current = undefined;
            events.lost(new Error("the peer closed the connection"));
            throw notSent("is closed");
          }
          try {
            const authority = origin.slice(origin.indexOf("//") + 2);
            const stream = await session.request({
              ...headers,
              ":method": method,
              ":path": path,
              ":authority": authority,
            });
            return stream as unknown as ClientHttp2Stream;
          } catch (error) {
            throw notSent("ended", error);
          }
        },
        notifyResponseByteRead() {},
      },
    }),
    async connect(signal) {
      if (closed) throw new Error(`the link to ${endpoint.address} is closed`);
      if (current?.isOpen) return;
      const session = dial({
        draining() {
          if (current !== session) return;
          current = undefined;
          events.draining();
        },
        lost(cause) {
          sessions.delete(session);
          if (current !== session) return;
          current = undefined;
          events.lost(cause);
        },
      });
      sessions.add(session);
      try {
        await session.open(signal);
      } catch (error) {
        sessions.delete(session);
        throw error;
      }
      if (!session.isOpen) throw new Error(`the server at ${endpoint.address} closed the connection at once`);
      current = session;
    },
    async close(graceMs = 0) {
      closed = true;
      current = undefined;
      await Promise.all([...sessions].map((session) => session.close(graceMs)));
    },
  };
}

/** Where an endpoint is dialled and what it is called. */
function target(endpoint: Endpoint, options: TlsOptions | undefined): { origin: string; dial(): net.Socket } {
  const { address } = endpoint;
  const unix = address.startsWith("unix:");
  const where = unix ? { path: address.slice("unix:".length) } : parseAddress(address);
  const name = endpoint.authority ?? (unix ? "localhost" : address);
  const secure = endpoint.secure ?? options !== undefined;
  const url = `${secure ? "https" : "http"}://${name}`;
  if (!URL.canParse(url) || new URL(url).pathname !== "/") {
    throw new TypeError(
      `authority ${JSON.stringify(name)} is no host name: expected for example "api.example.com:443"`,
    );
  }
  const { origin, hostname } = new URL(url);
  if (!secure) return { origin, dial: () => net.connect(where) };
  // A server name is for names only (RFC 6066, 3); an IP is verified against the certificate's IP addresses.
  const servername = options?.servername ?? (net.isIP(hostname.replace(/^\[|\]$/g, "")) === 0 ? hostname : undefined);
  const named = servername === undefined ? options : { ...options, servername };
  return { origin, dial: () => tls.connect({ ...where, ...named, ALPNProtocols: ["h2"] }) };
}

function positive(name: string, value: unknown): number {
  if (typeof value !== "number") throw new TypeError(`${name} must be a number of milliseconds, not ${typeof value}`);
  if (!(value > 0)) throw new RangeError(`${name} must be above 0, not ${value}`);
  return value;
}
