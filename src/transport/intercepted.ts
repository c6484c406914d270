import { Code, ConnectError, createContextValues, type Interceptor, type Transport } from "@connectrpc/connect";
import { createMethodUrl, runStreamingCall, runUnaryCall } from "@connectrpc/connect/protocol";
import { BoundedCall } from "../call/bounded-call.ts";
import type { CallEnvironment } from "../call/environment.ts";
import { ReplayBuffer } from "../call/replay.ts";
import { StreamCall } from "../call/stream-call.ts";
import { UnaryCall } from "../call/unary-call.ts";
import { EARLY_MS } from "../time/deadline.ts";

/**
 * Runs interceptors around calls, once per call and not per attempt. Connect's own runners give interceptors what they
 * expect: complete messages, one signal, mutable headers. They cost as much as a whole call, so calls without
 * interceptors bypass them.
 */
export function interceptedCalls(env: CallEnvironment, interceptors: Interceptor[]): Transport {
  const baseUrl = baseUrlOf(env.balancer.target);
  return {
    async unary(method, signal, timeoutMs, header, input, contextValues) {
      const call = new BoundedCall(env, method, signal, timeoutMs, header, contextValues);
      return await runUnaryCall({
        interceptors: [rejecting, ...interceptors],
        ...limits(call),
        req: {
          stream: false,
          service: method.parent,
          method,
          requestMethod: "POST",
          url: createMethodUrl(baseUrl, method),
          header: new Headers(header),
          contextValues: contextValues ?? createContextValues(),
          message: input,
        },
        // The call as the interceptors modified it, with the time they left.
        next: async ({ signal, header, message, contextValues }) =>
          await new UnaryCall(env, method, signal, call.timeLeft(), header, message, contextValues).start(),
      });
    },
    async stream(method, signal, timeoutMs, header, input, contextValues) {
      const call = new BoundedCall(env, method, signal, timeoutMs, header, contextValues);
      // Throws if they are invalid, before there is anything to release.
      const headers = call.header;
      // The runner ends the iterable it reads; a view shields the caller's from it.
      const messages = new ReplayBuffer(input);
      messages.commit();
      // The runner does not notice that a reader is gone, and would keep listening to the caller's signal.
      const abort = new AbortController();
      const onAbort = () => abort.abort(signal?.reason);
      signal?.addEventListener("abort", onAbort);
      // The runner would also enforce the deadline when the response is complete and only waits to be read.
      const { timeoutMs: limitMs } = call;
      // It comes after the attempt's own deadline, which knows what the server said in time.
      const deadline = limitMs === undefined ? undefined : env.clock.timer(limitMs + EARLY_MS, () => {
        abort.abort(new ConnectError("the operation timed out", Code.DeadlineExceeded));
      }, true);
      // The runner aborts its signal whenever a call ends, even if an interceptor ends it.
      const end = () => {
        signal?.removeEventListener("abort", onAbort);
        deadline?.cancel();
        messages.end();
      };
      const ending: Interceptor = (next) => async (request) => {
        request.signal.addEventListener("abort", end);
        return await next(request);
      };
      try {
        return await runStreamingCall({
          interceptors: [ending, ...interceptors],
          signal: abort.signal,
          req: {
            stream: true,
            service: method.parent,
            method,
            requestMethod: "POST",
            url: createMethodUrl(baseUrl, method),
            header: headers,
            contextValues: contextValues ?? createContextValues(),
            message: messages.view(),
          },
          next: async ({ signal, header, message, contextValues }) => {
            const response = await new StreamCall(env, method, signal, call.timeLeft(), header, message, contextValues)
              .start((error) => abort.abort(error));
            // From here on the attempt enforces it.
            deadline?.cancel();
            return response;
          },
        });
      } catch (error) {
        end();
        throw error;
      }
    },
  };
}

/**
 * Must be outermost: turns a throw into a rejection, because the runner leaks its timer and signal listener if an
 * interceptor throws.
 */
const rejecting: Interceptor = (next) => async (request) => await next(request);

/** A URL that interceptors can parse, whatever the target's name; no endpoint has been picked yet. */
function baseUrlOf(target: string): string {
  const url = `http://${target.replaceAll(/[^\w.-]+/g, "-")}`;
  return URL.canParse(url) ? url : "http://service";
}

function limits({ signal, timeoutMs }: BoundedCall): { signal?: AbortSignal; timeoutMs?: number } {
  return { ...signal && { signal }, ...timeoutMs !== undefined && { timeoutMs } };
}
