import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  Auth,
  Compare_CompareTarget,
  CompareSchema,
  type Event,
  Event_EventType,
  type KeyValue as KeyValueMessage,
  KV,
  Lease,
  type LeaseKeepAliveRequest,
  LeaseKeepAliveRequestSchema,
  Maintenance,
  RequestOpSchema,
  type ResponseHeader as HeaderMessage,
  Watch,
  type WatchRequest as WatchRequestMessage,
  WatchRequestSchema,
  type WatchResponse as WatchResponseMessage,
} from "../../../../gen/etcd/client_pb.ts";
import type { Connector } from "../../../connection/link.ts";
import { readMark } from "../../../connection/mark.ts";
import type {
  AttemptContext,
  Compare,
  EtcdDriver,
  FailureKind,
  KeyValue,
  ResponseHeader,
  TxnOperation,
  WatchEvent,
  WatchResponse,
  WatchStream,
} from "../driver.ts";
import { EndingStreams } from "../ending-streams.ts";
import { kindOfText } from "../failure.ts";
import { Sessions } from "../sessions.ts";
import { ConnectSession } from "./connect-session.ts";
import { MessageQueue } from "./message-queue.ts";

/** Creates the etcd driver over Connect's generated clients and the links of a connector. */
export function createConnectDriver(connector: Connector): EtcdDriver {
  const sessions = new Sessions((endpoint, events) => new ConnectSession(connector, endpoint, events));
  const ending = new EndingStreams();
  const transport = async ({ endpoint, signal }: AttemptContext): Promise<Transport> =>
    await sessions.session(endpoint).transport(signal);
  /** A watch has no timeout, and would otherwise keep a session open that was given up. */
  const untilRetired = (context: AttemptContext): AttemptContext => {
    return { ...context, signal: AbortSignal.any([context.signal, sessions.retirement(context.endpoint)]) };
  };
  return {
    capabilities: { progress: true },
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
    watch: (context) => watch(transport(context), untilRetired(context)),
    async status(context) {
      const status = await createClient(Maintenance, await transport(context)).status({}, callOptions(context));
      return {
        header: header(status.header),
        version: status.version,
        memberId: status.header?.memberId ?? 0n,
        leaderId: status.leader,
        dbSizeBytes: status.dbSize,
        raftIndex: status.raftIndex,
      };
    },
    async authenticate(user, context) {
      return (await createClient(Auth, await transport(context)).authenticate(user, callOptions(context))).token;
    },
    classify,
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

function watch(transport: Promise<Transport>, context: AttemptContext): WatchStream {
  const requests = new MessageQueue<WatchRequestMessage>();
  const send = (requestUnion: MessageInitShape<typeof WatchRequestSchema>["requestUnion"]) =>
    requests.push(create(WatchRequestSchema, requestUnion === undefined ? {} : { requestUnion }));
  async function* responses() {
    try {
      const client = createClient(Watch, await transport);
      for await (const response of client.watch(requests, callOptions(context, { leader: true }))) {
        yield watchResponse(response);
      }
    } finally {
      requests.end();
    }
  }
  // The caller may never read the responses; those who do get the transport's failure.
  transport.catch(() => {});
  return {
    responses: responses(),
    create: (request) => send({ case: "createRequest", value: { ...request, progressNotify: true, fragment: true } }),
    cancel: (watchId) => send({ case: "cancelRequest", value: { watchId } }),
    requestProgress: () => send({ case: "progressRequest", value: {} }),
  };
}

function classify(error: unknown): FailureKind {
  if (!(error instanceof ConnectError)) return "transient";
  const kind = kindOfText(error.rawMessage);
  if (kind !== "transient") return kind;
  if (error.code === Code.Unauthenticated) return "token";
  return error.code === Code.PermissionDenied ? "refused" : "transient";
}

/**
 * `leader`: a member that has lost its cluster then refuses the call and ends its stream, rather than staying silent.
 */
function callOptions(context: AttemptContext, { leader = false } = {}): {
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

function header(message: HeaderMessage | undefined): ResponseHeader {
  return {
    clusterId: message?.clusterId ?? 0n,
    revision: message?.revision ?? 0n,
    raftTerm: message?.raftTerm ?? 0n,
  };
}

function keyValue({ key, value, createRevision, modRevision, lease }: KeyValueMessage): KeyValue {
  return { key, value, createRevision, modRevision, lease };
}

function watchResponse(message: WatchResponseMessage): WatchResponse {
  const { watchId, created, canceled, compactRevision, cancelReason, fragment } = message;
  const events = message.events.flatMap(watchEvent);
  return {
    header: header(message.header),
    watchId,
    created,
    canceled,
    compactRevision,
    cancelReason,
    fragment,
    events,
  };
}

function watchEvent({ type, kv }: Event): WatchEvent[] {
  if (kv === undefined) return [];
  return [{ type: type === Event_EventType.DELETE ? "delete" : "put", kv: keyValue(kv) }];
}
