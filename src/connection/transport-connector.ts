import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type StreamResponse, type Transport, type UnaryResponse } from "@connectrpc/connect";
import type { Endpoint } from "../endpoint.ts";
import { checkOptions, type Checks, fn, kind, made, quoted } from "../option.ts";
import { isRawMethod } from "../raw-method.ts";
import { systemClock, type Timer } from "../time/clock.ts";
import {
  type EndReportingTransport,
  type MessageListener,
  type MessageReportingTransport,
  reportingTo,
} from "./end-reporting.ts";
import { connectionFailed } from "./failure.ts";
import type { Connector, Link, RpcProtocol } from "./link.ts";
import { type AttemptEnd, markAttempt } from "./mark.ts";
import { note } from "./note.ts";
import { classifyTransportError } from "./transport-error.ts";

/** Options of {@link transportConnector}. */
export interface TransportConnectorOptions {
  /**
   * Classifies a transport's error: how the attempt ended; undefined if unknown. It is not called for calls that the
   * caller aborted. Defaults to {@link classifyTransportError}.
   *
   * - `not-sent`, `refused`: the call is retried on another server, whether or not the method is idempotent. They are
   *   ignored once a response has begun.
   * - `not-sent`, `maybe-processed`: the connection could not be opened, or was lost. The endpoint gets no calls until
   *   its backoff is over, and the call's code becomes Unavailable, after which idempotent methods are retried.
   */
  classify?: (error: unknown) => AttemptEnd | undefined;
  /** What the transports speak, for observers: OpenTelemetry's `rpc.system.name`. Defaults to unknown, taken for gRPC. */
  protocol?: RpcProtocol;
  /** Releases a transport's resources. Called once, when its endpoint has been removed and its calls have ended. */
  close?: (transport: Transport, endpoint: Endpoint) => void | Promise<void>;
}

/**
 * Balances over any Connect transport: connect-node's, connect-web's, a router transport.
 *
 * Such a transport opens its connections itself, invisibly, so its link has no states: it counts as ready until an
 * attempt is not sent or loses its connection; then the balancer backs off and probes it with one call. `create` is called at the endpoint's
 * first call. For gRPC on Node, Bun and Deno, prefer `grpcConnector`, which detects more failures, and earlier.
 *
 * ```ts
 * import { createConnectTransport } from "@connectrpc/connect-node";
 * import { transportConnector } from "connect-lb";
 *
 * transportConnector((endpoint) => createConnectTransport({ baseUrl: `http://${endpoint.address}`, httpVersion: "1.1" }))
 * ```
 *
 * If `create` throws, the endpoint counts as unreachable.
 *
 * @throws TypeError if `create` is not a function, or an option is of the wrong type.
 */
export function transportConnector(
  create: (endpoint: Endpoint) => Transport,
  options: TransportConnectorOptions = {},
): Connector {
  if (typeof create !== "function") {
    throw new TypeError(`transportConnector() takes a function from an endpoint to a Transport, not ${quoted(create)}`);
  }
  checkOptions("transportConnector()", options, OPTIONS);
  const connector = (endpoint: Endpoint) => transportLink(endpoint, create, options);
  return Object.assign(connector, { protocol: options.protocol });
}

made(transportConnector);

const OPTIONS: Checks<TransportConnectorOptions> = {
  classify: fn("a function, (error) => AttemptEnd | undefined"),
  protocol: kind(
    '"grpc", "grpc-web" or "connect"',
    (value) => ["grpc", "grpc-web", "connect"].includes(value as string),
  ),
  close: fn("a function, (transport, endpoint) => void"),
};

type CallKind = "unary" | "stream";

/** A call in flight, which its caller's signal or the link's closing can end. */
interface LinkCall {
  readonly transport: Transport;
  readonly abort: AbortController;
  readonly kind: CallKind;
  /** The call is over; may be called twice. */
  end(): void;
}

function transportLink(
  endpoint: Endpoint,
  create: (endpoint: Endpoint) => Transport,
  { classify = classifyTransportError, close }: TransportConnectorOptions,
): Link {
  const calls = new Set<LinkCall>();
  const timers: Timer[] = [];
  let created: Transport | undefined;
  let onUnused: (() => void) | undefined;
  let closing: Promise<void> | undefined;

  const notSent = (why: string, cause?: unknown) => {
    return markAttempt(new ConnectError(why, Code.Unavailable, undefined, undefined, cause), "not-sent");
  };

  const theTransport = (): Transport => {
    if (closing !== undefined) throw notSent(`the request was not sent: the link to ${endpoint.address} is closed`);
    if (created !== undefined) return created;
    try {
      const made = create(endpoint);
      if (typeof made?.unary !== "function" || typeof made.stream !== "function") {
        throw new TypeError(`expected a Connect Transport, not ${quoted(made)}`);
      }
      return created = made;
    } catch (error) {
      throw notSent(
        `can't create a transport to ${endpoint.address}: ${error instanceof Error ? error.message : error}`,
        error,
      );
    }
  };

  const begin = (signal: AbortSignal | undefined, kind: CallKind): LinkCall => {
    const transport = theTransport();
    const abort = new AbortController();
    const onAbort = () => {
      abort.abort(signal?.reason);
      call.end();
    };
    const call: LinkCall = {
      transport,
      abort,
      kind,
      end() {
        signal?.removeEventListener("abort", onAbort);
        if (calls.delete(call) && calls.size === 0) onUnused?.();
      },
    };
    calls.add(call);
    signal?.addEventListener("abort", onAbort);
    if (signal?.aborted) onAbort();
    return call;
  };

  /** Marks the error of a call with how the attempt ended; `begun`: a response had begun. */
  const judged = ({ abort }: LinkCall, error: unknown, { begun }: { begun: boolean }): unknown => {
    if (abort.signal.aborted || typeof error !== "object" || error === null) return error;
    try {
      const how = classify(error);
      if (how === undefined || (begun && how !== "maybe-processed")) return error;
      if (how === "maybe-processed" && ownEnd(error)) return error;
      const failed = how === "not-sent" || how === "maybe-processed";
      return failed ? connectionFailed(endpoint.address, error, how) : markAttempt(error, how);
    } catch (thrown) {
      console.error("connect-lb: classify of a transport's error threw", thrown);
      return error;
    }
  };

  const endAfter = (graceMs: number, kind: CallKind) => {
    const end = () => {
      for (const call of [...calls]) {
        if (call.kind !== kind) continue;
        call.abort.abort(new ConnectError(`the link to ${endpoint.address} was closed`, Code.Canceled));
        call.end();
      }
    };
    if (graceMs <= 0) end();
    else if (graceMs < Infinity) timers.push(systemClock.timer(graceMs, end));
  };

  const closed = async () => {
    if (calls.size > 0) await new Promise<void>((resolve) => onUnused = resolve);
    for (const timer of timers) timer.cancel();
    if (created === undefined) return;
    try {
      await close?.(created, endpoint);
    } catch (error) {
      console.error("connect-lb: close of a transport threw", error);
    }
  };

  const unary = async (
    [method, signal, ...rest]: Parameters<Transport["unary"]>,
    listener: Partial<MessageListener> | undefined,
  ): Promise<UnaryResponse> => {
    refuseRaw(method);
    const call = begin(signal, "unary");
    try {
      return await reportingTo(call.transport, listener).unary(method, call.abort.signal, ...rest);
    } catch (error) {
      throw judged(call, error, { begun: false });
    } finally {
      call.end();
    }
  };

  const stream = async (
    [method, signal, ...rest]: Parameters<Transport["stream"]>,
    listener: MessageListener | undefined,
  ): Promise<StreamResponse> => {
    refuseRaw(method);
    const call = begin(signal, "stream");
    try {
      const response = await reportingTo(call.transport, listener).stream(method, call.abort.signal, ...rest);
      const failed = (error: unknown) => judged(call, error, { begun: true });
      return { ...response, message: endingWith(response.message, failed, () => call.end()) };
    } catch (error) {
      call.end();
      throw judged(call, error, { begun: false });
    }
  };

  const transport: EndReportingTransport & MessageReportingTransport = {
    unary: (...call) => unary(call, undefined) as Promise<never>,
    unaryReporting(method, signal, timeoutMs, header, input, contextValues, listener) {
      const answer = unary([method, signal, timeoutMs, header, input, contextValues], listener) as Promise<never>;
      return answer.then((response) => {
        listener.answered(response);
        return response;
      }, (error) => listener.failed(error));
    },
    stream: (...call) => stream(call, undefined) as Promise<never>,
    streamReporting(method, signal, timeoutMs, header, input, contextValues, listener) {
      return stream([method, signal, timeoutMs, header, input, contextValues], listener) as Promise<never>;
    },
  };

  return {
    transport,
    close(graceMs = 0, streamGraceMs = graceMs) {
      endAfter(graceMs, "unary");
      endAfter(streamGraceMs, "stream");
      return closing ??= closed();
    },
  };
}

/** Connect's transports would wrap the bytes of a call without a schema in a message. */
function refuseRaw(method: DescMethod): void {
  if (!isRawMethod(method)) return;
  const text = "a method of rawMethod() needs links of grpcConnector()";
  throw note(new ConnectError(text, Code.Unimplemented), "final");
}

/** Whether a transport ended a call itself, by its own deadline or signal. */
function ownEnd(error: object): boolean {
  return error instanceof ConnectError && (error.code === Code.DeadlineExceeded || error.code === Code.Canceled);
}

/** The same messages; `failed` returns the error for the reader. */
async function* endingWith<T>(
  messages: AsyncIterable<T>,
  failed: (error: unknown) => unknown,
  end: () => void,
): AsyncGenerator<T, void> {
  try {
    yield* messages;
  } catch (error) {
    throw failed(error);
  } finally {
    end();
  }
}
