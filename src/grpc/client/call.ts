import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { markAttempt } from "../../connection/mark.ts";
import type { StreamError } from "../../http2/client/stream-error.ts";
import type { HeaderBlock } from "../../http2/wire/header-block.ts";
import { ClientStream } from "../../http2/client/stream.ts";
import { shownText } from "../../shown-text.ts";
import type { Deadline, DeadlineTarget } from "../../time/deadline.ts";
import type { Method } from "./method.ts";
import { headersOf } from "../lazy-headers.ts";
import { brokenReply, isDeadlines, notGrpc, sectionInfo, streamFailure, timedOut, unreadable } from "./status.ts";

/**
 * What unary and streaming calls share: the deadline, cancellation, the response's first header section and a single
 * end.
 */
export abstract class GrpcCall<D extends DescMethod = DescMethod> extends ClientStream implements DeadlineTarget {
  protected readonly method: Method<D>;
  protected head: HeaderBlock | undefined = undefined;
  protected compression: Compression | undefined = undefined;
  /** Whether the call has its result. */
  protected settled = false;
  /** Whether this side ended the call, because of its signal or its deadline. */
  protected gaveUp = false;
  #signal: AbortSignal | undefined = undefined;
  #deadline: Deadline | undefined = undefined;

  constructor(method: Method<D>) {
    super();
    this.method = method;
  }

  override get background(): boolean {
    return this.method.background;
  }

  /** The call failed; called once. */
  protected abstract failed(error: ConnectError): void;

  /**
   * Watches the caller's signal and deadline until the call settles. Returns false if the signal is already aborted.
   */
  protected watchCancellation(signal: AbortSignal | undefined, timeoutMs: number | undefined): boolean {
    if (signal !== undefined) {
      this.#signal = signal;
      if (signal.aborted) {
        this.aborted(signal);
        return false;
      }
      signal.addEventListener("abort", this);
    }
    if (timeoutMs !== undefined) this.#deadline = this.method.deadlines.add(timeoutMs, this);
    return true;
  }

  /** The signal aborted. An object as event listener needs no closure. */
  handleEvent(): void {
    if (this.#signal !== undefined) this.aborted(this.#signal);
  }

  onDeadline(): void {
    this.giveUp(timedOut());
  }

  private aborted(signal: AbortSignal): void {
    this.giveUp(ConnectError.from(signal.reason, Code.Canceled));
  }

  private giveUp(error: ConnectError): void {
    if (this.settled) return;
    this.gaveUp = true;
    // A reason given by the caller is left unmarked: other calls may end with the same object.
    this.fail(this.unsent && error !== this.#signal?.reason ? markAttempt(error, "not-sent") : error);
  }

  /** Fails the call, and cancels the stream if it is open. */
  protected fail(error: ConnectError): void {
    if (this.settled) return;
    this.settle();
    this.cancel();
    this.failed(error);
  }

  /** Fails the call because of what the server replied. */
  protected failAnswered(error: unknown): void {
    this.fail(unreadable(error));
  }

  protected settle(): void {
    this.settled = true;
    this.#deadline?.cancel();
    this.#signal?.removeEventListener("abort", this);
    this.#signal = undefined;
  }

  onHead(head: HeaderBlock): void {
    this.head = head;
    const { encoding, response } = sectionInfo(head);
    if (!response) return this.fail(notGrpc(head));
    if (encoding !== undefined) {
      this.compression = this.method.options.acceptCompression.find((compression) => compression.name === encoding);
      if (this.compression === undefined) {
        return this.fail(
          brokenReply(`unsupported response encoding "${shownText(encoding, 100)}"`, Code.Internal, headersOf(head)),
        );
      }
    }
    this.began(head);
  }

  /** The response's header section arrived and is gRPC's. */
  protected began(_head: HeaderBlock): void {}

  /** The server, or whatever broke the connection, may have been faster than the deadline's timer. */
  onFailed(error: StreamError): void {
    if (this.#deadline !== undefined && isDeadlines(error, this.#deadline.leftMs())) this.giveUp(timedOut(error));
    else this.fail(streamFailure(error));
  }
}
