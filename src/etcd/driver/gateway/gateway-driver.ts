import type { Fetch, Fetcher } from "../../../fetcher.ts";
import { type Clock, systemClock } from "../../../time/clock.ts";
import { untilAborted } from "../../../time/until-aborted.ts";
import type { AttemptContext, EtcdDriver, WatchRequest, WatchResponse, WatchStream } from "../driver.ts";
import { classify, unsent } from "./gateway-error.ts";
import { type GatewayRequest, GatewaySessions } from "./gateway-sessions.ts";
import {
  int64,
  type Json,
  rangeRequest,
  rangeResponse,
  status,
  timeToLive,
  txnRequest,
  txnResponse,
  watchRequest,
  watchResponse,
} from "./message.ts";

/**
 * How long a watch lives before it is opened again where it was, in milliseconds: random in this range. A path that is
 * silent for long is cut: by most proxies after 60 s, by Node's fetch after 300 s, by Bun's after 360 s.
 */
const STREAM_MS = { least: 40_000, most: 55_000 } as const;

/** What the driver needs. */
export interface GatewayDriverOptions {
  /** Defaults to the runtime's `fetch`, looked up at each call. */
  readonly fetch?: Fetch | Fetcher | undefined;
  readonly random: () => number;
  /** Defaults to the runtime's. */
  readonly clock?: Clock | undefined;
}

/**
 * Creates the etcd driver over the JSON gateway that etcd serves beside gRPC (`POST /v3/kv/range` and so on), for
 * runtimes that have nothing but `fetch`. Each watch is a request of its own, and can't be asked for its progress.
 */
export function createGatewayDriver({ fetch, random, clock = systemClock }: GatewayDriverOptions): EtcdDriver {
  const sessions = new GatewaySessions({ fetch, clock, random });
  async function unary(path: string, body: Json, context: AttemptContext): Promise<Json> {
    return await only(sessions, { path, body }, context);
  }
  return {
    capabilities: {
      progress: false,
      watchesPerStream: 1,
      get maxStreamMs() {
        return STREAM_MS.least + (STREAM_MS.most - STREAM_MS.least) * random();
      },
    },
    range: async (request, context) => rangeResponse(await unary("kv/range", rangeRequest(request), context)),
    txn: async (request, context) => txnResponse(await unary("kv/txn", txnRequest(request), context)),
    async leaseGrant({ id, ttlSeconds }, context) {
      return int64(await unary("lease/grant", { ID: String(id), TTL: String(ttlSeconds) }, context), "TTL");
    },
    async leaseKeepAlive(id, context) {
      const request = { path: "lease/keepalive", body: { ID: String(id) }, leader: true };
      return int64(await only(sessions, request, context), "TTL");
    },
    async leaseRevoke(id, context) {
      await unary("lease/revoke", { ID: String(id) }, context);
    },
    async leaseTimeToLive({ id, keys = false }, context) {
      return timeToLive(await unary("lease/timetolive", { ID: String(id), keys }, context));
    },
    watch: (context) => watch(sessions, context),
    status: async (context) => status(await unary("maintenance/status", {}, context)),
    async authenticate(user, context) {
      return String((await unary("auth/authenticate", user, context))["token"] ?? "");
    },
    classify,
    unsent,
    backoffMs: (endpoint, neededByMs) => sessions.backoffMs(endpoint, neededByMs),
    generation: (endpoint) => sessions.generation(endpoint),
    reset: (endpoint, generation) => sessions.reset(endpoint, generation),
    onLost: (listener) => sessions.onLost(listener),
    close: async () => sessions.close(),
  };
}

/** The one message of a call, which is read to its end, so that its connection can be used again. */
async function only(sessions: GatewaySessions, request: GatewayRequest, context: AttemptContext): Promise<Json> {
  let only: Json | undefined;
  for await (const message of sessions.call(request, context)) only ??= message;
  return only as Json;
}

function watch(sessions: GatewaySessions, context: AttemptContext): WatchStream {
  let create: ((request: WatchRequest) => void) | undefined;
  const created = new Promise<WatchRequest>((resolve) => (create = resolve));
  const canceled = new AbortController();
  async function* responses(): AsyncGenerator<WatchResponse, void> {
    const signal = AbortSignal.any([context.signal, canceled.signal]);
    try {
      const request = watchRequest(await untilAborted(created, signal));
      const call = { path: "watch", body: request, leader: true, endsWithSession: true };
      for await (const message of sessions.call(call, { ...context, signal })) yield watchResponse(message);
    } catch (error) {
      if (!canceled.signal.aborted) throw error;
    }
  }
  return {
    responses: responses(),
    create(request) {
      if (create === undefined) throw new Error("a stream of etcd's JSON gateway has one watch only");
      create(request);
      create = undefined;
    },
    // There is no way to tell etcd but to end the request.
    cancel: () => canceled.abort(),
    requestProgress() {},
  };
}
