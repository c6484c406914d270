import type { Link, LinkEvents } from "../connection/link.ts";
import { type Endpoint, parseAddress } from "../endpoint.ts";
import { type Destination, namesOf } from "../grpc/link/destination.ts";
import { GrpcLink } from "../grpc/link/grpc-link.ts";
import type { LinkSettings } from "../grpc/link/options.ts";
import type { ByteStream } from "../http2/byte-stream.ts";
import { afterBurst, FlushScheduler } from "../http2/flush-scheduler.ts";
import { type Checks, flag, fn, required } from "../option.ts";
import type { Connect } from "./connect.ts";
import { openSocket, type SocketWatcher } from "./socket.ts";

/** How servers are reached from a Worker. */
export interface WorkerSocketOptions {
  /**
   * Opens sockets: `connect` of `cloudflare:sockets`; or, with `nodejs_compat`, that of `node:net`, or of `node:tls` if
   * all endpoints use TLS.
   */
  connect: Connect;
  /**
   * TLS for endpoints that don't say `secure: false`; certificates are verified by the runtime. TLS can't negotiate
   * HTTP/2 (ALPN) in a Worker: servers that insist on it, such as grpc-go's since 1.67, can be reached only behind a TLS
   * terminator. Defaults to false: plaintext, except for `secure: true`.
   */
  tls?: boolean | undefined;
}

/** The checks of {@link WorkerSocketOptions}. */
export const WORKER_SOCKET_OPTIONS: Checks<WorkerSocketOptions> = {
  connect: required(fn("connect of cloudflare:sockets, node:net or node:tls")),
  tls: flag,
};

/** All connections' writes of one burst of microtasks; none outlives the request in which it began. */
const flushes = new FlushScheduler(() => performance.now(), afterBurst);

/** Schedules the writes of a connection. */
export const scheduleFlush: LinkSettings["scheduleFlush"] = (flush) => flushes.schedule(flush);

/** A link over sockets of `connect`, watched by those who count them. */
export function workerLink(
  endpoint: Endpoint,
  options: WorkerSocketOptions,
  settings: LinkSettings,
  events: LinkEvents,
  watcher?: SocketWatcher,
): Link {
  return new GrpcLink(endpoint, destinationOf(endpoint, options, watcher), settings, events);
}

/** @throws TypeError or RangeError for an invalid address or authority */
function destinationOf(
  endpoint: Endpoint,
  { connect, tls = false }: WorkerSocketOptions,
  watcher: SocketWatcher | undefined,
): Destination {
  const { host, port } = parseAddress(endpoint.address);
  const scheme = endpoint.secure ?? tls ? "https" : "http";
  const { authority, hostname } = namesOf(endpoint, scheme);
  // A server name has no brackets, and no trailing dot (RFC 6066 section 3).
  const serverName = hostname.replace(/^\[|\]$|\.$/g, "");
  const target = { host, port, ...scheme === "https" && { serverName } };
  return {
    scheme,
    authority,
    negotiates: false,
    async open(signal) {
      const stream = await openSocket(connect, target, signal, watcher);
      return watcher === undefined ? stream : watchingHold(stream, watcher);
    },
  };
}

function watchingHold(stream: ByteStream, watcher: SocketWatcher): ByteStream {
  const hold = stream.hold.bind(stream);
  stream.hold = (on) => {
    hold(on);
    watcher.hold(on);
  };
  return stream;
}
