import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import type { Event, KeyValue as KeyValueMessage } from "../../../../gen/etcd/kv_pb.ts";
import { Event_EventType } from "../../../../gen/etcd/kv_pb.ts";
import {
  Auth,
  Compare_CompareTarget,
  CompareSchema,
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
} from "../../../../gen/etcd/rpc_pb.ts";
import type { Connector } from "../../../connection/link.ts";
import { readMark } from "../../../connection/mark.ts";
import type {
  Compare,
  EtcdCall,
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

/** The etcd driver over Connect's generated clients and the links of a connector. */
export function createConnectDriver(connector: Connector): EtcdDriver {
  const sessions = new Sessions((endpoint, events) => new ConnectSession(connector, endpoint, events));
  const ending = new EndingStreams();
  const transport = async ({ endpoint, signal }: EtcdCall): Promise<Transport> =>
    await sessions.session(endpoint).transport(signal);
  /** A watch has no timeout, and so would hold a session that was given up. */
  const untilRetired = (call: EtcdCall): EtcdCall => {
    return { ...call, signal: AbortSignal.any([call.signal, sessions.retirement(call.endpoint)]) };
  };
  return {
    capabilities: { progress: true },
    async range(request, call) {
      const response = await createClient(KV, await transport(call)).range(request, callOptions(call));
      return { header: header(response.header), kvs: response.kvs.map(keyValue), more: response.more };
    },
    async txn(request, call) {
      const response = await createClient(KV, await transport(call)).txn({
        compare: request.compare.map(compare),
        success: request.success.map(operation),
        failure: request.failure.map(operation),
      }, callOptions(call));
      const kvs = response.responses.flatMap(({ response: { case: kind, value } }) =>
        kind === "responseRange" ? value.kvs.map(keyValue) : []
      );
      return { header: header(response.header), succeeded: response.succeeded, kvs };
    },
    async leaseGrant({ id, ttlSeconds }, call) {
      const client = createClient(Lease, await transport(call));
      return (await client.leaseGrant({ ID: id, TTL: ttlSeconds }, callOptions(call))).TTL;
    },
    async leaseKeepAlive(id, call) {
      return await keepAlive(createClient(Lease, await transport(call)), id, call, ending);
    },
    async leaseRevoke(id, call) {
      await createClient(Lease, await transport(call)).leaseRevoke({ ID: id }, callOptions(call));
    },
    async leaseTimeToLive({ id, keys = false }, call) {
      const client = createClient(Lease, await transport(call));
      const { TTL, grantedTTL, keys: found } = await client.leaseTimeToLive({ ID: id, keys }, callOptions(call));
      return TTL < 0n ? undefined : { ttlSeconds: TTL, grantedSeconds: grantedTTL, keys: found };
    },
    watch: (call) => watch(transport(call), untilRetired(call)),
    async status(call) {
      const status = await createClient(Maintenance, await transport(call)).status({}, callOptions(call));
      return {
        header: header(status.header),
        version: status.version,
        memberId: status.header?.memberId ?? 0n,
        leaderId: status.leader,
        dbSizeBytes: status.dbSize,
        raftIndex: status.raftIndex,
      };
    },
    async authenticate(user, call) {
      return (await createClient(Auth, await transport(call)).authenticate(user, callOptions(call))).token;
    },
    classify,
    unsent: (error) => readMark(error) === "not-sent",
    generation: (endpoint) => sessions.generation(endpoint),
    reset: (endpoint, generation) => sessions.reset(endpoint, generation),
    onLost: (listener) => sessions.onLost(listener),
    close: () => sessions.close(),
  };
}

async function keepAlive(client: Client<typeof Lease>, id: bigint, call: EtcdCall, ending: EndingStreams) {
  const requests = new MessageQueue<LeaseKeepAliveRequest>();
  requests.push(create(LeaseKeepAliveRequestSchema, { ID: id }));
  const own = new AbortController();
  const options = callOptions({ ...call, signal: AbortSignal.any([call.signal, own.signal]) }, { leader: true });
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

function watch(transport: Promise<Transport>, call: EtcdCall): WatchStream {
  const requests = new MessageQueue<WatchRequestMessage>();
  const send = (requestUnion: MessageInitShape<typeof WatchRequestSchema>["requestUnion"]) =>
    requests.push(create(WatchRequestSchema, requestUnion === undefined ? {} : { requestUnion }));
  async function* responses() {
    try {
      const client = createClient(Watch, await transport);
      for await (const response of client.watch(requests, callOptions(call, { leader: true }))) {
        yield watchResponse(response);
      }
    } finally {
      requests.end();
    }
  }
  // The caller may never read the responses; the transport's failure is told to those who do.
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

/** `leader`: a member that has lost its cluster refuses the call, and ends its stream; without it, it stays silent. */
function callOptions(call: EtcdCall, { leader = false } = {}): {
  signal: AbortSignal;
  headers: Record<string, string>;
} {
  const headers: Record<string, string> = {};
  if (call.token !== undefined) headers["token"] = call.token;
  if (leader) headers["hasleader"] = "true";
  return { signal: call.signal, headers };
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
