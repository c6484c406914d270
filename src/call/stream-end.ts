import type { DescMessage } from "@bufbuild/protobuf";
import type { StreamResponse } from "@connectrpc/connect";
import type { EndReportingMessages } from "../connection/end-reporting.ts";

/**
 * The end of one response stream, reported once: its last message was read, it threw, its caller aborted, or its reader
 * abandoned it or was garbage-collected.
 */
export class StreamEnd {
  readonly #abort: AbortController;
  #failure: unknown;
  #onEnd: ((error: unknown, abandoned: boolean) => unknown) | undefined;

  /** `onEnd` is called with the error, if there was one, and returns the error for the caller. */
  constructor(abort: AbortController, onEnd: (error: unknown, abandoned: boolean) => unknown) {
    this.#abort = abort;
    this.#onEnd = onEnd;
  }

  finished(): void {
    this.#end(undefined, false);
  }

  /** Returns the error for the caller. */
  failed(error: unknown): unknown {
    return this.#end(error, false) ?? this.#failure ?? error;
  }

  /** The caller's signal aborted and the link did not report it: the reader may be busy, or gone. */
  aborted(error: unknown): void {
    if (this.#onEnd !== undefined) this.#failure = this.failed(error);
  }

  /** The error that all further reads reject with, whatever the link yields. */
  get failure(): unknown {
    return this.#failure;
  }

  /** The reader is gone: the attempt is cancelled at the server too. */
  abandoned(): void {
    if (this.#onEnd === undefined) return;
    this.#end(undefined, true);
    this.#abort.abort(new Error("the stream was abandoned by its reader"));
  }

  #end(error: unknown, abandoned: boolean): unknown {
    const onEnd = this.#onEnd;
    this.#onEnd = undefined;
    return onEnd?.(error, abandoned);
  }
}

/**
 * Connect's client hides `return()` from a reader that breaks out of its loop, so only garbage collection of the
 * iterator shows that reading has stopped. Nothing that outlives the iterator may refer to it, or it is never
 * collected.
 */
const collected: FinalizationRegistry<StreamEnd> | undefined = typeof FinalizationRegistry === "undefined"
  ? undefined
  : new FinalizationRegistry((end) => end.abandoned());

/** The same response, with the end of its messages reported to `end`. Headers stay lazy, as in links' responses. */
export function trackResponse<I extends DescMessage, O extends DescMessage>(
  response: StreamResponse<I, O>,
  end: StreamEnd,
): StreamResponse<I, O> {
  return {
    stream: true,
    service: response.service,
    method: response.method,
    message: trackMessages(response.message, end),
    get header() {
      return response.header;
    },
    get trailer() {
      return response.trailer;
    },
  };
}

function trackMessages<T>(messages: AsyncIterable<T>, end: StreamEnd): AsyncIterable<T> {
  const iterator = messages[Symbol.asyncIterator]();
  const tracked: AsyncIterableIterator<T> = {
    next: nextOf(iterator, end),
    async return() {
      end.abandoned();
      await iterator.return?.();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
  collected?.register(tracked, end, end);
  return tracked;
}

/**
 * `next` with the end reported. A separate function, because its closures outlive the iterator that is registered in
 * `collected`.
 */
function nextOf<T>(iterator: AsyncIterator<T>, end: StreamEnd): () => Promise<IteratorResult<T>> {
  if (reportsEnd(iterator)) {
    iterator.reportEndTo((error) => (error === undefined ? end.finished() : end.failed(error)));
    return () => end.failure === undefined ? iterator.next() : Promise.reject(end.failure);
  }
  const onError = (error: unknown): never => {
    throw end.failed(error);
  };
  const onResult = (result: IteratorResult<T>): IteratorResult<T> => {
    if (end.failure !== undefined) throw end.failure;
    if (result.done === true) end.finished();
    return result;
  };
  return () => end.failure === undefined ? iterator.next().then(onResult, onError) : Promise.reject(end.failure);
}

function reportsEnd<T>(messages: AsyncIterator<T>): messages is AsyncIterator<T> & EndReportingMessages {
  return "reportEndTo" in messages && typeof messages.reportEndTo === "function";
}
