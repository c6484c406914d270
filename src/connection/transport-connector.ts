import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import type { Endpoint } from "../endpoint.ts";
import { systemClock } from "../time/clock.ts";
import type { Connector, Link } from "./link.ts";
import { type AttemptEnd, markAttempt } from "./mark.ts";
import { classifyTransportError } from "./transport-error.ts";

/** Options of {@link transportConnector}. */
export interface TransportConnectorOptions {
  /**
   * Says of a transport's error how the attempt ended; undefined where it doesn't know, which counts as
   * `maybe-processed`. It is asked about failures before a response only, and not about calls that the caller aborted.
   * Defaults to {@link classifyTransportError}. What it calls `not-sent` or `refused` is sent again to another server,
   * whether the method is idempotent or not.
   */
  classify?: (error: unknown) => AttemptEnd | undefined;
  /** Frees what a transport holds. Called once, when its endpoint is gone and its calls have ended. */
  close?: (transport: Transport, endpoint: Endpoint) => void | Promise<void>;
}

/**
 * Balances over any Connect transport: connect-node's, connect-web's, a router transport.
 *
 * Such a transport opens its connections itself, unseen. So its link has no states: it counts as ready until an attempt
 * is not sent, then the balancer backs off and probes it with one call. `create` is called with the endpoint's first
 * call. For gRPC on Node, Bun and Deno prefer `grpcConnector`, which notices more and earlier.
 *
 * ```ts
 * transportConnector((endpoint) => createConnectTransport({ baseUrl: `http://${endpoint.address}`, httpVersion: "1.1" }))
 * ```
 *
 * @throws TypeError if `create` is no function.
 */
export function transportConnector(
  create: (endpoint: Endpoint) => Transport,
  options: TransportConnectorOptions = {},
): Connector {
  if (typeof create !== "function") {
    throw new TypeError(`transportConnector expects a function from an endpoint to a Transport, not ${typeof create}`);
  }
  return (endpoint) => transportLink(endpoint, create, options);
}

function transportLink(
  endpoint: Endpoint,
  create: (endpoint: Endpoint) => Transport,
  { classify = classifyTransportError, close }: TransportConnectorOptions,
): Link {
  const calls = new Set<AbortController>();
  let transport: Transport | undefined;
  let onIdle: (() => void) | undefined;
  let closing: Promise<void> | undefined;

  /** A call ends with its caller's signal or with the link. */
  const begin = (signal: AbortSignal | undefined) => {
    if (closing !== undefined) {
      const text = `the request was not sent: the link to ${endpoint.address} is closed`;
      throw markAttempt(new ConnectError(text, Code.Unavailable), "not-sent");
    }
    transport ??= create(endpoint);
    const controller = new AbortController();
    const abort = () => controller.abort(signal?.reason);
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
    calls.add(controller);
    const end = () => {
      signal?.removeEventListener("abort", abort);
      if (calls.delete(controller) && calls.size === 0) onIdle?.();
    };
    const judged = (error: unknown) => {
      if (controller.signal.aborted || typeof error !== "object" || error === null) return error;
      const how = classify(error);
      return how === undefined ? error : markAttempt(error, how);
    };
    return { transport, signal: controller.signal, end, judged };
  };

  const end = async (graceMs: number) => {
    if (calls.size > 0 && graceMs > 0) {
      await new Promise<void>((resolve) => {
        const timer = systemClock.timer(graceMs, resolve);
        onIdle = () => (timer.cancel(), resolve());
      });
    }
    for (const call of calls) call.abort(new ConnectError(`the link to ${endpoint.address} was closed`, Code.Canceled));
    if (transport === undefined) return;
    try {
      await close?.(transport, endpoint);
    } catch (error) {
      console.error("connect-lb: close of a transport threw", error);
    }
  };

  return {
    transport: {
      async unary(method, signal, timeoutMs, header, input, contextValues) {
        const call = begin(signal);
        try {
          return await call.transport.unary(method, call.signal, timeoutMs, header, input, contextValues);
        } catch (error) {
          throw call.judged(error);
        } finally {
          call.end();
        }
      },
      async stream(method, signal, timeoutMs, header, input, contextValues) {
        const call = begin(signal);
        try {
          const response = await call.transport.stream(method, call.signal, timeoutMs, header, input, contextValues);
          return { ...response, message: endingWith(response.message, call.end) };
        } catch (error) {
          call.end();
          throw call.judged(error);
        }
      },
    },
    close: (graceMs = 0) => closing ??= end(graceMs),
  };
}

async function* endingWith<T>(messages: AsyncIterable<T>, end: () => void): AsyncGenerator<T, void> {
  try {
    yield* messages;
  } finally {
    end();
  }
}
