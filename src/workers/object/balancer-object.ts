import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { textOf } from "../../error-text.ts";
import { GRPC_LINK_OPTIONS, type GrpcLinkOptions, linkSettings } from "../../grpc/link/options.ts";
import { checkOptions, type Checks, fn, made, object, required, wholeNumber } from "../../option.ts";
import type { Registry } from "../../registry/registry.ts";
import { systemClock } from "../../time/clock.ts";
import type { BalancedTransportOptions } from "../../transport/options.ts";
import { type BalancedTransport, createBalancedTransport } from "../../transport/transport.ts";
import { scheduleFlush, WORKER_SOCKET_OPTIONS, type WorkerSocketOptions } from "../link.ts";
import { scopedConnector } from "../scoped-link.ts";
import { Sockets } from "../sockets.ts";
import type { ObjectState } from "./platform.ts";
import { DEREGISTER_PATH, REGISTER_PATH, SERVICE_HEADER } from "./protocol.ts";
import { type ObjectRegisterOptions, ObjectRegistrations } from "./registrations.ts";
import { relay } from "./relay.ts";

/** Options of {@link createBalancerObject}. */
export interface BalancerObjectOptions<Env> extends GrpcLinkOptions, WorkerSocketOptions {
  /**
   * Creates the object's registry, when it is first needed: `createObjectEtcdRegistry({ … })`, or another one that
   * may keep connections and timers. `env` holds the Worker's bindings.
   */
  readonly registry: (env: Env) => Registry;
  /**
   * The most sockets to servers at a time, whatever the number of services; the registry's are not counted. The
   * platform allows six connections in all. Defaults to 4.
   */
  readonly maxSockets?: number;
  /** Options of the transports through which the object calls: a policy, retries, health checks. */
  readonly transport?: Partial<Omit<BalancedTransportOptions, "resolver" | "connector">>;
}

/** A Durable Object, as the platform uses it. */
export interface BalancerObject {
  fetch(request: Request): Promise<Response>;
  alarm(): Promise<void>;
}

/** A class of Durable Objects, to be exported by the Worker's main module. */
export type BalancerObjectClass<Env> = new (state: ObjectState, env: Env) => BalancerObject;

/** How many services one object serves at a time; of more, the one that was called longest ago is let go. */
const MOST_SERVICES = 64;

/** How long calls to a service that is let go may take. */
const GRACE_MS = 30_000;

/** How long the object's sockets stay open without a call. */
const IDLE_MS = 60_000;

/**
 * A class of Durable Objects that hold what a Worker can't: the connections to servers, the watch of the registry and
 * registrations. Workers call through it with `objectTransport`, and register through it with `objectRegistry`. It knows
 * no schema: it relays calls of any method.
 *
 * ```ts
 * import { connect } from "cloudflare:sockets";
 * import { createBalancerObject, createObjectEtcdRegistry } from "connect-lb/workers";
 *
 * export const Balancer = createBalancerObject<{ ETCD: string }>({
 *   registry: (env) => createObjectEtcdRegistry({ endpoints: [env.ETCD], connect }),
 *   connect,
 * });
 * ```
 *
 * What it registers is stored: an alarm every third of the TTL renews it, also after the object was evicted.
 *
 * @throws TypeError or RangeError for an invalid option; the message names it.
 */
export function createBalancerObject<Env = unknown>(options: BalancerObjectOptions<Env>): BalancerObjectClass<Env> {
  checkOptions("createBalancerObject()", options, OPTIONS);
  return class extends Balancers<Env> {
    constructor(state: ObjectState, env: Env) {
      super(options, state, env);
    }
  };
}

made(createBalancerObject);

const OPTIONS: Checks<BalancerObjectOptions<never>> = {
  ...GRPC_LINK_OPTIONS,
  ...WORKER_SOCKET_OPTIONS,
  registry: required(fn("a function, (env) => createObjectEtcdRegistry({…})")),
  maxSockets: wholeNumber(1),
  transport: object,
};

/** The transports, the registry and the registrations of one object. */
class Balancers<Env> implements BalancerObject {
  readonly #options: BalancerObjectOptions<Env>;
  readonly #env: Env;
  readonly #registrations: ObjectRegistrations;
  readonly #sockets: Sockets;
  /** By service, the one that was called longest ago first. */
  readonly #transports = new Map<string, BalancedTransport>();
  #registry: Registry | undefined;

  constructor(options: BalancerObjectOptions<Env>, { storage }: ObjectState, env: Env) {
    this.#options = options;
    this.#env = env;
    this.#registrations = new ObjectRegistrations(storage, () => this.#theRegistry());
    const { connect, tls, maxSockets = 4 } = options;
    const settings = linkSettings(options, scheduleFlush);
    this.#sockets = new Sockets({ connect, tls, maxSockets, idleMs: IDLE_MS, settings });
  }

  async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const registrations = this.#registrations;
    if (pathname === REGISTER_PATH) return await done(request, (given) => registrations.register(given));
    if (pathname === DEREGISTER_PATH) return await done(request, (given) => registrations.deregister(given));
    return await relay(request, () => this.#transportOf(request.headers.get(SERVICE_HEADER)));
  }

  async alarm(): Promise<void> {
    await this.#registrations.renew();
  }

  #theRegistry(): Registry {
    return this.#registry ??= this.#options.registry(this.#env);
  }

  /** @throws ConnectError InvalidArgument for an invalid service's name */
  #transportOf(named: string | null): Transport {
    const service = serviceOf(named);
    const transport = this.#transports.get(service) ?? this.#create(service);
    this.#transports.delete(service);
    this.#transports.set(service, transport);
    for (const [oldest, unused] of this.#transports) {
      if (this.#transports.size <= MOST_SERVICES) break;
      this.#transports.delete(oldest);
      void unused.close(GRACE_MS);
    }
    return transport;
  }

  #create(service: string): BalancedTransport {
    const { transport, clock = systemClock } = this.#options;
    let resolver;
    try {
      resolver = this.#theRegistry().resolver(service);
    } catch (error) {
      throw new ConnectError(textOf(error), Code.InvalidArgument, undefined, undefined, error);
    }
    return createBalancedTransport({ ...transport, resolver, connector: scopedConnector(() => this.#sockets, clock) });
  }
}

/** @throws ConnectError InvalidArgument for what {@link SERVICE_HEADER} can't be */
function serviceOf(header: string | null): string {
  try {
    return decodeURIComponent(header ?? "");
  } catch (error) {
    throw new ConnectError("the service's name is malformed", Code.InvalidArgument, undefined, undefined, error);
  }
}

/** Answers a request for a registration: 204, or why it failed. */
async function done(request: Request, act: (given: ObjectRegisterOptions) => Promise<void>): Promise<Response> {
  try {
    await act(await request.json() as ObjectRegisterOptions);
    return new Response(null, { status: 204 });
  } catch (error) {
    const wrong = error instanceof TypeError || error instanceof RangeError;
    return new Response(textOf(error), { status: wrong ? 400 : 503 });
  }
}
