import { Code, ConnectError, type ContextKey, type ContextValues, createContextKey } from "@connectrpc/connect";
import type { Connector } from "../connection/link.ts";
import { markAttempt, readMark } from "../connection/mark.ts";
import { note } from "../connection/note.ts";
import type { Endpoint } from "../endpoint.ts";
import type { Clock } from "../time/clock.ts";
import { untilAborted } from "../time/until-aborted.ts";
import type { Place, Sockets } from "./sockets.ts";

/** Finds the sockets that a call may use. */
export type SocketsOf = (contextValues: ContextValues | undefined) => Sockets | undefined;

const SOCKETS: ContextKey<Sockets | undefined> = createContextKey<Sockets | undefined>(undefined, {
  description: "the sockets of the current request",
});

/** The sockets that {@link withSockets} gave. */
export const socketsOfRequest: SocketsOf = (contextValues) => contextValues?.get(SOCKETS);

/** A call's context values with the sockets of its request. The caller's own, which calls may share, don't change. */
export function withSockets(sockets: Sockets, values: ContextValues): ContextValues {
  return {
    get: (key) => (key.id === SOCKETS.id ? sockets as typeof key.defaultValue : values.get(key)),
    set(key, value) {
      values.set(key, value);
      return this;
    },
    delete(key) {
      values.delete(key);
      return this;
    },
  };
}

/**
 * Creates links that own no sockets: each call uses those of its own request, or of the Durable Object. They have no
 * states, so they may be shared by all requests.
 */
export function scopedConnector(socketsOf: SocketsOf, clock: Clock): Connector {
  const taken = (endpoint: Endpoint, signal: AbortSignal | undefined, timeoutMs: number | undefined, of: Sockets) =>
    new Taking(of, clock, signal, timeoutMs).take(endpoint);
  const theSockets = (contextValues: ContextValues | undefined): Sockets => {
    const sockets = socketsOf(contextValues);
    if (sockets !== undefined) return sockets;
    const text = "sockets belong to a request in a Worker: make the call on transport.forRequest(ctx)";
    throw note(new ConnectError(text, Code.FailedPrecondition), "final");
  };
  return (endpoint) => ({
    protocol: "grpc",
    transport: {
      async unary(method, signal, timeoutMs, header, input, contextValues) {
        const { place, leftMs } = await taken(endpoint, signal, timeoutMs, theSockets(contextValues));
        try {
          return await place.link.transport.unary(method, signal, leftMs, header, input, contextValues);
        } catch (error) {
          throw onOpen(error);
        } finally {
          place.release();
        }
      },
      async stream(method, signal, timeoutMs, header, input, contextValues) {
        const { place, leftMs } = await taken(endpoint, signal, timeoutMs, theSockets(contextValues));
        try {
          return await place.link.transport.stream(method, signal, leftMs, header, input, contextValues);
        } catch (error) {
          throw onOpen(error);
        } finally {
          place.release();
        }
      },
    },
    close: () => Promise.resolve(),
  });
}

/**
 * Marks the error of a call on an open connection. What that didn't send, because it drains or was lost just then, is no
 * reason to avoid the endpoint: its next call opens another one. A connection lost under a call is one.
 */
function onOpen(error: unknown): unknown {
  if (!(error instanceof ConnectError)) return error;
  const mark = readMark(error);
  if (mark === "not-sent") return markAttempt(error, "refused");
  return mark === undefined && error.code === Code.Unavailable ? markAttempt(error, "maybe-processed") : error;
}

/** A call that waits for its place and its link, until its deadline passes or its caller aborts it. */
class Taking {
  readonly #sockets: Sockets;
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  readonly #timeoutMs: number | undefined;

  constructor(sockets: Sockets, clock: Clock, signal: AbortSignal | undefined, timeoutMs: number | undefined) {
    this.#sockets = sockets;
    this.#clock = clock;
    this.#signal = signal;
    this.#timeoutMs = timeoutMs;
  }

  async take(endpoint: Endpoint): Promise<{ readonly place: Place; readonly leftMs: number | undefined }> {
    const clock = this.#clock, signal = this.#signal, timeoutMs = this.#timeoutMs;
    const startMs = clock.now();
    const waiting = new AbortController();
    const abort = () => waiting.abort(signal?.reason);
    let what = `all ${this.#sockets.maxSockets} sockets are in use`, late = false;
    const timer = timeoutMs === undefined ? undefined : clock.timer(timeoutMs, () => {
      late = true;
      waiting.abort(new ConnectError(`the operation timed out: ${what}`, Code.DeadlineExceeded));
    }, true);
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
    let place: Place | undefined;
    try {
      place = await this.#sockets.take(endpoint, waiting.signal);
      what = `the connection to ${endpoint.address} is still being opened`;
      await untilAborted(place.opened, waiting.signal);
      return { place, leftMs: timeoutMs && Math.max(1, timeoutMs - (clock.now() - startMs)) };
    } catch (error) {
      place?.release();
      const failure = ConnectError.from(error);
      // An endpoint that can't be reached in time is avoided from then on; it has no part in a lack of sockets.
      throw late && place !== undefined ? markAttempt(failure, "not-sent") : failure;
    } finally {
      timer?.cancel();
      signal?.removeEventListener("abort", abort);
    }
  }
}
