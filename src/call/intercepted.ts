import {
  createContextValues,
  type Interceptor,
  type StreamRequest,
  type Transport,
  type UnaryRequest,
} from "@connectrpc/connect";
import { createMethodUrl, runStreamingCall, runUnaryCall } from "@connectrpc/connect/protocol";
import { streamAttempts, unaryAttempts } from "./attempt.ts";
import { Call, type CallEnvironment } from "./call.ts";
import { ReplayBuffer } from "./replay.ts";

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
        next: async (request) => await unaryAttempts(goOn(env, call, request), method, request.message),
      });
    },
    async stream(method, signal, timeoutMs, header, input, contextValues) {
      const call = new Call(env, method, signal, timeoutMs, header, contextValues);
      // The runner ends what it reads; a view keeps it away from the caller's iterable.
      const messages = new ReplayBuffer(input);
      messages.commit();
      // The runner aborts its signal at every end of a call, also of one that an interceptor ends.
      const ending: Interceptor = (next) => (request) => {
        request.signal.addEventListener("abort", () => messages.end());
        return next(request);
      };
      return await runStreamingCall({
        interceptors: [ending, ...interceptors],
        ...limits(call),
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
        next: async (request) => await streamAttempts(goOn(env, call, request), method, request.message),
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

/** The call as the interceptors left it, with the time that they left. */
function goOn(
  env: CallEnvironment,
  call: Call,
  { method, signal, header, contextValues }: UnaryRequest | StreamRequest,
) {
  return new Call(env, method, signal, call.timeLeft(), header, contextValues);
}
