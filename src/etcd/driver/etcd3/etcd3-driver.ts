import { untilAborted } from "../../../time/until-aborted.ts";
import type { AttemptContext, EtcdDriver, WatchResponse, WatchStream } from "../driver.ts";
import { EndingStreams } from "../ending-streams.ts";
import { kindOfRefusal } from "../failure.ts";
import { Sessions } from "../sessions.ts";
import { Etcd3Call, StatusError } from "./etcd3-call.ts";
import { Etcd3Session, type Etcd3Source } from "./etcd3-session.ts";
import {
  header,
  keyValue,
  rangeRequest,
  status,
  timeToLive,
  txnRequest,
  watchRequest,
  watchResponse,
} from "./message.ts";
import type { CallOptions, RawClient, RawWatchRequest, RawWatchResponse } from "./package.ts";

/**
 * Creates the etcd driver over the `etcd3` package. It uses only the package's raw clients: the package's own leases,
 * watchers and retries lose what the registry must not lose.
 */
export function createEtcd3Driver(source: Etcd3Source): EtcdDriver {
  const sessions = new Sessions((endpoint, events) => new Etcd3Session(source, endpoint, events));
  const ending = new EndingStreams();

  async function unary<T>(
    context: AttemptContext,
    attempt: (client: RawClient, options: CallOptions) => Promise<T>,
  ): Promise<T> {
    const session = sessions.session(context.endpoint);
    const client = await untilAborted(session.client(), context.signal);
    const own = new Etcd3Call(session, context);
    try {
      const answer = await attempt(client, own.options);
      own.throwIfFailed();
      return answer;
    } catch (error) {
      own.throwIfFailed();
      throw error;
    } finally {
      own.end();
    }
  }

  return {
    capabilities: { progress: true },
    async range(request, context) {
      const response = await unary(context, ({ kv }, options) => kv.range(rangeRequest(request), options));
      return { header: header(response.header), kvs: response.kvs.map(keyValue), more: response.more };
    },
    async txn(request, context) {
      const response = await unary(context, ({ kv }, options) => kv.txn(txnRequest(request), options));
      const kvs = response.responses.flatMap(({ response_range }) => response_range?.kvs.map(keyValue) ?? []);
      return { header: header(response.header), succeeded: response.succeeded, kvs };
    },
    async leaseGrant({ id, ttlSeconds }, context) {
      const request = { ID: String(id), TTL: String(ttlSeconds) };
      const { TTL } = await unary(context, ({ leaseClient }, options) => leaseClient.leaseGrant(request, options));
      return BigInt(TTL);
    },
    leaseKeepAlive: async (id, context) => await keepAlive(sessions.session(context.endpoint), id, context, ending),
    async leaseRevoke(id, context) {
      await unary(context, ({ leaseClient }, options) => leaseClient.leaseRevoke({ ID: String(id) }, options));
    },
    async leaseTimeToLive({ id, keys = false }, context) {
      const request = { ID: String(id), keys };
      return timeToLive(
        await unary(context, ({ leaseClient }, options) => leaseClient.leaseTimeToLive(request, options)),
      );
    },
    watch: (context) => watch(sessions, context),
    status: async (context) => status(await unary(context, ({ maintenance }, options) => maintenance.status(options))),
    async authenticate(user, context) {
      return (await unary(context, ({ auth }, options) => auth.authenticate(user, options))).token;
    },
    classify: (error) => error instanceof StatusError ? kindOfRefusal(error.message, error.code) : "transient",
    unsent: (error) =>
      error instanceof StatusError && /^(No connection established|Name resolution failed)/.test(error.message),
    generation: (endpoint) => sessions.generation(endpoint),
    reset: (endpoint, generation) => sessions.reset(endpoint, generation),
    onLost: (listener) => sessions.onLost(listener),
    close: () => sessions.close(),
  };
}

async function keepAlive(
  session: Etcd3Session,
  id: bigint,
  context: AttemptContext,
  ending: EndingStreams,
): Promise<bigint> {
  const client = await untilAborted(session.client(), context.signal);
  const own = new Etcd3Call(session, context, { leader: true });
  let answered = false;
  try {
    const stream = await client.leaseClient.leaseKeepAlive(own.options);
    stream.write({ ID: String(id) });
    const responses = readable<{ TTL: string }>(stream)[Symbol.asyncIterator]();
    const { value, done } = await responses.next();
    if (done) throw new Error("etcd ended a keepalive without an answer");
    answered = true;
    stream.end();
    ending.add(responses, () => own.end());
    return BigInt(value.TTL);
  } catch (error) {
    own.throwIfFailed();
    throw error;
  } finally {
    if (!answered) own.end();
  }
}

function watch(sessions: Sessions<Etcd3Session>, context: AttemptContext): WatchStream {
  /** Requests sent before the stream is open. */
  const early: RawWatchRequest[] = [];
  let send = (request: RawWatchRequest) => void early.push(request);
  async function* responses(): AsyncGenerator<WatchResponse, void, undefined> {
    const session = sessions.session(context.endpoint);
    const client = await untilAborted(session.client(), context.signal);
    // A watch has no timeout, and would otherwise keep a session open that was given up.
    const signal = AbortSignal.any([context.signal, sessions.retirement(context.endpoint)]);
    const own = new Etcd3Call(session, { ...context, signal }, { leader: true });
    try {
      const stream = await client.watchClient.watch(own.options);
      // End the stream ourselves before the cancellation: otherwise the package would consider its host failed.
      own.onCancel = () => {
        send = () => {};
        stream.end();
      };
      send = (request) => void stream.write(request);
      for (const request of early.splice(0)) send(request);
      for await (const response of readable<RawWatchResponse>(stream)) yield watchResponse(response);
      own.throwIfFailed();
    } catch (error) {
      own.throwIfFailed();
      throw error;
    } finally {
      send = () => {};
      own.end();
    }
  }
  return {
    responses: responses(),
    create: (request) => send(watchRequest(request)),
    cancel: (watchId) => send({ cancel_request: { watch_id: String(watchId) } }),
    requestProgress: () => send({ progress_request: {} }),
  };
}

/** The package's streams are Node's; its types don't say so. */
const readable = <T>(stream: unknown): AsyncIterable<T> => stream as AsyncIterable<T>;
