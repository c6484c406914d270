import type { DescMethod } from "@bufbuild/protobuf";
import type { ContextValues } from "@connectrpc/connect";
import type { EndpointConnection } from "../connection/endpoint-connection.ts";
import type { UnaryEndListener } from "../connection/end-reporting.ts";
import type { AttemptEnd } from "../connection/mark.ts";
import type { Endpoint } from "../endpoint.ts";
import type { CallInfo, Picker } from "../policy/policy.ts";
import type { CallEnvironment } from "./environment.ts";
import { codeOf } from "./failure.ts";
import { type Attempt, type AttemptStart, startAttempt } from "./observer.ts";
import type { BalanceSettings } from "./options.ts";
import type { ReadPick } from "./read-pick.ts";
import { type AttemptResult, outcomeOf, reportToListeners, reportToPicker } from "./report.ts";

/** What an attempt needs from its call. */
export interface AttemptedCall<A> extends CallInfo {
  readonly env: CallEnvironment;
  readonly settings: BalanceSettings | undefined;
  /** As the caller gave them. */
  readonly headerInit: HeadersInit | undefined;
  /** How many earlier attempts were answered, or may have been. */
  readonly retried: number;
  /** Counts an attempt that begins, or takes one back that was never made; returns how many there have been. */
  count(change: 1 | -1): number;
  /** The attempt failed: resolves with another one's answer, or rejects with the error for the caller. */
  failed(attempt: CallAttempt<A>, error: unknown): Promise<A>;
}

/** What is recorded of an attempt for those who ask how it ends. */
interface AttemptRecord {
  readonly number: number;
  readonly startMs: number;
  /** For a stream, how long it took until the response headers. */
  headerMs: number | undefined;
  onEnd: readonly ((attempt: Attempt) => void)[] | undefined;
}

/**
 * One attempt of a call on the connection picked for it. The connection counts it from `take` on; it begins with
 * `begin` and ends once, with `ended` or `takeBack`, independently of the call's other attempts.
 */
export class CallAttempt<A> implements AttemptStart, UnaryEndListener<A> {
  readonly connection: EndpointConnection;
  readonly #call: AttemptedCall<A>;
  readonly #picker: Picker;
  /** What the picker returned, if it was more than the bare connection. */
  readonly #pick: ReadPick | undefined;
  #header: Headers | undefined;
  /** Whether its call waited in line and room is reserved for it. */
  #promised = false;
  /** Undefined if nobody asks how it ends: every field of an attempt costs every call something. */
  #record: AttemptRecord | undefined;

  constructor(
    call: AttemptedCall<A>,
    picker: Picker,
    connection: EndpointConnection,
    pick: ReadPick | undefined,
  ) {
    this.#call = call;
    this.#picker = picker;
    this.connection = connection;
    this.#pick = pick;
  }

  get number(): number {
    return this.#record?.number ?? 0;
  }

  get endpoint(): Endpoint {
    return this.connection.endpoint;
  }

  get method(): DescMethod {
    return this.#call.method;
  }

  get contextValues(): ContextValues {
    return this.#call.contextValues;
  }

  get header(): Headers {
    return this.#header ??= this.#makeHeader();
  }

  /**
   * The headers to send: the caller's, the picker's and, as gRFC A6 requires, the number of earlier attempts that were
   * answered, or may have been.
   *
   * @throws TypeError if the caller's headers are invalid
   */
  get headerInit(): HeadersInit | undefined {
    if (this.#header !== undefined) return this.#header;
    const { headerInit, retried } = this.#call;
    return this.#pick?.header === undefined && retried === 0 ? headerInit : this.header;
  }

  #makeHeader(): Headers {
    const { headerInit, retried } = this.#call;
    const header = new Headers(headerInit);
    this.#pick?.header?.forEach((value, name) => header.append(name, value));
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
    this.#promised = true;
    this.connection.promised++;
    return this.take();
  }

  /** Must follow `take`, right before the attempt is sent. */
  begin(): void {
    const { env, settings } = this.#call;
    if (this.#promised) this.#redeem();
    const number = this.#call.count(1);
    const { onAttempt, observers, clock } = env;
    const asked = onAttempt !== undefined || observers !== undefined || settings?.onAttempt !== undefined ||
      this.#picker.done !== undefined || env.balancer.onOutcome !== undefined;
    if (!asked) return;
    const record: AttemptRecord = this.#record = {
      number,
      startMs: clock.now(),
      headerMs: undefined,
      onEnd: undefined,
    };
    if (observers !== undefined) record.onEnd = startAttempt(observers, this);
  }

  /** Whether the attempt uses its reserved room shows within this turn; if not, the next call in line gets it. */
  #redeem(): void {
    this.#promised = false;
    this.connection.promised--;
    this.#call.env.balancer.hasRoom(this.connection);
  }

  /** The server began to answer, and the attempt continues: a stream. */
  answering(): void {
    this.connection.answered();
    const record = this.#record;
    if (record !== undefined) record.headerMs = this.#call.env.clock.now() - record.startMs;
  }

  /** A unary attempt was answered. */
  answered(answer: A): void {
    this.ended("answered", undefined, answer as AttemptResult["response"]);
  }

  /** A unary attempt failed. */
  failed(error: unknown): Promise<A> {
    return this.#call.failed(this, error);
  }

  /**
   * It ended, with or without an error: frees its place on the connection and notifies pickers, observers and
   * listeners.
   */
  ended(end: AttemptEnd, error: unknown, response: AttemptResult["response"]): void {
    const { env } = this.#call;
    this.connection.end(end, error);
    if (error === undefined) env.settings.throttle?.succeeded();
    const record = this.#record;
    if (record === undefined) return;
    const latencyMs = env.clock.now() - record.startMs;
    const headerMs = record.headerMs ?? (end === "answered" ? latencyMs : undefined);
    const result = { end, latencyMs, headerMs, error, response };
    this.#reportToPicker(result);
    env.balancer.onOutcome?.(this.connection, outcomeOf(result));
    this.#notify([this.#call.settings?.onAttempt, env.onAttempt], end, latencyMs, error);
    if (record.onEnd !== undefined) this.#notify(record.onEnd, end, latencyMs, error);
  }

  /**
   * The connection turned out to be full: no attempt was made. Pickers and observers saw it begin, and are notified of
   * its end.
   */
  takeBack(error: unknown): void {
    this.connection.takeBack();
    this.#call.count(-1);
    const result = { end: "not-sent", latencyMs: 0, headerMs: undefined, error, response: undefined } as const;
    this.#reportToPicker(result);
    const onEnd = this.#record?.onEnd;
    if (onEnd !== undefined) this.#notify(onEnd, "not-sent", 0, error);
  }

  #reportToPicker(result: AttemptResult): void {
    reportToPicker(this.#picker, this.#pick?.given ?? this.connection, result, this.#call);
  }

  #notify(
    listeners: readonly (((attempt: Attempt) => void) | undefined)[],
    end: AttemptEnd,
    latencyMs: number,
    error: unknown,
  ): void {
    reportToListeners(listeners, {
      endpoint: this.endpoint,
      method: this.method,
      number: this.number,
      end,
      latencyMs,
      ...error !== undefined && { code: codeOf(error), error },
    });
  }
}
