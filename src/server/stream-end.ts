import { Code, ConnectError } from "@connectrpc/connect";

/** The error with which a stream that has no end of its own ends, when its call's signal is aborted. */
export function endOf(signal: AbortSignal): ConnectError {
  // A deadline is one of Connect's own errors. Nobody reads the answer to a call that its caller gave up, so what is
  // left is a server that shuts down.
  return signal.reason instanceof ConnectError
    ? signal.reason
    : new ConnectError("the server is shutting down", Code.Unavailable);
}

/** The messages of a client that may never end them, until the call's signal is aborted. */
export async function* untilAborted<T>(messages: AsyncIterable<T>, signal: AbortSignal): AsyncIterable<T> {
  const reader = messages[Symbol.asyncIterator]();
  const { promise: end, reject } = Promise.withResolvers<never>();
  const aborted = () => reject(endOf(signal));
  end.catch(() => {});
  if (signal.aborted) aborted();
  else signal.addEventListener("abort", aborted);
  for (;;) {
    const { done, value } = await Promise.race([end, reader.next()]);
    if (done) return signal.removeEventListener("abort", aborted);
    yield value;
  }
}
