import type { DescMethod } from "@bufbuild/protobuf";
import type { ContextValues } from "@connectrpc/connect";
import type { Connection } from "../connection/connection.ts";
import type { EndpointConnection } from "../connection/endpoint-connection.ts";
import type { UnaryEndListener } from "../connection/end-reporting.ts";
import type { AttemptEnd } from "../connection/mark.ts";
import type { Endpoint } from "../endpoint.ts";
import type { CallInfo, Picker } from "../policy/policy.ts";
import type { CallEnvironment } from "./environment.ts";
import { codeOf } from "./failure.ts";
import { type Attempt, type AttemptStart, startAttempt } from "./observer.ts";
import type { BalanceSettings } from "./options.ts";
import { type AttemptResult, outcomeOf, tellListeners, tellPicker } from "./tell.ts";

/** What an attempt needs of its call. */
export interface AttemptedCall<A> extends CallInfo {
  readonly env: CallEnvironment;
  readonly settings: BalanceSettings | undefined;
  /** As the caller gave them. */
  readonly headerInit: HeadersInit | undefined;
  /** How many attempts before were answered, or may have been. */
  readonly retried: number;
  /** One more attempt begins, or one that had begun never was; returns how many there were. */
  count(change: 1 | -1): number;
  /** The attempt has failed: resolves with the answer of another one, or rejects with what the caller should see. */
  failed(attempt: CallAttempt<A>, error: unknown): Promise<A>;
}

/**
 * One try of a call on the connection that was picked for it. It counts on that connection from `take` on, begins with
 * `begin` and ends once, with `ended` or `takeBack`, whatever other attempts its call makes.
 */
export class CallAttempt<A> implements AttemptStart, UnaryEndListener<A> {
  readonly connection: EndpointConnection;
  readonly #call: AttemptedCall<A>;
  readonly #picker: Picker;
  /** What the picker gave: the connection or a view of it. */
  readonly #given: Connection;
  readonly #pickHeader: Headers | undefined;
  #header: Headers | undefined;
  /** Whether its call came out of the line for a place that is kept for it. */
  #promised = false;
  /** When it began, if somebody wants to know; and when its server began to answer, of a stream. */
  #startMs: number | undefined;
  #headerMs: number | undefined;
  #onEnd: readonly ((attempt: Attempt) => void)[] | undefined;
  number = 0;

  constructor(
    call: AttemptedCall<A>,
    picker: Picker,
    connection: EndpointConnection,
    given: Connection,
    pickHeader: Headers | undefined,
  ) {
    this.#call = call;
    this.#picker = picker;
    this.connection = connection;
    this.#given = given;
    this.#pickHeader = pickHeader;
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
   * What it sends: with what the picker adds, and gRFC A6 has servers know how many attempts were answered, or may have
   * been, before it.
   *
   * @throws TypeError if the caller's headers are invalid
   */
  get headerInit(): HeadersInit | undefined {
    if (this.#header !== undefined) return this.#header;
    const { headerInit, retried } = this.#call;
    return this.#pickHeader === undefined && retried === 0 ? headerInit : this.header;
  }

  #makeHeader(): Headers {
    const { headerInit, retried } = this.#call;
    const header = new Headers(headerInit);
    this.#pickHeader?.forEach((value, name) => header.append(name, value));
    if (retried > 0 && this.connection.grpc) header.set("grpc-previous-rpc-attempts", `${retried}`);
    return header;
  }

  /** Its connection counts it from here on, so that calls which are given connections in one go see each other. */
  take(): this {
    this.connection.begin();
    return this;
  }

  /** The same, for a call that waited in line: a place is kept for it. */
  takePromised(): this {
    this.#promised = true;
    this.connection.promised++;
    return this.take();
  }

  /** It is about to be sent. Must follow `take`. */
  begin(): void {
    const { env, settings } = this.#call;
    if (this.#promised) this.#redeem();
    this.number = this.#call.count(1);
    const { onAttempt, observers, clock } = env;
    if (observers !== undefined) this.#onEnd = startAttempt(observers, this);
    const timed = onAttempt !== undefined || observers !== undefined || settings?.onAttempt !== undefined ||
      this.#picker.done !== undefined || env.balancer.onOutcome !== undefined;
    if (timed) this.#startMs = clock.now();
  }

  /** Whether the attempt makes use of its place shows within this turn; if not, the next in line has it. */
  #redeem(): void {
    this.#promised = false;
    this.connection.promised--;
    this.#call.env.balancer.hasRoom(this.connection);
  }

  /** The server has begun to answer an attempt that goes on: a stream. */
  answering(): void {
    this.connection.answered();
    if (this.#startMs !== undefined) this.#headerMs = this.#call.env.clock.now() - this.#startMs;
  }

  /** A unary attempt was answered. */
  answered(answer: A): void {
    this.ended("answered", undefined, answer as AttemptResult["response"]);
  }

  /** A unary attempt has failed. */
  failed(error: unknown): Promise<A> {
    return this.#call.failed(this, error);
  }

  /** It has ended, with or without an error: gives its connection free and tells who wants to know. */
  ended(end: AttemptEnd, error: unknown, response: AttemptResult["response"]): void {
    const { env } = this.#call;
    this.connection.end(end, error);
    if (error === undefined) env.retry?.succeeded();
    if (this.#startMs === undefined) return;
    const latencyMs = env.clock.now() - this.#startMs;
    const headerMs = this.#headerMs ?? (end === "answered" ? latencyMs : undefined);
    const result = { end, latencyMs, headerMs, error, response };
    tellPicker(this.#picker, this.#given, result, this.#call);
    env.balancer.onOutcome?.(this.connection, outcomeOf(result));
    this.#tell([this.#call.settings?.onAttempt, env.onAttempt], end, latencyMs, error);
    if (this.#onEnd !== undefined) this.#tell(this.#onEnd, end, latencyMs, error);
  }

  /** The connection was full when it came: there was no attempt. Pickers and observers heard of it, and hear of its end. */
  takeBack(error: unknown): void {
    this.connection.takeBack();
    this.#call.count(-1);
    const result = { end: "not-sent", latencyMs: 0, headerMs: undefined, error, response: undefined } as const;
    tellPicker(this.#picker, this.#given, result, this.#call);
    if (this.#onEnd !== undefined) this.#tell(this.#onEnd, "not-sent", 0, error);
  }

  #tell(
    listeners: readonly (((attempt: Attempt) => void) | undefined)[],
    end: AttemptEnd,
    latencyMs: number,
    error: unknown,
  ): void {
    tellListeners(listeners, {
      endpoint: this.endpoint,
      method: this.method,
      number: this.number,
      end,
      latencyMs,
      ...error !== undefined && { code: codeOf(error), error },
    });
  }
}
