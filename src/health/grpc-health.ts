import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  Health as HealthService,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/grpc/health/v1/health_pb.ts";
import type { Connection, Health } from "../connection/connection.ts";
import { isNoted } from "../connection/note.ts";
import { checkOptions, type Checks, made, milliseconds, or, text } from "../option.ts";
import { Backoff } from "../time/backoff.ts";
import type { HealthCheck, HealthEnvironment } from "./health.ts";

/** Options of {@link grpcHealth}. */
export interface GrpcHealthOptions {
  /**
   * The service whose health is asked for, under the name that the server gave it. Defaults to `""`: the server as a
   * whole. gRPC's `healthCheckConfig.serviceName`.
   */
  readonly service?: string;
  /**
   * Ask again and again (`Check`), this many milliseconds after the last answer, instead of keeping a stream open
   * (`Watch`). For links over fetch, and for servers without `Watch`. Defaults to a stream.
   */
  readonly pollIntervalMs?: number;
}

const OPTIONS: Checks<GrpcHealthOptions> = {
  service: or("", text),
  pollIntervalMs: milliseconds,
};

/** gRPC's connection backoff, as in its other implementations (gRFC A17). */
const BACKOFF = { initialMs: 1_000, maxMs: 120_000 };
/** So many checks in a row without an answer show that a server that was serving no longer is. */
const MOST_UNANSWERED = 3;
/** A server that ends each stream after one message is asked this often at most, in milliseconds. */
const REOPENED_AFTER_MS = 1_000;

/**
 * Asks each server for its health (`grpc.health.v1.Health`), and holds back those that are not serving; gRPC's
 * client-side health checking (gRFC A17): `health: [grpcHealth()]`.
 *
 * A connection gets calls once its server has said that it is serving, and none while it says otherwise or the stream
 * can't be opened. A stream that ends is opened again: at once if the server had said something, and until then that
 * stands; otherwise after a backoff of 1 s, growing to 120 s. A server without the service (Unimplemented) counts as
 * serving, and is not asked again before it is connected anew.
 *
 * With `pollIntervalMs` it is asked at intervals. A server that was serving is held back when it says otherwise, or after
 * three checks without an answer; each may take as long as the interval.
 *
 * Each stream is one of those that the server allows (MAX_CONCURRENT_STREAMS). The checks do not keep the process alive,
 * do not count as calls in flight, and end with the connection.
 *
 * @throws TypeError or RangeError if an option is invalid.
 */
export function grpcHealth(options: GrpcHealthOptions = {}): HealthCheck {
  checkOptions("grpcHealth()", options, OPTIONS);
  const { service = "", pollIntervalMs } = options;
  return (env) => {
    const checked = new Map<Connection, AbortController>();
    return {
      ready(connection, transport) {
        const ending = new AbortController(), { signal } = ending;
        checked.set(connection, ending);
        env.report(connection, "unknown");
        const check: Check = {
          env,
          transport,
          service,
          signal,
          say: (health) => {
            if (!signal.aborted) env.report(connection, health);
          },
        };
        void (pollIntervalMs === undefined ? watch(check) : poll(check, pollIntervalMs));
      },
      ended(connection) {
        checked.get(connection)?.abort();
        checked.delete(connection);
      },
      close() {
        for (const ending of checked.values()) ending.abort();
      },
    };
  };
}

made(grpcHealth);

/** The check of one connection, until `signal` aborts. */
interface Check {
  readonly env: HealthEnvironment;
  readonly transport: Transport;
  readonly service: string;
  readonly signal: AbortSignal;
  say(health: Health): void;
}

async function watch(check: Check): Promise<void> {
  const { env, transport, service, signal, say } = check;
  const client = createClient(HealthService, transport), backoff = new Backoff(BACKOFF, () => env.random());
  for (let reopenedMs = -Infinity; !signal.aborted;) {
    let heard = false, failure: unknown = new Error("the health stream ended");
    try {
      for await (const { status } of client.watch({ service }, { signal })) {
        heard = true;
        backoff.reset();
        say(healthOf(status, service));
      }
    } catch (error) {
      failure = error;
    }
    if (isUnimplemented(failure)) return say("serving");
    // What was said last stands until the next stream says something: this one's end may be that of an aged connection.
    if (heard && env.now() - reopenedMs >= REOPENED_AFTER_MS) {
      reopenedMs = env.now();
      continue;
    }
    // That the server has no room for the stream says nothing about its health.
    if (!heard && !isNoted(failure, "full")) say(notAnswered(failure));
    await pause(check, backoff.next());
  }
}

async function poll(check: Check, intervalMs: number): Promise<void> {
  const { env, transport, service, signal, say } = check;
  const client = createClient(HealthService, transport);
  // A server that has said nothing yet has proved nothing.
  let unanswered = MOST_UNANSWERED - 1;
  while (!signal.aborted) {
    try {
      const { status } = await client.check({ service }, { signal, timeoutMs: intervalMs });
      unanswered = 0;
      say(healthOf(status, service));
    } catch (error) {
      if (isUnimplemented(error)) return say("serving");
      if (error instanceof ConnectError && error.code === Code.NotFound) say(healthOf(Status.SERVICE_UNKNOWN, service));
      else if (!isNoted(error, "full") && ++unanswered >= MOST_UNANSWERED) say(notAnswered(error));
    }
    // Not all clients at the same time.
    await pause(check, intervalMs * (0.9 + 0.2 * env.random()));
  }
}

function healthOf(status: Status, service: string): Health {
  if (status === Status.SERVING) return "serving";
  const name = service === "" ? "it" : `its service ${JSON.stringify(service)}`;
  return new Error(`the server says that ${name} is ${nameOf(status)}`);
}

function nameOf(status: Status): string {
  return Object.entries(Status).find(([, value]) => value === status)?.[0] ?? `in state ${status}`;
}

function notAnswered(cause: unknown): Error {
  return new Error(`its health is not known: ${ConnectError.from(cause).rawMessage}`, { cause });
}

function isUnimplemented(error: unknown): boolean {
  return error instanceof ConnectError && error.code === Code.Unimplemented;
}

function pause({ env, signal }: Check, ms: number): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      timer.cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = env.timer(ms, end);
    signal.addEventListener("abort", end);
  });
}
