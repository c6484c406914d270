import { asError } from "../error-text.ts";
import { checkOptions, type Checks, clock as aClock, quoted } from "../option.ts";
import type { Policy } from "../policy/policy.ts";
import type { ServiceConfigSource, ServiceConfigText } from "../resolver/config-source.ts";
import { LatestValue } from "../resolver/latest-value.ts";
import { checkIterable } from "../resolver/read.ts";
import type { Resolution, Resolver } from "../resolver/resolver.ts";
import { sleep } from "../time/backoff.ts";
import { type Clock, systemClock } from "../time/clock.ts";
import { PACE_MS } from "../time/pace.ts";
import { policiesByName } from "./policies.ts";
import { untrustedServiceConfig } from "./untrusted.ts";
import { watchConfig } from "./watch-config.ts";

/** Options of {@link withServiceConfig}. */
export interface WithServiceConfigOptions {
  /** The policies that the config may choose from, by name: `{ round_robin: roundRobin() }`. Defaults to none. */
  readonly policies?: Readonly<Record<string, Policy>>;
  /** The clock of its timers. Defaults to the runtime's. */
  readonly clock?: Clock;
}

const OPTIONS: Checks<WithServiceConfigOptions> = { policies: policiesByName, clock: aClock };

/** How long endpoints wait for the first config, in milliseconds: calls should not begin without it. */
const PATIENCE_MS = 1_000;

/**
 * A resolver whose resolutions bring gRPC's service config in JSON, live from a place that others can write to:
 *
 * ```ts
 * import { createBalancedTransport, leastRequest, roundRobin } from "connect-lb";
 * import { createEtcdRegistry } from "connect-lb/etcd";
 * import { grpcConnector } from "connect-lb/node";
 * import { withServiceConfig } from "connect-lb/service-config";
 *
 * const registry = createEtcdRegistry({ endpoints: ["http://127.0.0.1:2379"] });
 * const transport = createBalancedTransport({
 *   resolver: withServiceConfig(
 *     registry.resolver("simple_grpc"),
 *     registry.serviceConfig("/service-config.simple_grpc"),
 *     { policies: { round_robin: roundRobin(), least_request_experimental: leastRequest() } },
 *   ),
 *   connector: grpcConnector(),
 * });
 * ```
 *
 * The config is untrusted: see {@link untrustedServiceConfig} for what it may say. One that is invalid or too long is
 * reported (the transport's event `config-skipped`) and skipped: the last valid one stays in use, as it does while the
 * source can't be reached. When it is removed, the transport's own options apply again. Endpoints wait for the first
 * config, at most a second.
 *
 * @throws TypeError for an invalid argument or option.
 */
export function withServiceConfig(
  resolver: Resolver,
  source: ServiceConfigSource,
  options: WithServiceConfigOptions = {},
): Resolver {
  checkOptions("withServiceConfig()", options, OPTIONS);
  checkMethod("resolver", resolver, "resolve", "a resolver, such as registry.resolver(service)");
  checkMethod("source", source, "watch", "a source of a service config, such as registry.serviceConfig(key)");
  const { policies = {}, clock = systemClock } = options, configOf = configReader(policies, source.name);
  return {
    ...resolver.target !== undefined && { target: resolver.target },
    ...resolver.scheme !== undefined && { scheme: resolver.scheme },
    resolve: (signal) => together({ resolver, source, configOf, clock }, signal),
    ...resolver.list && source.read && {
      async list(signal) {
        const [resolution, text] = await Promise.all([resolver.list!(signal), readOnce(source, signal)]);
        return withConfig(resolution, configOf(text));
      },
    },
    ...resolver.refresh && { refresh: () => resolver.refresh!() },
  };
}

/** What is resolved together. */
interface Parts {
  readonly resolver: Resolver;
  readonly source: ServiceConfigSource;
  readonly configOf: (text: ServiceConfigText) => Resolution["config"];
  readonly clock: Clock;
}

async function* together(
  { resolver, source, configOf, clock }: Parts,
  signal: AbortSignal,
): AsyncGenerator<Resolution> {
  const stop = new AbortController(), leave = () => stop.abort(signal.reason);
  let resolution: Resolution = { endpoints: undefined }, config: Resolution["config"];
  let resolved = false, decided = false, failure: { readonly error: unknown } | undefined;
  const latest = new LatestValue(() => withConfig(resolution, config));
  const changed = () => {
    if (resolved && decided) latest.changed();
  };
  const patience = clock.timer(PATIENCE_MS, () => {
    decided = true;
    changed();
  });
  const resolve = async () => {
    for await (const next of checkIterable(resolver.resolve(stop.signal))) {
      if (stop.signal.aborted) return;
      resolution = next;
      resolved = true;
      changed();
      // As any consumer: the newest resolution waits there.
      await sleep(clock, PACE_MS, stop.signal);
    }
  };
  signal.addEventListener("abort", leave);
  if (signal.aborted) leave();
  void watchConfig(source, { clock, signal: stop.signal }, (text) => {
    patience.cancel();
    config = configOf(text);
    decided = true;
    changed();
  });
  void resolve().catch((error) => failure = { error }).finally(() => latest.end());
  try {
    yield* latest.consume(stop.signal);
    if (failure !== undefined) throw failure.error;
  } finally {
    signal.removeEventListener("abort", leave);
    patience.cancel();
    stop.abort();
  }
}

function withConfig(resolution: Resolution, config: Resolution["config"]): Resolution {
  return config === undefined ? resolution : { ...resolution, config };
}

/** Endpoints don't fail with their config. */
async function readOnce(source: ServiceConfigSource, signal: AbortSignal): Promise<ServiceConfigText> {
  try {
    return await source.read!(signal);
  } catch (error) {
    return asError(error);
  }
}

/** Reads configs, each text once, so that an invalid one is reported once. */
function configReader(
  policies: Readonly<Record<string, Policy>>,
  name: string | undefined,
): Parts["configOf"] {
  let last: ServiceConfigText, config: Resolution["config"];
  return (text) => {
    if (text !== last) {
      last = text;
      const read = typeof text === "string" ? parsed(text, policies) : text;
      config = read instanceof Error ? named(read, name) : read;
    }
    return config;
  };
}

function parsed(text: string, policies: Readonly<Record<string, Policy>>): Resolution["config"] {
  try {
    const { config, policy } = untrustedServiceConfig(text, { policies });
    return policy === undefined ? config : { ...config, policy };
  } catch (error) {
    return asError(error);
  }
}

/** Of several configs, an error says which one it is about. */
function named(error: Error, name: string | undefined): Error {
  if (name === undefined || error.message.includes(name)) return error;
  return new Error(`${quoted(name)}: ${error.message}`, { cause: error });
}

function checkMethod(name: string, value: unknown, method: string, expected: string): void {
  if (typeof (value as Record<string, unknown> | null | undefined)?.[method] === "function") return;
  throw new TypeError(`${name} of withServiceConfig() is ${quoted(value)}: expected ${expected}`);
}
