import http from "node:http";
import https from "node:https";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Endpoint, parseAddress } from "../../endpoint.ts";
import { textOf } from "../../error-text.ts";
import type { EtcdDriver, EtcdStatus } from "../../etcd/driver/driver.ts";
import { destinationOf } from "../../node/socket.ts";
import { readTlsOptions, type TlsSource } from "../../node/tls-options.ts";
import { atMost } from "../concurrently.ts";
import { type ConnectTrouble, troubleOf } from "./connect-trouble.ts";
import { greet } from "./greeting.ts";
import { probe, type ProbeLimits } from "./probing.ts";

/** What is found out about one endpoint of etcd. */
export interface EtcdMember {
  readonly endpoint: Endpoint;
  /** Why it can't be reached; undefined: it can. */
  readonly trouble?: ConnectTrouble;
  /** What it says about itself; undefined if it refuses to say. */
  readonly status?: EtcdStatus;
  /** Why it does not say. */
  readonly refusal?: unknown;
  /** How far its clock is ahead of this machine's, in milliseconds; undefined if it is not known. */
  readonly clockAheadMs?: number;
}

/** How etcd is reached. */
export interface EtcdAccess {
  readonly driver: EtcdDriver;
  readonly endpoints: readonly Endpoint[];
  readonly tls: TlsSource | undefined;
}

/** Looks at each endpoint of etcd by itself. */
export function lookAtMembers(
  { driver, endpoints, tls }: EtcdAccess,
  limits: ProbeLimits,
): Promise<readonly EtcdMember[]> {
  return atMost(endpoints.length, endpoints, async (endpoint) => {
    try {
      await probe(limits, (signal) => greet(destinationOf(endpoint, tls).open, signal));
    } catch (error) {
      limits.signal.throwIfAborted();
      return { endpoint, trouble: await troubleOf(error, { endpoint, tls }, limits) };
    }
    const [status, clock] = await Promise.all([
      settled(probe(limits, (signal) => driver.status({ endpoint, signal }))),
      settled(probe(limits, (signal) => clockAhead({ endpoint, tls }, signal))),
    ]);
    limits.signal.throwIfAborted();
    if ("error" in status && isUnimplemented(status.error)) {
      // A proxy of etcd's may have no status of its own, but it has keys.
      const keys = await settled(
        probe(limits, (signal) => driver.range({ key: Uint8Array.of(0) }, { endpoint, signal })),
      );
      if ("error" in keys && isUnimplemented(keys.error)) {
        return { endpoint, trouble: { kind: "not-etcd", text: textOf(keys.error) } };
      }
    }
    return {
      endpoint,
      ..."value" in status ? { status: status.value } : { refusal: status.error },
      ..."value" in clock && clock.value !== undefined && { clockAheadMs: clock.value },
    };
  });
}

function isUnimplemented(error: unknown): boolean {
  return error instanceof ConnectError && error.code === Code.Unimplemented ||
    error instanceof Error && error.cause !== undefined && isUnimplemented(error.cause);
}

async function settled<T>(promise: Promise<T>): Promise<{ readonly value: T } | { readonly error: unknown }> {
  try {
    return { value: await promise };
  } catch (error) {
    return { error };
  }
}

/** HTTP's Date header counts whole seconds: half of one is added on average. */
const HALF_A_SECOND_MS = 500;

/** Compares the clocks by the Date header of etcd's `/version`, which needs no user. */
async function clockAhead(
  { endpoint, tls }: { readonly endpoint: Endpoint; readonly tls: TlsSource | undefined },
  signal: AbortSignal,
): Promise<number | undefined> {
  const { host, port } = parseAddress(endpoint.address);
  const secure = endpoint.secure ?? tls !== undefined;
  const options = { host, port, path: "/version", signal, agent: false };
  const own = secure ? await readTlsOptions(tls, signal) : undefined;
  return await new Promise((resolve, reject) => {
    const startedMs = Date.now();
    const request = own === undefined ? http.request(options) : https.request({ ...options, ...own });
    request.on("error", reject);
    request.on("response", (response) => {
      response.resume().on("error", () => {});
      request.destroy();
      const dateMs = Date.parse(response.headers.date ?? "");
      const nowMs = (startedMs + Date.now()) / 2;
      resolve(Number.isNaN(dateMs) ? undefined : dateMs + HALF_A_SECOND_MS - nowMs);
    });
    request.end();
  });
}
