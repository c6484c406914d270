import { create } from "@bufbuild/protobuf";
import { type Client, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  Auth,
  Compare_CompareTarget,
  CompareSchema,
  type KeyValue as KeyValueMessage,
  KV,
  Lease,
  type LeaseKeepAliveRequest,
  LeaseKeepAliveRequestSchema,
  RequestOpSchema,
  type ResponseHeader as HeaderMessage,
} from "../../../../gen/etcd/client_pb.ts";
import type { Connector } from "../../../connection/link.ts";
import { readMark } from "../../../connection/mark.ts";
import type { AttemptContext, Compare, KeyValue, RequestDriver, ResponseHeader, TxnOperation } from "../driver.ts";
import { EndingStreams } from "../ending-streams.ts";
import { kindOfRefusal } from "../failure.ts";
import { Sessions } from "../sessions.ts";
import { ConnectSession } from "./connect-session.ts";
import { MessageQueue } from "./message-queue.ts";

/** A driver's sessions over the links of a connector. */
export type ConnectSessions = Sessions<ConnectSession>;

/** Sessions over the links of a connector. */
export function connectSessions(connector: Connector): ConnectSessions {
  return new Sessions((endpoint, events) => new ConnectSession(connector, endpoint, events));
}

/** The transport to the context's endpoint. */
export async function transportTo(
  sessions: ConnectSessions,
  { endpoint, signal }: AttemptContext,
): Promise<Transport> {
  return await sessions.session(endpoint).transport(signal);
}

/** Creates the part of the etcd driver over Connect's generated clients that has no watches. */
export function createRequestDriver(sessions: ConnectSessions): RequestDriver {
  const ending = new EndingStreams();
  const transport = (context: AttemptContext) => transportTo(sessions, context);
  return {
    async range(request, context) {
      const response = await createClient(KV, await transport(context)).range(request, callOptions(context));
      return { header: header(response.header), kvs: response.kvs.map(keyValue), more: response.more };
    },
    async txn(request, context) {
      const response = await createClient(KV, await transport(context)).txn({
        compare: request.compare.map(compare),
        success: request.success.map(operation),
        failure: request.failure.map(operation),
      }, callOptions(context));
      const kvs = response.responses.flatMap(({ response: { case: kind, value } }) =>
        kind === "responseRange" ? value.kvs.map(keyValue) : []
      );
      return { header: header(response.header), succeeded: response.succeeded, kvs };
    },
    async leaseGrant({ id, ttlSeconds }, context) {
      const client = createClient(Lease, await transport(context));
      return (await client.leaseGrant({ ID: id, TTL: ttlSeconds }, callOptions(context))).TTL;
    },
    async leaseKeepAlive(id, context) {
      return await keepAlive(createClient(Lease, await transport(context)), id, context, ending);
    },
    async leaseRevoke(id, context) {
      await createClient(Lease, await transport(context)).leaseRevoke({ ID: id }, callOptions(context));
    },
    async leaseTimeToLive({ id, keys = false }, context) {
      const client = createClient(Lease, await transport(context));
      const { TTL, grantedTTL, keys: found } = await client.leaseTimeToLive({ ID: id, keys }, callOptions(context));
      return TTL < 0n ? undefined : { ttlSeconds: TTL, grantedSeconds: grantedTTL, keys: found };
    },
    async authenticate(user, context) {
      return (await createClient(Auth, await transport(context)).authenticate(user, callOptions(context))).token;
    },
    classify: (error) => error instanceof ConnectError ? kindOfRefusal(error.rawMessage, error.code) : "transient",
    unsent: (error) => readMark(error) === "not-sent",
    generation: (endpoint) => sessions.generation(endpoint),
    reset: (endpoint, generation) => sessions.reset(endpoint, generation),
    onLost: (listener) => sessions.onLost(listener),
    close: () => sessions.close(),
  };
}

async function keepAlive(client: Client<typeof Lease>, id: bigint, context: AttemptContext, ending: EndingStreams) {
  const requests = new MessageQueue<LeaseKeepAliveRequest>();
  requests.push(create(LeaseKeepAliveRequestSchema, { ID: id }));
  const own = new AbortController();
  const options = callOptions({ ...context, signal: AbortSignal.any([context.signal, own.signal]) }, { leader: true });
  const responses = client.leaseKeepAlive(requests, options)[Symbol.asyncIterator]();
  try {
    const { value, done } = await responses.next();
    if (done) throw new Error("etcd ended a keepalive without an answer");
    return value.TTL;
  } finally {
    requests.end();
    ending.add(responses, () => own.abort());
  }
}

/**
 * `leader`: a member that has lost its cluster then refuses the call and ends its stream, rather than staying silent.
 */
export function callOptions(context: AttemptContext, { leader = false }: { readonly leader?: boolean } = {}): {
  signal: AbortSignal;
  headers: Record<string, string>;
} {
  const headers: Record<string, string> = {};
  if (context.token !== undefined) headers["token"] = context.token;
  if (leader) headers["hasleader"] = "true";
  return { signal: context.signal, headers };
}

function compare({ target, key, value }: Compare) {
  return target === "version"
    ? create(CompareSchema, { target: Compare_CompareTarget.VERSION, key, targetUnion: { case: "version", value } })
    : create(CompareSchema, { target: Compare_CompareTarget.LEASE, key, targetUnion: { case: "lease", value } });
}

function operation(op: TxnOperation) {
  return "put" in op
    ? create(RequestOpSchema, { request: { case: "requestPut", value: op.put } })
    : create(RequestOpSchema, { request: { case: "requestRange", value: op.range } });
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
