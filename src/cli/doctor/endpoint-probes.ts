import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../../gen/grpc/health/v1/health_pb.ts";
import { type Endpoint, endpointIdentity, unixPath } from "../../endpoint.ts";
import { grpcConnector } from "../../node/grpc-connector.ts";
import { destinationOf } from "../../node/socket.ts";
import { readTlsOptions, type TlsSource } from "../../node/tls-options.ts";
import { atMost } from "../concurrently.ts";
import { type ConnectTrouble, troubleOf } from "./connect-trouble.ts";
import { greet, type Greeting } from "./greeting.ts";
import { probe, type ProbeLimits } from "./probing.ts";
import type { RegisteredKey } from "./registered-keys.ts";
import { lookAtTls, type TlsLook } from "./tls-look.ts";

/** What is found out about a server. */
export interface ProbedEndpoint {
  readonly endpoint: Endpoint;
  readonly services: readonly string[];
  /** Whether a lease removes its keys. */
  readonly leased: boolean;
  /** Set if it answered. */
  readonly greeting?: Greeting;
  /** Set if it did not. */
  readonly trouble?: ConnectTrouble;
  /** Set if it answered over TLS. */
  readonly look?: TlsLook;
  /** What it says of its health; undefined if it has no health service, or does not answer. */
  readonly health?: keyof typeof Status;
}

/** How servers are called. */
export interface ServerAccess {
  readonly tls: TlsSource | undefined;
  /** Called as servers are done. */
  readonly onProgress: (done: number, all: number) => void;
}

/** How many servers are tried at a time: with a time limit of 3 s, 1,000 that don't answer take half a minute. */
const AT_ONCE = 100;

/** Connects to each server, once, whatever number of keys and services name it. */
export async function probeEndpoints(
  keys: readonly RegisteredKey[],
  { tls, onProgress }: ServerAccess,
  limits: ProbeLimits,
): Promise<readonly ProbedEndpoint[]> {
  const byIdentity = new Map<
    string,
    { readonly endpoint: Endpoint; readonly services: Set<string>; leased: boolean }
  >();
  for (const { endpoint, service, lease } of keys) {
    if (endpoint === undefined) continue;
    const identity = endpointIdentity(endpoint), known = byIdentity.get(identity);
    if (known === undefined) byIdentity.set(identity, { endpoint, services: new Set([service]), leased: lease !== 0n });
    else {
      known.services.add(service);
      known.leased &&= lease !== 0n;
    }
  }
  let done = 0;
  return await atMost(AT_ONCE, [...byIdentity.values()], async ({ endpoint, services, leased }) => {
    const seen = await probeEndpoint(endpoint, tls, limits);
    onProgress(++done, byIdentity.size);
    return { endpoint, services: [...services], leased, ...seen };
  });
}

/** How many slow servers are measured again, and how many at a time. */
const MOST_AGAIN = 100, AGAIN_AT_ONCE = 2;

/** Measures some servers again, with less going on in this process, and keeps the better result of each. */
export async function measureAgain(
  endpoints: readonly ProbedEndpoint[],
  slow: readonly ProbedEndpoint[],
  { tls }: Pick<ServerAccess, "tls">,
  limits: ProbeLimits,
): Promise<readonly ProbedEndpoint[]> {
  const better = new Map<ProbedEndpoint, ProbedEndpoint>();
  await atMost(AGAIN_AT_ONCE, slow.slice(0, MOST_AGAIN), async (probed) => {
    const { endpoint, greeting } = probed;
    const again = await probe(limits, (signal) => greet(destinationOf(endpoint, tls).open, signal)).catch(() =>
      undefined
    );
    if (again === undefined || greeting === undefined) return;
    const connectMs = Math.min(again.connectMs, greeting.connectMs), pingMs = Math.min(again.pingMs, greeting.pingMs);
    better.set(probed, { ...probed, greeting: { ...greeting, connectMs, pingMs } });
  });
  limits.signal.throwIfAborted();
  return endpoints.map((probed) => better.get(probed) ?? probed);
}

async function probeEndpoint(
  endpoint: Endpoint,
  tls: TlsSource | undefined,
  limits: ProbeLimits,
): Promise<Omit<ProbedEndpoint, "endpoint" | "services" | "leased">> {
  let greeting: Greeting;
  try {
    greeting = await probe(limits, (signal) => greet(destinationOf(endpoint, tls).open, signal));
  } catch (error) {
    limits.signal.throwIfAborted();
    return { trouble: await troubleOf(error, { endpoint, tls }, limits) };
  }
  const secure = endpoint.secure ?? tls !== undefined;
  const [look, health] = await Promise.all([
    secure && unixPath(endpoint.address) === undefined
      ? probe(limits, async (signal) => lookAtTls(endpoint, await readTlsOptions(tls, signal), signal))
        .catch(() => undefined)
      : undefined,
    probe(limits, (signal) => healthOf(endpoint, tls, signal)).catch(() => undefined),
  ]);
  limits.signal.throwIfAborted();
  return { greeting, ...look !== undefined && { look }, ...health !== undefined && { health } };
}

/** Asks `grpc.health.v1` for the health of the server as a whole. */
async function healthOf(
  endpoint: Endpoint,
  tls: TlsSource | undefined,
  signal: AbortSignal,
): Promise<keyof typeof Status | undefined> {
  const link = grpcConnector({ tls })(endpoint, { draining() {}, lost() {} });
  try {
    await link.connect?.(signal);
    const { status } = await createClient(Health, link.transport).check({ service: "" }, { signal });
    return (Object.keys(Status) as (keyof typeof Status)[]).find((name) => Status[name] === status);
  } catch (error) {
    // It has the service, but says nothing of itself as a whole.
    if (error instanceof ConnectError && error.code === Code.NotFound) return "SERVICE_UNKNOWN";
    return undefined;
  } finally {
    void link.close();
  }
}
