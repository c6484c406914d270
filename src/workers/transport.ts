import { Code, ConnectError, type ContextValues, createContextValues, type Transport } from "@connectrpc/connect";
import { makeStatelessConnection } from "../connection/make-connection.ts";
import { GRPC_LINK_OPTIONS, type GrpcLinkOptions, plainLinkSettings } from "../grpc/link/options.ts";
import { checkOptions, type Checks, givenOf, wholeNumber } from "../option.ts";
import { systemClock } from "../time/clock.ts";
import {
  PULL,
  type PullTransport,
  pullTransport,
  type PullTransportOptions,
  type RequestContext,
} from "../transport/pull.ts";
import type { TransportSnapshot } from "../transport/snapshot.ts";
import { scheduleFlush, WORKER_SOCKET_OPTIONS, type WorkerSocketOptions } from "./link.ts";
import { scopedConnector, socketsOfRequest, withSockets } from "./scoped-link.ts";
import { Sockets } from "./sockets.ts";

/** The options of links that a request's short-lived ones don't have, and those that here belong to the transport. */
const NOT_FOR_LINKS = ["interceptors", "defaultTimeoutMs", "clock", "maxAgeMs", "maxConnectionsPerEndpoint"] as const;

type LinkOptions = Omit<GrpcLinkOptions, typeof NOT_FOR_LINKS[number]>;
type CallOptions = Omit<PullTransportOptions, "connector">;

/** Options of {@link createWorkerTransport}. */
export interface WorkerTransportOptions extends CallOptions, LinkOptions, WorkerSocketOptions {
  /**
   * How many sockets to servers one request may have open at a time. One more call waits until a socket has no call, and
   * that is closed for it. The platform allows six connections at a time, with those of `fetch` and the one to etcd.
   * Defaults to 4.
   */
  readonly maxSockets?: number;
  /**
   * How long connecting may take until the server's SETTINGS arrive, in milliseconds; then the call goes to another
   * endpoint. Defaults to 5,000.
   */
  connectTimeoutMs?: number | undefined;
}

/** A transport that is shared by the requests of a Worker, each of which has its own sockets. */
export interface WorkerTransport {
  /**
   * The transport for one request. It opens sockets to the endpoints that its calls are sent to, which all calls of
   * this `ctx` share, and closes them when no call has been in flight for a second; the runtime closes them when the
   * request has ended. A set of endpoints that is older than `maxAgeMs` is used while it is read again through
   * `ctx.waitUntil`.
   *
   * @throws TypeError unless `ctx` has `waitUntil`.
   */
  forRequest(ctx: RequestContext): Transport;
  /** The current state, as of the last call. */
  snapshot(): TransportSnapshot;
  /** The option `recorder`: what the last calls did. */
  readonly recorder: PullTransport["recorder"];
}

/** How long a request's sockets stay open without a call, in milliseconds. */
const IDLE_MS = 1_000;

const LINK: Checks<LinkOptions> = without(GRPC_LINK_OPTIONS, NOT_FOR_LINKS);
const CALLS: Checks<CallOptions> = without(PULL, ["connector"]);

const OPTIONS: Checks<WorkerTransportOptions> = {
  ...LINK,
  ...CALLS,
  ...WORKER_SOCKET_OPTIONS,
  maxSockets: wholeNumber(1),
};

/**
 * Balanced gRPC calls from a Worker. It may be created at module scope: requests share the set of endpoints and its age,
 * the rotation, statistics, backoff and health, but no socket, timer or promise.
 *
 * ```ts
 * import { type Transport } from "@connectrpc/connect";
 * import { connect } from "cloudflare:sockets";
 * import { createWorkerTransport, type RequestContext } from "connect-lb/workers";
 *
 * const transport = createWorkerTransport({ resolver: registry.resolver("simple_grpc"), connect });
 *
 * export function transportOf(ctx: RequestContext): Transport {
 *   return transport.forRequest(ctx);
 * }
 * ```
 *
 * @throws TypeError or RangeError immediately if an option is invalid, or the resolver has no `list()`.
 */
export function createWorkerTransport(options: WorkerTransportOptions): WorkerTransport {
  checkOptions("createWorkerTransport()", options, OPTIONS);
  const { connect, tls, maxSockets = 4, clock = systemClock } = options;
  const calls = givenOf<CallOptions>(options, Object.keys(CALLS));
  const connector = scopedConnector(socketsOfRequest, clock);
  const pull = pullTransport({ ...calls, connector }, makeStatelessConnection);
  const link = givenOf<LinkOptions>(options, Object.keys(LINK));
  const settings = plainLinkSettings({ connectTimeoutMs: 5_000, ...link }, scheduleFlush);
  const requests = new WeakMap<RequestContext, Sockets>();
  return {
    ...WITHOUT_REQUEST,
    forRequest(ctx) {
      const calls = pull.forRequest(ctx);
      let sockets = requests.get(ctx);
      if (sockets === undefined) {
        requests.set(ctx, sockets = new Sockets({ connect, tls, maxSockets, idleMs: IDLE_MS, settings }));
      }
      return over(calls, sockets);
    },
    snapshot: () => pull.snapshot(),
    recorder: pull.recorder,
  };
}

/** For clients of the transport itself, which only TypeScript refuses. */
const WITHOUT_REQUEST = { unary: refuse, stream: refuse };

async function refuse(): Promise<never> {
  const text = "a call needs the sockets of a request: createClient(service, transport.forRequest(ctx))";
  throw new ConnectError(text, Code.FailedPrecondition);
}

/** Calls over these sockets. */
function over(calls: Transport, sockets: Sockets): Transport {
  const values = (given: ContextValues | undefined) => withSockets(sockets, given ?? createContextValues());
  return {
    unary: (method, signal, timeoutMs, header, input, contextValues) =>
      calls.unary(method, signal, timeoutMs, header, input, values(contextValues)),
    stream: (method, signal, timeoutMs, header, input, contextValues) =>
      calls.stream(method, signal, timeoutMs, header, input, values(contextValues)),
  };
}

function without<Names extends object, Name extends keyof Names>(
  checks: Names,
  names: readonly Name[],
): Omit<Names, Name> {
  return Object.fromEntries(
    Object.entries(checks).filter(([name]) => !(names as readonly PropertyKey[]).includes(name)),
  ) as Omit<Names, Name>;
}
