import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  LoadBalancer,
  type LoadBalanceRequestSchema,
  type LoadBalanceResponse,
} from "../../../gen/grpc/lb/v1/load_balancer_pb.ts";
import { sleep } from "../../time/backoff.ts";
import type { Clock } from "../../time/clock.ts";
import type { ClientStats } from "./client-stats.ts";
import { ServerList } from "./server-list.ts";

/** Hears what a balancer sends. */
export interface BalanceLoadListener {
  /** The balancer has accepted the stream. */
  begun(): void;
  /** The servers from now on. */
  listed(list: ServerList): void;
  /** The balancer wants other addresses to be used, even if its servers can be reached. */
  fallBack(): void;
}

/** What a stream is for. */
export interface BalanceLoadOptions {
  /** The service's name. */
  readonly name: string;
  readonly stats: ClientStats;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly listener: BalanceLoadListener;
}

/** The shortest interval of reports, in milliseconds, whatever a balancer asks for; as in gRPC's C core. */
const LEAST_INTERVAL_MS = 1_000;

type Request = MessageInitShape<typeof LoadBalanceRequestSchema>;

/** Reads one stream of a balancer to its end, and reports calls on it as often as the balancer asks for. */
export async function balanceLoad(transport: Transport, options: BalanceLoadOptions): Promise<void> {
  const { signal, listener, stats } = options;
  const interval = Promise.withResolvers<number>(), ended = new AbortController();
  const end = () => ended.abort();
  signal.addEventListener("abort", end);
  try {
    if (signal.aborted) return;
    const requests = requestsOf(options, interval.promise, ended.signal);
    let begun = false;
    for await (
      const response of createClient(LoadBalancer, transport).balanceLoad(requests, { signal: ended.signal })
    ) {
      if (!begun) {
        const intervalMs = intervalIn(response);
        begun = true;
        stats.wanted(intervalMs > 0);
        listener.begun();
        interval.resolve(intervalMs);
      } else {
        tell(listener, response);
      }
    }
  } finally {
    signal.removeEventListener("abort", end);
    // A stream that is no longer read ends by its signal only.
    ended.abort();
    interval.resolve(0);
  }
}

function tell(listener: BalanceLoadListener, { loadBalanceResponseType: { case: kind, value } }: LoadBalanceResponse) {
  if (kind === "serverList") listener.listed(new ServerList(value.servers));
  else if (kind === "fallbackResponse") listener.fallBack();
}

/** How often the balancer wants a report, in milliseconds; 0: never. @throws ConnectError for any other response. */
function intervalIn({ loadBalanceResponseType: { case: kind, value } }: LoadBalanceResponse): number {
  if (kind !== "initialResponse") {
    throw new ConnectError("the balancer's first message is not an initial response", Code.Internal);
  }
  const ms = millisecondsOf(value.clientStatsReportInterval);
  return ms > 0 ? Math.max(ms, LEAST_INTERVAL_MS) : 0;
}

function millisecondsOf(duration: Duration | undefined): number {
  return duration === undefined ? 0 : Number(duration.seconds) * 1_000 + duration.nanos / 1e6;
}

async function* requestsOf(
  { name, stats, clock }: BalanceLoadOptions,
  interval: Promise<number>,
  ended: AbortSignal,
): AsyncIterable<Request> {
  yield { loadBalanceRequestType: { case: "initialRequest", value: { name } } };
  const intervalMs = await interval;
  // The stream stays open in both directions.
  if (intervalMs === 0) await aborted(ended);
  while (!ended.aborted) {
    await sleep(clock, intervalMs, ended);
    const report = ended.aborted ? undefined : stats.take();
    if (report !== undefined) yield { loadBalanceRequestType: { case: "clientStats", value: report } };
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
