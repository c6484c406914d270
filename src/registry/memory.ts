import { type Endpoint, endpointIdentity } from "../endpoint.ts";
import { checkOptions, type Checks, clock as aClock } from "../option.ts";
import { LatestValue } from "../resolver/latest-value.ts";
import type { Resolution } from "../resolver/resolver.ts";
import { type Clock, systemClock, type Timer } from "../time/clock.ts";
import { checkAttributes, checkRegisterOptions, checkRenewOptions, checkServiceName } from "./options.ts";
import { RegistrationLife } from "./registration-life.ts";
import type {
  EndpointAttributes,
  ListedService,
  RegisterOptions,
  Registration,
  Registry,
  RenewOptions,
} from "./registry.ts";
import type { RegistrationSnapshot } from "./snapshot.ts";

/** Options of {@link createMemoryRegistry}. */
export interface MemoryRegistryOptions {
  /** The clock of its timers. Defaults to the runtime's. */
  readonly clock?: Clock;
}

const OPTIONS: Checks<MemoryRegistryOptions> = { clock: aClock };

/** It has no keys, and substitutes for registries of any layout. */
const NAMES = { slashes: true };

/**
 * A registry within one process, for tests and demonstrations: registrations are resolved immediately, and nothing
 * expires but what `renew` keeps.
 *
 * Its registrations become `registered` in a microtask and stay so until they are closed.
 *
 * @throws TypeError for an invalid or unknown option.
 */
export function createMemoryRegistry(options: MemoryRegistryOptions = {}): Registry {
  checkOptions("createMemoryRegistry()", options, OPTIONS);
  const { clock = systemClock } = options;
  const services = new Map<string, Service>();
  const registrations = new Map<Registration, () => RegistrationSnapshot>();
  let closing: Promise<void> | undefined;
  let incarnations = 0;

  const service = (name: string): Service => {
    let found = services.get(name);
    if (found === undefined) services.set(name, found = new Service());
    return found;
  };
  const checkOpen = () => {
    if (closing !== undefined) throw new Error("the registry is closed");
  };
  const expire = ({ service: name, address }: RenewOptions) => {
    const { endpoints, leased, latest } = service(name);
    const identity = endpointIdentity({ address }), lease = leased.get(identity);
    if (lease === undefined) return;
    lease.expiry.cancel();
    leased.delete(identity);
    // The last writer wins.
    if (endpoints.get(identity) !== lease.endpoint) return;
    endpoints.delete(identity);
    latest.changed();
  };
  const close = async () => {
    for (const { leased } of services.values()) for (const { expiry } of leased.values()) expiry.cancel();
    await Promise.all([...registrations.keys()].map((registration) => registration.close()));
    for (const { latest } of services.values()) latest.end();
  };
  return {
    resolver(name) {
      checkServiceName(name, NAMES);
      return {
        target: name,
        scheme: "memory",
        async *resolve(signal) {
          checkOpen();
          yield* service(name).latest.consume(signal);
        },
        async list() {
          checkOpen();
          return service(name).resolution;
        },
      };
    },
    register(options: RegisterOptions) {
      const { service: name, address, onState, ttlSeconds, takeOver: _, ...attributes } = checkRegisterOptions(
        options,
        NAMES,
      );
      checkOpen();
      const { endpoints } = service(name);
      const incarnation = String(++incarnations);
      const identity = endpointIdentity({ address });
      const life = new RegistrationLife(clock, onState);
      const put = (attributes: EndpointAttributes) => {
        if (life.state === "closed") throw new Error("the registration is closed");
        endpoints.set(identity, { address, incarnation, ...attributes });
        service(name).latest.changed();
      };
      const registration: Registration = {
        get ready() {
          return life.ready;
        },
        get state() {
          return life.state;
        },
        renew: () => life.ready,
        async update(attributes) {
          put(checkAttributes(attributes));
        },
        async close() {
          if (!life.to("closed")) return;
          registrations.delete(registration);
          // The last writer wins.
          if (endpoints.get(identity)?.incarnation !== incarnation) return;
          endpoints.delete(identity);
          service(name).latest.changed();
        },
        [Symbol.asyncDispose]: () => registration.close(),
      };
      registrations.set(registration, () => ({
        service: name,
        address,
        state: life.state,
        sinceMs: life.sinceMs,
        ttlSeconds,
        renewedMs: undefined,
        key: undefined,
        lastError: undefined,
      }));
      queueMicrotask(() => {
        if (!life.to("registered")) return;
        put(attributes);
      });
      return registration;
    },
    async renew(options) {
      const checked = checkRenewOptions("renew()", options, NAMES);
      checkOpen();
      const { service: name, address, ttlSeconds, ...attributes } = checked;
      const { endpoints, leased, latest } = service(name);
      const identity = endpointIdentity({ address }), lease = leased.get(identity);
      lease?.expiry.cancel();
      const expiry = clock.timer(1_000 * ttlSeconds, () => expire(checked));
      const text = JSON.stringify(attributes);
      if (lease?.text === text && endpoints.get(identity) === lease.endpoint) {
        lease.expiry = expiry;
        return "renewed";
      }
      const endpoint = { address, incarnation: String(++incarnations), ...attributes };
      leased.set(identity, { endpoint, text, expiry });
      endpoints.set(identity, endpoint);
      latest.changed();
      return "registered";
    },
    async deregister(options) {
      const checked = checkRenewOptions("deregister()", options, NAMES);
      checkOpen();
      expire(checked);
    },
    async list(signal) {
      signal.throwIfAborted();
      checkOpen();
      const listed: ListedService[] = [];
      for (const service of [...services.keys()].sort()) {
        const { size } = services.get(service)!.endpoints;
        if (size > 0) listed.push({ service, endpoints: size, entries: size });
      }
      return listed;
    },
    snapshot: () => ({
      nowMs: clock.now(),
      registrations: [...registrations.values()].map((snapshot) => snapshot()),
      watches: [...services].sort(([a], [b]) => a < b ? -1 : 1).flatMap(([service, { endpoints, latest }]) => {
        return latest.consumers === 0 ? [] : [{ service, endpoints: endpoints.size, stale: undefined }];
      }),
    }),
    close: () => closing ??= close(),
    [Symbol.asyncDispose]: () => closing ??= close(),
  };
}

/** An entry that `renew` keeps, its attributes as text, and what ends it. */
interface Lease {
  readonly endpoint: Endpoint;
  readonly text: string;
  expiry: Timer;
}

/** One service's endpoints by identity. */
class Service {
  readonly endpoints = new Map<string, Endpoint>();
  /** Those that expire unless they are renewed. */
  readonly leased = new Map<string, Lease>();
  readonly latest: LatestValue<Resolution> = new LatestValue(() => this.resolution);

  constructor() {
    // The empty set is known from the start.
    this.latest.changed();
  }

  get resolution(): Resolution {
    return { endpoints: [...this.endpoints.values()] };
  }
}
