import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type Event,
  Maintenance,
  Watch,
  type WatchRequestSchema,
  type WatchResponse as WatchResponseMessage,
} from "../../../../gen/etcd/watch_pb.ts";
import type { Connector } from "../../../connection/link.ts";
import type { AttemptContext, EtcdDriver, WatchEvent, WatchResponse, WatchStream } from "../driver.ts";
import { MessageQueue } from "./message-queue.ts";
import {
  ConnectSessions,
  createRequestDriver,
  header,
  keyValue,
  leaderHeadersOf,
  transportTo,
  unaryOf,
} from "./request-driver.ts";
import type { BackoffEnv } from "../session-backoff.ts";

/** etcd's `Event.EventType`. */
const EVENT_DELETE = 1;

/** Creates the etcd driver over the links of a connector. `env`: for the backoff between attempts to open one. */
export function createConnectDriver(connector: Connector, env: BackoffEnv = {}): EtcdDriver {
  const sessions = new ConnectSessions(connector, env);
  /** A watch has no timeout, and would otherwise keep a session open that was given up. */
  const untilRetired = (context: AttemptContext): AttemptContext => {
    return { ...context, signal: AbortSignal.any([context.signal, sessions.retirement(context.endpoint)]) };
  };
  return {
    ...createRequestDriver(sessions),
    capabilities: { progress: true },
    watch: (context) => watch(sessions, untilRetired(context)),
    async status(context) {
      const status = await unaryOf(sessions, Maintenance.method.status, {}, context);
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

function watch(sessions: ConnectSessions, context: AttemptContext): WatchStream {
  const transport = transportTo(sessions, context);
  const requests = new MessageQueue<MessageInitShape<typeof WatchRequestSchema>>();
  async function* responses() {
    try {
      const { signal } = context, headers = leaderHeadersOf(context);
      const { message } = await (await transport).stream(Watch.method.watch, signal, undefined, headers, requests);
      for await (const response of message) {
        sessions.answered(context);
        yield watchResponse(response);
      }
    } catch (error) {
      throw sessions.failed(context, error);
    } finally {
      requests.end();
    }
  }
  // The caller may never read the responses; those who do get the transport's failure.
  transport.catch(() => {});
  return {
    responses: responses(),
    create(request) {
      const value = { ...request, progressNotify: true, fragment: true };
      requests.push({ requestUnion: { case: "createRequest", value } });
    },
    cancel: (watchId) => requests.push({ requestUnion: { case: "cancelRequest", value: { watchId } } }),
    requestProgress: () => requests.push({ requestUnion: { case: "progressRequest", value: {} } }),
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
  return [{ type: type === EVENT_DELETE ? "delete" : "put", kv: keyValue(kv) }];
}
