import type { DescMessage, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import type { ContextValues, Transport, UnaryResponse } from "@connectrpc/connect";

/** Learns how a unary attempt ended before the caller does. */
export interface UnaryEndListener<Answer> {
  answered(answer: Answer): void;
  /** What it returns is what the caller gets. */
  failed(error: unknown): Promise<Answer>;
}

/**
 * A transport whose unary calls report their end themselves. A link that has one spares the balancer a promise and two
 * functions for each call.
 */
export interface EndReportingTransport extends Transport {
  /**
   * As Connect's `unary`, with its parameters, but what it returns is settled only after `listener` was called, once, and as
   * it says.
   */
  unaryReporting<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: MessageInitShape<I>,
    contextValues: ContextValues | undefined,
    listener: UnaryEndListener<UnaryResponse<I, O>>,
  ): Promise<UnaryResponse<I, O>>;
}

/**
 * Messages of a response that report their end themselves. A link whose streams do so spares the balancer a look at every
 * message, which costs a fifth of a small one.
 */
export interface EndReportingMessages {
  /**
   * `listener` is called once, before the reader learns of the end, with the error or undefined; what it returns for an
   * error is what the reader gets. A call that this side gave up (signal, deadline) reports it at once, read or not.
   */
  reportEndTo(listener: (error: unknown) => unknown): void;
}
