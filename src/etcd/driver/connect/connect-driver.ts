import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import {
  type Event,
  Event_EventType,
  Maintenance,
  Watch,
  type WatchRequest as WatchRequestMessage,
  WatchRequestSchema,
  type WatchResponse as WatchResponseMessage,
} from "../../../../gen/etcd/watch_pb.ts";
import type { Connector } from "../../../connection/link.ts";
import type { AttemptContext, EtcdDriver, WatchEvent, WatchResponse, WatchStream } from "../driver.ts";
import { MessageQueue } from "./message-queue.ts";
import { callOptions, connectSessions, createRequestDriver, header, keyValue, transportTo } from "./request-driver.ts";

/** Creates the etcd driver over Connect's generated clients and the links of a connector. */
export function createConnectDriver(connector: Connector): EtcdDriver {
  const sessions = connectSessions(connector);
  /** A watch has no timeout, and would otherwise keep a session open that was given up. */
  const untilRetired = (context: AttemptContext): AttemptContext => {
    return { ...context, signal: AbortSignal.any([context.signal, sessions.retirement(context.endpoint)]) };
  };
  return {
    ...createRequestDriver(sessions),
    capabilities: { progress: true },
    watch: (context) => watch(transportTo(sessions, context), untilRetired(context)),
    async status(context) {
      const client = createClient(Maintenance, await transportTo(sessions, context));
      const status = await client.status({}, callOptions(context));
      return {
        header: header(status.header),
        version: status.version,
        memberId: status.header?.memberId ?? 0n,
        leaderId: status.leader,
        dbSizeBytes: status.dbSize,
        raftIndex: status.raftIndex,
      };
    },
  };
}

function watch(transport: Promise<Transport>, context: AttemptContext): WatchStream {
  const requests = new MessageQueue<WatchRequestMessage>();
  const send = (requestUnion: NonNullable<MessageInitShape<typeof WatchRequestSchema>["requestUnion"]>) =>
    requests.push(create(WatchRequestSchema, { requestUnion }));
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
