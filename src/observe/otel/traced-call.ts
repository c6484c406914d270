import type {
  Attempt,
  AttemptMessage,
  AttemptStart,
  CallEnd,
  CallStart,
  CallWatch,
  WaitReason,
} from "../../call/observer.ts";
import { type Attributes, type Context, type Span, SpanKind } from "./api.ts";
import { ROOT, withSpan } from "./span-context.ts";
import { STATUS_NAMES, statusNumber } from "./status.ts";
import type { System } from "./system.ts";
import { peerAttributes } from "./target.ts";
import type { Tracing } from "./tracing.ts";

/** What is known of a call before it begins. */
export interface TracedMethod {
  readonly name: string;
  readonly system: System;
  /** OpenTelemetry's `server.address` and `server.port`. */
  readonly server: Attributes;
}

/** The span of an attempt in flight. */
interface TracedAttempt {
  readonly span: Span;
  /** How many messages it has sent and received. */
  sent: number;
  received: number;
}

/** The spans of one call of a client: one for the call and, by gRPC's conventions, one for each attempt. */
export class TracedCall implements CallWatch {
  readonly #tracing: Tracing;
  readonly #method: string;
  readonly #span: Span;
  /** With the call's span as the active one. */
  readonly #context: Context;
  /** By their numbers. */
  readonly #attempts = new Map<number, TracedAttempt>();
  readonly #measured: CallWatch | undefined;
  /** The highest number of an attempt so far. */
  #latest = 0;
  /** How many attempts no server processed. */
  #unprocessed = 0;
  /** Whether the attempt that ended last is one of them. */
  #transparent = false;
  #resolving = false;
  #picking = false;
  #peer: string | undefined;

  /** `measured` hears of the call as well. */
  constructor(
    tracing: Tracing,
    { name, system, server }: TracedMethod,
    start: CallStart,
    measured: CallWatch | undefined,
  ) {
    const active = tracing.contextManager?.active();
    this.#tracing = tracing;
    this.#method = name;
    this.#measured = measured;
    this.#span = tracing.tracer.startSpan(tracing.name("Sent", name, system), {
      kind: SpanKind.CLIENT,
      attributes: tracing.startAttributes(system, name, server),
    }, active);
    this.#context = withSpan(active ?? ROOT, this.#span);
    // With spans of their own, attempts carry theirs.
    if (!this.#attemptSpans) tracing.inject(this.#context, start.header);
  }

  get #attemptSpans(): boolean {
    return this.#tracing.grpcNames && this.#span.isRecording();
  }

  waiting(why: WaitReason): void {
    this.#measured?.waiting?.(why);
    if (why === "resolution") this.#resolving = true;
    else {
      this.#resolved();
      if (why !== "backoff") this.#picking = true;
    }
  }

  #resolved(): void {
    if (this.#resolving) this.#span.addEvent("Delayed name resolution complete");
    this.#resolving = false;
  }

  attemptStarted(attempt: AttemptStart): void {
    this.#measured?.attemptStarted?.(attempt);
    this.#resolved();
    this.#peer = attempt.endpoint.address;
    const span = this.#attemptSpans ? this.#begin(attempt) : undefined;
    if (this.#picking) (span ?? this.#span).addEvent("Delayed LB pick complete");
    this.#picking = false;
  }

  #begin({ number, hedge, header, endpoint }: AttemptStart): Span {
    const tracing = this.#tracing;
    // One that found no room was taken back, and is made again.
    if (number <= this.#latest) this.#unprocessed--;
    else this.#latest = number;
    const span = tracing.tracer.startSpan(tracing.name("Attempt", this.#method, "grpc"), {
      kind: SpanKind.CLIENT,
      attributes: {
        "previous-rpc-attempts": Math.max(0, number - 1 - this.#unprocessed),
        "transparent-retry": number > 1 && !hedge && this.#transparent,
        ...peerAttributes(endpoint.address),
      },
    }, this.#context);
    this.#attempts.set(number, { span, sent: 0, received: 0 });
    tracing.inject(withSpan(this.#context, span), header);
    return span;
  }

  messageSent(message: AttemptMessage): void {
    const traced = this.#attempts.get(message.attempt.number);
    if (traced !== undefined) this.#tracing.addMessage(traced.span, "Outbound", traced.sent++, message);
  }

  messageReceived(message: AttemptMessage): void {
    const traced = this.#attempts.get(message.attempt.number);
    if (traced !== undefined) this.#tracing.addMessage(traced.span, "Inbound", traced.received++, message);
  }

  attemptEnded(attempt: Attempt): void {
    this.#measured?.attemptEnded?.(attempt);
    const { number, code, end, error } = attempt;
    this.#transparent = end === "not-sent" || end === "refused";
    if (this.#transparent) this.#unprocessed++;
    const span = this.#attempts.get(number)?.span;
    if (span === undefined) return;
    this.#attempts.delete(number);
    this.#tracing.setStatus(span, STATUS_NAMES[statusNumber(code)]!, error, code !== undefined);
    span.end();
  }

  ended(end: CallEnd): void {
    this.#measured?.ended?.(end);
    const { code, error } = end;
    if (this.#peer !== undefined) this.#span.setAttributes(peerAttributes(this.#peer));
    this.#tracing.setStatus(this.#span, STATUS_NAMES[statusNumber(code)]!, error, code !== undefined);
    this.#span.end();
  }
}
