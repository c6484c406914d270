import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import type { ContextValues, StreamResponse, Transport, UnaryResponse } from "@connectrpc/connect";

/**
 * Is notified of an attempt's messages, with their lengths without framing: as they are sent, and uncompressed, which is
 * the same for those that are not compressed.
 */
export interface MessageListener {
  messageSent(bytes: number, uncompressedBytes: number): void;
  messageReceived(bytes: number, uncompressedBytes: number): void;
}

/** Is notified of a unary attempt's end before the caller is. A link need not report the messages. */
export interface UnaryEndListener<Answer> extends Partial<MessageListener> {
  /** The response began to arrive, and takes longer; `answered` or `failed` follows. A link need not report it. */
  partArrived?(): void;
  answered(answer: Answer): void;
  /** The caller gets what it returns. */
  failed(error: unknown): Promise<Answer>;
}

/**
 * A transport whose unary calls report their end to a listener. A link with such a transport saves the balancer a
 * promise and two closures per call.
 */
export interface EndReportingTransport extends Transport {
  /**
   * Like Connect's `unary`, but the returned promise settles only after `listener` was called, once, and as the
   * listener decides.
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

/** A transport whose streaming calls report their messages to a listener. */
export interface MessageReportingTransport extends Transport {
  /** Like Connect's `stream`. */
  streamReporting<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: AsyncIterable<MessageInitShape<I>>,
    contextValues: ContextValues | undefined,
    listener: MessageListener,
  ): Promise<StreamResponse<I, O>>;
}

/** A transport whose calls report their messages, as those over fetch can, in the form that does so. */
export interface MessageReporter extends Transport {
  reportingTo(listener: Partial<MessageListener>): Transport;
}

/** The transport, with calls that report their messages to `listener` if it can do that and `listener` hears of any. */
export function reportingTo(transport: Transport, listener: Partial<MessageListener> | undefined): Transport {
  if (listener?.messageSent === undefined || !("reportingTo" in transport)) return transport;
  return (transport as MessageReporter).reportingTo(listener);
}

/**
 * Response messages that report their end to a listener. A link with such streams saves the balancer from inspecting
 * every message, which costs a fifth of a small one.
 */
export interface EndReportingMessages {
  /**
   * `listener` is called once, before the reader sees the end, with the error or undefined; the reader gets what it
   * returns for an error. A call that this side cancelled (signal, deadline) reports its end immediately, whether or
   * not it is being read.
   */
  reportEndTo(listener: (error: unknown) => unknown): void;
}
