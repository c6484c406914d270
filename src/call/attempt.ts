import type { DescMethod } from "@bufbuild/protobuf";
import type { ContextValues } from "@connectrpc/connect";
import type { EndpointConnection } from "../connection/endpoint-connection.ts";
import type { UnaryEndListener } from "../connection/end-reporting.ts";
import type { AttemptEnd } from "../connection/mark.ts";
import type { Endpoint } from "../endpoint.ts";
import type { CallInfo, Picker } from "../policy/policy.ts";
import { arrivedMs } from "../time/arrival.ts";
import type { CallEnvironment } from "./environment.ts";
import type { ObservedCall } from "./observed-call.ts";
import { type AttemptStart, startAttempt } from "./observer.ts";
import type { BalanceSettings } from "./options.ts";
import type { ReadPick } from "./read-pick.ts";
import { AttemptRecord, type WithTrailer } from "./record.ts";
import { reportToListeners, reportToPicker } from "./report.ts";

/** What an attempt needs from its call. */
export interface AttemptedCall<A> extends CallInfo {
  readonly env: CallEnvironment;
  readonly settings: BalanceSettings | undefined;
  /** As the caller gave them. */
  readonly headerInit: HeadersInit | undefined;
  /** How many earlier attempts were answered, or may have been, including those in flight. */
  readonly retried: number;
  /** How many of them are in flight. */
  readonly beside: number;
  /** The call as its observers see it; undefined if nobody watches it. */
  readonly observed: ObservedCall | undefined;
  /** The time left for the next attempt, in whole milliseconds above 0; undefined: no limit. */
  readonly timeoutMs: number | undefined;
  /** Counts an attempt that begins; returns its number. */
  count(): number;
  /** An attempt that had this number was never made. */
  uncount(number: number): void;
  /** The call has ended, with the error for its caller if it failed. */
  over(error: unknown, nowMs?: number): void;
  /** The attempt failed: resolves with another one's answer, or rejects with the error for the caller. */
  attemptFailed(attempt: CallAttempt<A>, error: unknown): Promise<A>;
}

/** Whether anybody asks how an attempt ends that its connection counts already; most end unheard. */
export function isAsked<A>(call: AttemptedCall<A>, connection: EndpointConnection): boolean {
  const { env, observed, settings } = call, { outcomes } = env.balancer;
  return env.onAttempt !== undefined || env.observers !== undefined || observed !== undefined ||
    settings?.onAttempt !== undefined || (outcomes !== undefined && (outcomes.hearsAll || connection.sampled));
}

/** An attempt has succeeded, as far as others than those who asked count it. */
export function countSuccess<A>(
  { env, method }: AttemptedCall<A>,
  connection: EndpointConnection,
  end: AttemptEnd = "answered",
): void {
  connection.end(end, undefined);
  env.throttle?.ended(method, undefined);
  env.calls.succeeded++;
  env.settings.throttle?.succeeded();
}

/**
 * One attempt of a call on the connection picked for it. The connection counts it from `take` on; it begins with
 * `begin` and ends once, with `ended` or `takeBack`, independently of the call's other attempts. For its fields and
 * private methods, see `BoundedCall`.
 */
export class CallAttempt<A> implements AttemptStart, UnaryEndListener<A> {
  declare readonly connection: EndpointConnection;
  declare private readonly call: AttemptedCall<A>;
  /** The one that picked, if it wants to hear how the attempt ends. */
  declare private readonly picker: Picker | undefined;
  /** What the picker returned, if it was more than the bare connection. */
  declare private readonly pick: ReadPick | undefined;
  declare private madeHeader: Headers | undefined;
  /** Whether its call waited in line and room is reserved for it. */
  declare private promised: boolean;
  /** Undefined if nobody asks how it ends: every field of an attempt costs every call something. */
  declare private record: AttemptRecord | undefined;

  static {
    // What few attempts have costs the others nothing on the prototype.
    Object.assign(this.prototype, { madeHeader: undefined, promised: false });
  }

  constructor(
    call: AttemptedCall<A>,
    picker: Picker | undefined,
    connection: EndpointConnection,
    pick: ReadPick | undefined,
  ) {
    this.record = undefined;
    this.call = call;
    this.picker = picker;
    this.connection = connection;
    this.pick = pick;
  }

  /** Whether someone hears of its end. */
  get watched(): boolean {
    return this.record !== undefined;
  }

  get number(): number {
    return this.record?.number ?? 0;
  }

  get hedge(): boolean {
    return this.record?.hedge ?? false;
  }

  get startedMs(): number {
    return this.record?.startedMs ?? NaN;
  }

  get endpoint(): Endpoint {
    return this.connection.endpoint;
  }

  get method(): DescMethod {
    return this.call.method;
  }

  get contextValues(): ContextValues {
    return this.call.contextValues;
  }

  get header(): Headers {
    return this.madeHeader ??= this.makeHeader();
  }

  /**
   * The headers to send: the caller's, the picker's and, as gRFC A6 requires, the number of earlier attempts that were
   * answered, or may have been.
   *
   * @throws TypeError if the caller's headers are invalid
   */
  get headerInit(): HeadersInit | undefined {
    if (this.madeHeader !== undefined) return this.madeHeader;
    const { headerInit, retried } = this.call;
    return this.pick?.header === undefined && retried === 0 ? headerInit : this.header;
  }

  private makeHeader(): Headers {
    const { headerInit, retried } = this.call;
    const header = new Headers(headerInit);
    this.pick?.header?.forEach((value, name) => header.append(name, value));
    if (retried > 0 && this.connection.grpc) header.set("grpc-previous-rpc-attempts", `${retried}`);
    return header;
  }

  /** Its connection counts it from here on, so that several calls that pick in the same turn see each other. */
  take(): this {
    this.connection.begin();
    return this;
  }

  /** The same for a call that waited in line: room is reserved for it. */
  takePromised(): this {
    this.promised = true;
    this.connection.promised++;
    return this.take();
  }

  /** Must follow `take`, right before the attempt is sent. */
  begin(): void {
    const { env: { balancer: { outcomes }, clock, observers }, observed } = this.call;
    if (this.promised) this.redeem();
    const number = this.call.count();
    if (this.picker?.done === undefined && !isAsked(this.call, this.connection)) return;
    // A call that does not wait sends its first attempt when it begins.
    const nowMs = number === 1 && observed?.waits === false ? observed.startedMs : clock.now();
    const record = this.record = new AttemptRecord(number, this.method, this.call.timeoutMs, nowMs);
    if (this.call.beside > 0) record.hedge = true;
    if (outcomes !== undefined && (outcomes.hearsAll || this.connection.sampled)) record.sampled = true;
    if (observers !== undefined) record.onEnd = startAttempt(observers, this);
    observed?.attemptStarted(this);
  }

  /** It began at `startedMs`, as its call's first, without this object. */
  resume(startedMs: number, sentBytes: number | undefined, receivedBytes: number): void {
    const record = this.record = new AttemptRecord(1, this.method, this.call.timeoutMs, startedMs);
    if (sentBytes !== undefined) record.message("messageSent", sentBytes);
    record.message("messageReceived", receivedBytes);
  }

  /** Whether the attempt uses its reserved room shows within this turn; if not, the next call in line gets it. */
  private redeem(): void {
    this.promised = false;
    this.connection.promised--;
    this.call.env.balancer.hasRoom(this.connection);
  }

  /** The server began to answer, and the attempt continues: a stream. */
  answering(): void {
    this.connection.answered();
    const record = this.recordNow();
    if (record !== undefined) {
      record.sampled = true;
      record.answering(this.call.env.clock.now());
    }
    this.call.observed?.attemptAnswering(this);
  }

  /** A unary attempt's answer began to arrive. */
  partArrived(): void {
    this.call.observed?.attemptAnswering(this);
  }

  /** The record, also of an attempt that was not timed, if someone hears of it. */
  private recordNow(): AttemptRecord | undefined {
    if (this.record !== undefined || this.call.env.balancer.outcomes === undefined) return this.record;
    return this.record = new AttemptRecord(0, this.method, this.call.timeoutMs, NaN);
  }

  /** Nobody wants its answer any more: its end, which must follow, says nothing about its server. */
  abandon(): void {
    this.connection.abandoned++;
    const record = this.recordNow();
    if (record !== undefined) record.abandoned = true;
  }

  messageSent(bytes: number, uncompressedBytes: number): void {
    this.message("messageSent", bytes, uncompressedBytes);
  }

  messageReceived(bytes: number, uncompressedBytes: number): void {
    this.message("messageReceived", bytes, uncompressedBytes);
  }

  private message(event: "messageSent" | "messageReceived", bytes: number, uncompressedBytes: number): void {
    const { observed } = this.call;
    this.record?.message(event, bytes);
    if (observed?.hearsMessages) observed.message(event, { attempt: this, bytes, uncompressedBytes });
  }

  /** A unary attempt was answered, and with it its call. */
  answered(answer: A): void {
    this.ended("answered", undefined, answer as WithTrailer | undefined);
    if (this.record !== undefined) this.call.over(undefined, this.record.startedMs + this.record.latencyMs);
  }

  /** A unary attempt failed. */
  failed(error: unknown): Promise<A> {
    return this.call.attemptFailed(this, error);
  }

  /**
   * It ended, with or without an error: frees its place on the connection and notifies pickers, observers and
   * listeners.
   */
  ended(end: AttemptEnd, error: unknown, response: WithTrailer | undefined): void {
    const { env } = this.call, { outcomes } = env.balancer;
    if (error === undefined) {
      countSuccess(this.call, this.connection, end);
    } else {
      this.connection.end(end, error);
      env.throttle?.ended(this.method, error);
      this.recordNow();
    }
    const { record } = this;
    if (record === undefined) return;
    record.ended(end, arrivedMs(env.clock), error, response);
    this.toPicker(record);
    if (error !== undefined || record.sampled) outcomes?.outcome(this.connection, record);
    const own = this.call.settings?.onAttempt, { onAttempt } = env;
    if (own !== undefined || onAttempt !== undefined) {
      reportToListeners([own, onAttempt], record.seenAt(this.connection.endpoint));
    }
    this.toObservers(record);
  }

  /**
   * The connection turned out to be full: no attempt was made. Pickers and observers saw it begin, and are notified of
   * its end.
   */
  takeBack(error: unknown): void {
    this.connection.takeBack();
    this.call.uncount(this.number);
    const record = this.record;
    if (record === undefined) return;
    record.takenBack(error);
    this.toPicker(record);
    this.toObservers(record);
  }

  private toPicker(record: AttemptRecord): void {
    reportToPicker(this.picker, this.pick?.given ?? this.connection, record, this.call);
  }

  private toObservers(record: AttemptRecord): void {
    const { observed } = this.call, { onEnd } = record;
    if (onEnd === undefined && observed === undefined) return;
    const attempt = record.seenAt(this.connection.endpoint);
    if (onEnd !== undefined) reportToListeners(onEnd, attempt);
    observed?.attemptEnded(attempt);
  }
}
