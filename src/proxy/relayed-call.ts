import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Transport } from "@connectrpc/connect";
import { CallAttempt, countSuccess, isAsked } from "../call/attempt.ts";
import { Call } from "../call/call.ts";
import type { CallEnvironment } from "../call/environment.ts";
import type { FailedAttempt } from "../call/failed-attempts.ts";
import type { EndpointConnection } from "../connection/endpoint-connection.ts";
import { markAttempt } from "../connection/mark.ts";
import { timedOut } from "../grpc/client/status.ts";
import { lazyHeaders } from "../grpc/lazy-headers.ts";
import type { HeaderBlock } from "../http2/wire/header-block.ts";
import type { Deadline, Deadlines, DeadlineTarget } from "../time/deadline.ts";
import { isClientDeadline } from "./web/client-deadline.ts";
import type { RequestSection } from "./request-section.ts";
import { Upstream, type UpstreamEvents } from "./upstream.ts";

/** The client's side of a relayed call, as its attempts see it. */
export interface Relay {
  readonly section: RequestSection;
  /** Whether all of the request is there to be sent again, and nothing of a response has gone to the client. */
  readonly replayable: boolean;
  /** An attempt was opened: what has arrived of the request goes there, and what follows. */
  attach(upstream: Upstream): void;
  /** That attempt has failed. Another one may follow. */
  detach(): void;
  /** The server takes more of the request. */
  upstreamWritable(): void;
  /** The response began: there will be no other attempt. */
  began(head: HeaderBlock): void;
  /** Returns true if nothing of the chunk is kept. */
  data(chunk: Uint8Array, start: number, end: number): boolean;
  /** The server's response is the call's, whatever its status. `trailers` may be the head, if it has nothing else. */
  answered(head: HeaderBlock, trailers: HeaderBlock, error: ConnectError | undefined): void;
  /** No server answered. */
  failed(error: unknown, attempts: readonly FailedAttempt[]): void;
}

/**
 * A call whose request and response pass through as bytes: its attempts, and how they end. As with unary calls, there is
 * no object for a first attempt of which nobody asks how it ends. For its fields and private methods, see `BoundedCall`.
 */
export class RelayedCall extends Call<DescMethod, undefined> implements DeadlineTarget, UpstreamEvents {
  declare private readonly relay: Relay;
  declare private readonly deadlines: Deadlines;
  /** The attempt in flight: its object, or the connection that it is on. */
  declare private attempt: CallAttempt<undefined> | undefined;
  declare private connection: EndpointConnection | undefined;
  declare private upstream: Upstream | undefined;
  declare private deadline: Deadline | undefined;
  /** Aborts what the call waits for, once its client is gone. */
  declare private waiting: AbortController | undefined;
  declare private gone: boolean;

  /** @throws ConnectError if the transport is closed, or no time is left. */
  constructor(env: CallEnvironment, method: DescMethod, relay: Relay, deadlines: Deadlines) {
    super(env, method, undefined, relay.section.timeoutMs, relay.section.header, undefined);
    this.attempt =
      this.connection =
      this.upstream =
      this.deadline =
      this.waiting =
        undefined;
    this.gone = false;
    this.relay = relay;
    this.deadlines = deadlines;
  }

  get replayable(): boolean {
    return this.relay.replayable;
  }

  /** Makes its attempts, one after another. */
  start(): void {
    this.observe();
    let picked: EndpointConnection | CallAttempt<undefined> | undefined;
    try {
      this.checkThrottle();
      picked = this.pickNow();
    } catch (error) {
      return this.ends(error);
    }
    if (picked === undefined) return this.startLater();
    if (picked instanceof CallAttempt) return this.send(picked);
    if (isAsked(this, picked)) return this.send(new CallAttempt(this, undefined, picked, undefined));
    this.number = 1;
    this.connection = picked;
    this.open(picked.transport, this.headerInit);
  }

  private startLater(): void {
    this.watchClient();
    this.nextAttempt().then((attempt) => this.send(attempt), (error) => this.ends(error));
  }

  /** From here on the call may wait, and must hear if its client leaves. */
  private watchClient(): void {
    this.waiting ??= new AbortController();
    this.signal = this.waiting.signal;
  }

  private send(attempt: CallAttempt<undefined>): void {
    attempt.begin();
    this.attempt = attempt;
    if (this.gone) return this.leave();
    let headerInit: HeadersInit | undefined;
    try {
      headerInit = attempt.headerInit;
    } catch (error) {
      return this.failed(error);
    }
    this.open(attempt.connection.transport, headerInit);
  }

  private open(transport: Transport, headerInit: HeadersInit | undefined): void {
    const upstream = this.upstream = new Upstream(this);
    const { timeoutMs } = this;
    if (timeoutMs !== undefined) this.deadline = this.deadlines.add(timeoutMs, this);
    try {
      upstream.start(transport, this.relay.section, headerInit, timeoutMs);
    } catch (error) {
      return this.failed(error);
    }
    // Its connection may have declined it already.
    if (this.upstream === upstream) this.relay.attach(upstream);
  }

  /** The client left: nobody wants an answer any more. */
  abandon(): void {
    if (this.gone) return;
    // Its attempt ends with the deadline in a moment.
    if (this.upstream !== undefined && isClientDeadline(this.timeLeftMs(), this.relay.section.timeoutMs ?? 0)) return;
    this.gone = true;
    this.waiting?.abort(left());
    // A call that waits hears of it by its signal.
    if (this.upstream !== undefined) this.leave();
  }

  protected override get abandoned(): boolean {
    return this.gone;
  }

  private leave(): void {
    this.upstream?.cancel();
    const error = left();
    const attempt = this.finished();
    attempt.abandon();
    attempt.ended("maybe-processed", error, undefined);
    this.over(error);
  }

  onDeadline(): void {
    const { upstream } = this;
    if (upstream === undefined) return;
    const error = timedOut();
    if (upstream.unsent) markAttempt(error, "not-sent");
    upstream.cancel();
    this.failed(error);
  }

  // Events of the attempt in flight

  began(head: HeaderBlock): void {
    if (this.attempt === undefined) this.connection!.answered();
    else this.attempt.answering();
    this.relay.began(head);
  }

  data(chunk: Uint8Array, start: number, end: number): boolean {
    return this.relay.data(chunk, start, end);
  }

  writable(): void {
    this.relay.upstreamWritable();
  }

  ended(head: HeaderBlock, trailers: HeaderBlock | undefined, error: ConnectError | undefined): void {
    if (error !== undefined) return this.failed(error, { head, trailers: trailers ?? head });
    this.deadline?.cancel();
    this.upstream = undefined;
    if (this.attempt !== undefined) this.attempt.answered({ trailer: lazyHeaders(trailers) } as never);
    else countSuccess(this, this.connection!);
    this.relay.answered(head, trailers ?? head, undefined);
  }

  /** `answer`: the response that says so, if one does. */
  failed(error: unknown, answer?: { readonly head: HeaderBlock; readonly trailers: HeaderBlock }): void {
    const attempt = this.finished();
    this.relay.detach();
    if (this.replayable) this.watchClient();
    this.afterFailure(attempt, error).then((next) => this.send(next), (failure) => {
      if (failure !== error || answer === undefined || answer.trailers.get("grpc-status") === undefined) {
        this.relay.failed(failure, this.tried.list);
      } else {
        this.relay.answered(answer.head, answer.trailers, failure as ConnectError);
      }
    });
  }

  /** There is no attempt in flight any more; returns the last one. */
  private finished(): CallAttempt<undefined> {
    this.deadline?.cancel();
    const attempt = this.attempt ?? new CallAttempt(this, undefined, this.connection!, undefined);
    this.attempt =
      this.connection =
      this.upstream =
      this.deadline =
        undefined;
    return attempt;
  }

  private ends(error: unknown): void {
    this.over(error);
    this.relay.failed(error, this.tried.list);
  }

  async attemptFailed(_attempt: CallAttempt<undefined>, error: unknown): Promise<undefined> {
    this.failed(error);
  }
}

function left(): ConnectError {
  return new ConnectError("the client cancelled the call, or left", Code.Canceled);
}
