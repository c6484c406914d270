import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { ConnectError, type Transport } from "@connectrpc/connect";
import {
  Auth,
  type CompareSchema,
  type KeyValue as KeyValueMessage,
  KV,
  Lease,
  type LeaseRequestSchema,
  type RequestOpSchema,
  type ResponseHeader as HeaderMessage,
} from "../../../../gen/etcd/client_pb.ts";
import type { Connector } from "../../../connection/link.ts";
import { readMark } from "../../../connection/mark.ts";
import type { Endpoint } from "../../../endpoint.ts";
import type { AttemptContext, Compare, KeyValue, RequestDriver, ResponseHeader, TxnOperation } from "../driver.ts";
import { EndingStreams } from "../ending-streams.ts";
import { kindOfRefusal } from "../failure.ts";
import { Sessions } from "../sessions.ts";
import { ConnectSession } from "./connect-session.ts";
import { MessageQueue } from "./message-queue.ts";
import { type BackoffEnv, type SessionBackoff, SessionBackoffs } from "../session-backoff.ts";

/** etcd's `Compare.CompareTarget`. */
const COMPARE_VERSION = 0, COMPARE_LEASE = 4;

/** A driver's sessions over the links of a connector, and the backoffs of their endpoints. */
export class ConnectSessions extends Sessions<ConnectSession> {
  readonly #backoffs: SessionBackoffs;

  constructor(connector: Connector, env: BackoffEnv) {
    const backoffs = new SessionBackoffs(env);
    super((endpoint, events) => new ConnectSession(endpoint, { connector, backoff: backoffs.of(endpoint), events }));
    this.#backoffs = backoffs;
  }

  backoff(endpoint: Endpoint): SessionBackoff {
    return this.#backoffs.of(endpoint);
  }

  /** A call to the context's endpoint was answered. */
  answered({ endpoint }: AttemptContext): void {
    this.backoff(endpoint).answered();
  }

  /** One failed; an error may be the answer, too. Returns the error. */
  failed(context: AttemptContext, error: unknown): unknown {
    if (readMark(error) === "answered") this.answered(context);
    return error;
  }
}

/** The transport to the context's endpoint. */
export async function transportTo(
  sessions: ConnectSessions,
  { endpoint, signal, neededByMs }: AttemptContext,
): Promise<Transport> {
  return await sessions.session(endpoint).transport(signal, neededByMs);
}

/** Creates the part of the etcd driver over Connect's transports that has no watches. */
export function createRequestDriver(sessions: ConnectSessions): RequestDriver {
  const ending = new EndingStreams();
  const unary = <I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    context: AttemptContext,
  ) => unaryOf(sessions, method, request, context);
  return {
    async range(request, context) {
      const response = await unary(KV.method.range, request, context);
      return { header: header(response.header), kvs: response.kvs.map(keyValue), more: response.more };
    },
    async txn({ compare, success, failure }, context) {
      const request = {
        compare: compare.map(comparison),
        success: success.map(operation),
        failure: failure.map(operation),
      };
      const response = await unary(KV.method.txn, request, context);
      const kvs = response.responses.flatMap(({ response: { case: kind, value } }) =>
        kind === "responseRange" ? value.kvs.map(keyValue) : []
      );
      return { header: header(response.header), succeeded: response.succeeded, kvs };
    },
    async leaseGrant({ id, ttlSeconds }, context) {
      return (await unary(Lease.method.leaseGrant, { ID: id, TTL: ttlSeconds }, context)).TTL;
    },
    async leaseKeepAlive(id, context) {
      return await keepAlive(sessions, id, context, ending);
    },
    async leaseRevoke(id, context) {
      await unary(Lease.method.leaseRevoke, { ID: id }, context);
    },
    async leaseTimeToLive({ id, keys = false }, context) {
      const { TTL, grantedTTL, keys: found } = await unary(Lease.method.leaseTimeToLive, { ID: id, keys }, context);
      return TTL < 0n ? undefined : { ttlSeconds: TTL, grantedSeconds: grantedTTL, keys: found };
    },
    async authenticate(user, context) {
      return (await unary(Auth.method.authenticate, user, context)).token;
    },
    classify: (error) => error instanceof ConnectError ? kindOfRefusal(error.rawMessage, error.code) : "transient",
    unsent: (error) => readMark(error) === "not-sent",
    backoffMs: (endpoint, neededByMs) => sessions.backoff(endpoint).waitMs(neededByMs),
    generation: (endpoint) => sessions.generation(endpoint),
    reset: (endpoint, generation) => sessions.reset(endpoint, generation),
    onLost: (listener) => sessions.onLost(listener),
    close: () => sessions.close(),
  };
}

/** Makes one unary request. */
export async function unaryOf<I extends DescMessage, O extends DescMessage>(
  sessions: ConnectSessions,
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  context: AttemptContext,
): Promise<MessageShape<O>> {
  const transport = await transportTo(sessions, context);
  try {
    const { message } = await transport.unary(method, context.signal, undefined, headersOf(context), request);
    sessions.answered(context);
    return message;
  } catch (error) {
    throw sessions.failed(context, error);
  }
}

async function keepAlive(sessions: ConnectSessions, id: bigint, context: AttemptContext, ending: EndingStreams) {
  const transport = await transportTo(sessions, context);
  const requests = new MessageQueue<MessageInitShape<typeof LeaseRequestSchema>>();
  requests.push({ ID: id });
  const own = new AbortController();
  const signal = AbortSignal.any([context.signal, own.signal]);
  try {
    const headers = leaderHeadersOf(context);
    const { message } = await transport.stream(Lease.method.leaseKeepAlive, signal, undefined, headers, requests);
    const responses = message[Symbol.asyncIterator]();
    try {
      const { value, done } = await responses.next();
      if (done) throw new Error("etcd ended a keepalive without an answer");
      sessions.answered(context);
      return value.TTL;
    } finally {
      ending.add(responses, () => own.abort());
    }
  } catch (error) {
    throw sessions.failed(context, error);
  } finally {
    requests.end();
  }
}

function headersOf({ token }: AttemptContext): Record<string, string> {
  return token === undefined ? {} : { token };
}

/** A member that has lost its cluster then refuses the call and ends its stream, rather than staying silent. */
export function leaderHeadersOf(context: AttemptContext): Record<string, string> {
  return { ...headersOf(context), hasleader: "true" };
}

function comparison({ target, key, value }: Compare): MessageInitShape<typeof CompareSchema> {
  return target === "version"
    ? { target: COMPARE_VERSION, key, targetUnion: { case: "version", value } }
    : { target: COMPARE_LEASE, key, targetUnion: { case: "lease", value } };
}

function operation(op: TxnOperation): MessageInitShape<typeof RequestOpSchema> {
  return "put" in op
    ? { request: { case: "requestPut", value: op.put } }
    : { request: { case: "requestRange", value: op.range } };
}

/** The header of a response, as the driver's interface has it. */
export function header(message: HeaderMessage | undefined): ResponseHeader {
  return {
    clusterId: message?.clusterId ?? 0n,
    revision: message?.revision ?? 0n,
    raftTerm: message?.raftTerm ?? 0n,
  };
}

/** A key, as the driver's interface has it. */
export function keyValue({ key, value, createRevision, modRevision, lease }: KeyValueMessage): KeyValue {
  return { key, value, createRevision, modRevision, lease };
}
