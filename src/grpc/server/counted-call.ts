import type { Interceptor } from "@connectrpc/connect";
import type { CallCounter } from "../../snapshot.ts";

/** Counts calls on Connect's own path: those of the Connect and gRPC-Web protocols. */
export function countingInterceptor(calls: CallCounter): Interceptor {
  return (next) => async (request) => {
    calls.started++;
    try {
      const response = await next(request);
      if (response.stream) return { ...response, message: counted(response.message, request.signal, calls) };
      calls.succeeded++;
      return response;
    } catch (error) {
      calls.failed++;
      throw error;
    }
  };
}

/** A response that counts when it ends, for whatever reason: it may never be read. */
function counted<T>(messages: AsyncIterable<T>, signal: AbortSignal, calls: CallCounter): AsyncIterable<T> {
  let over = false;
  const end = (result: "succeeded" | "failed") => {
    if (over) return;
    over = true;
    signal.removeEventListener("abort", aborted);
    calls[result]++;
  };
  const aborted = () => end("failed");
  if (signal.aborted) aborted();
  else signal.addEventListener("abort", aborted);
  return (async function* () {
    try {
      yield* messages;
      end("succeeded");
    } finally {
      end("failed");
    }
  })();
}
