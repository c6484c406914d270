import { Code, ConnectError, createContextValues, type Interceptor, type Transport } from "@connectrpc/connect";
import { createMethodUrl, runStreamingCall, runUnaryCall } from "@connectrpc/connect/protocol";
import { Call, type CallEnvironment } from "./call.ts";
import { ReplayBuffer } from "./replay.ts";
import { StreamCall } from "./stream-call.ts";
import { UnaryCall } from "./unary-call.ts";

/**
 * Calls with interceptors around them, once per call and not per attempt. Connect's own runners give interceptors what
 * they expect: full messages, one signal, headers to change. They cost as much as a whole call, so that calls without
 * interceptors don't come here.
 */
export function interceptedCalls(env: CallEnvironment, interceptors: Interceptor[]): Transport {
  const baseUrl = baseUrlOf(env.balancer.target);
  return {
    async unary(method, signal, timeoutMs, header, input, contextValues) {
      const call = new Call(env, method, signal, timeoutMs, header, contextValues);
      return await runUnaryCall({
        interceptors,
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
        // The call as the interceptors left it, with the time that they left.
        next: async ({ signal, header, message, contextValues }) =>
          await new UnaryCall(env, method, signal, call.timeLeft(), header, message, contextValues).start(),
      });
    },
    async stream(method, signal, timeoutMs, header, input, contextValues) {
      const call = new Call(env, method, signal, timeoutMs, header, contextValues);
      // The runner ends what it reads; a view keeps it away from the caller's iterable.
      const messages = new ReplayBuffer(input);
      messages.commit();
      // The runner does not learn of a reader that is gone, and would stay on the caller's signal.
      const abort = new AbortController();
      const onAbort = () => abort.abort(signal?.reason);
      signal?.addEventListener("abort", onAbort);
      // The runner aborts its signal at every end of a call, also of one that an interceptor ends.
      const ending: Interceptor = (next) => (request) => {
        request.signal.addEventListener("abort", () => {
          signal?.removeEventListener("abort", onAbort);
          messages.end();
        });
        return next(request);
      };
      return await runStreamingCall({
        interceptors: [ending, ...interceptors],
        ...limits(call),
        signal: abort.signal,
        req: {
          stream: true,
          service: method.parent,
          method,
          requestMethod: "POST",
          url: createMethodUrl(baseUrl, method),
          header: new Headers(header),
          contextValues: contextValues ?? createContextValues(),
          message: messages.view(),
        },
        next: async ({ signal, header, message, contextValues }) => {
          const onAbandoned = () => abort.abort(new ConnectError("the reader gave the stream up", Code.Canceled));
          return await new StreamCall(env, method, signal, call.timeLeft(), header, message, contextValues)
            .start(onAbandoned);
        },
      });
    },
  };
}

/** A URL that interceptors can parse, whatever the target is called: no endpoint is chosen yet. */
function baseUrlOf(target: string): string {
  const url = `http://${target.replaceAll(/[^\w.-]+/g, "-")}`;
  return URL.canParse(url) ? url : "http://service";
}

function limits({ signal, timeoutMs }: Call): { signal?: AbortSignal; timeoutMs?: number } {
  return { ...signal && { signal }, ...timeoutMs !== undefined && { timeoutMs } };
}
