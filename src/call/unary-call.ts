import type { DescMessage, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import type { ContextValues, Transport, UnaryResponse } from "@connectrpc/connect";
import type { EndReportingTransport, UnaryEndListener } from "../connection/end-reporting.ts";
import type { EndpointConnection } from "../connection/endpoint-connection.ts";
import { CallAttempt, countSuccess, isAsked } from "./attempt.ts";
import { Call } from "./call.ts";
import type { CallEnvironment } from "./environment.ts";
import type { HedgedCall } from "./hedging.ts";

/**
 * A unary call. Attempts are themselves the listeners for their end, which saves a promise and two closures each. If
 * nobody asks how a call's first attempt ends, there is no object for it either, and the call is the listener.
 */
export class UnaryCall<I extends DescMessage, O extends DescMessage>
  extends Call<DescMethodUnary<I, O>, UnaryResponse<I, O>>
  implements HedgedCall<UnaryResponse<I, O>>, UnaryEndListener<UnaryResponse<I, O>> {
  declare private readonly input: MessageInitShape<I>;
  /** Where its first attempt went, if there is no object for it. */
  declare protected connection: EndpointConnection | undefined;

  constructor(
    env: CallEnvironment,
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: MessageInitShape<I>,
    contextValues: ContextValues | undefined,
  ) {
    super(env, method, signal, timeoutMs, header, contextValues);
    this.input = input;
    this.connection = undefined;
  }

  get replayable(): boolean {
    return true;
  }

  /** Makes its attempts: one after another, or several at a time if it is hedged. */
  start(): Promise<UnaryResponse<I, O>> {
    this.observe();
    try {
      this.checkThrottle();
      return this.beginWith(this.pickNow());
    } catch (error) {
      this.over(error);
      throw error;
    }
  }

  /** The first attempt, with what `pickNow` returned. The common case avoids an extra promise. */
  protected beginWith(
    picked: EndpointConnection | CallAttempt<UnaryResponse<I, O>> | undefined,
  ): Promise<UnaryResponse<I, O>> {
    if (picked instanceof CallAttempt) return this.begin(picked);
    if (picked === undefined) return this.startLater();
    if (!this.asksHowItEnds(picked)) return this.sendOn(picked);
    return this.begin(new CallAttempt(this, undefined, picked, undefined));
  }

  private async startLater(): Promise<UnaryResponse<I, O>> {
    try {
      return await this.begin(await this.nextAttempt());
    } catch (error) {
      this.over(error);
      throw error;
    }
  }

  /** Whether there must be an object for its first attempt. */
  protected asksHowItEnds(connection: EndpointConnection): boolean {
    return this.methodSettings.hedging !== undefined || isAsked(this, connection);
  }

  /** The first attempt, without an object for it, on a connection that counts it already. */
  protected sendOn(connection: EndpointConnection): Promise<UnaryResponse<I, O>> {
    this.number = 1;
    this.connection = connection;
    return this.transmit(connection.transport, this.signal, this.headerInit, this);
  }

  answered(): void {
    countSuccess(this, this.connection!);
  }

  failed(error: unknown): Promise<UnaryResponse<I, O>> {
    return this.attemptFailed(new CallAttempt(this, undefined, this.connection!, undefined), error);
  }

  private begin(attempt: CallAttempt<UnaryResponse<I, O>>): Promise<UnaryResponse<I, O>> {
    const { hedging } = this.methodSettings;
    if (hedging === undefined || !hedging.covers(this.method)) return this.send(attempt, this.signal, attempt);
    return hedging.run(this, attempt, this.signal);
  }

  /** Sends an attempt, which ends when the signal aborts, and reports to `listener` how it ends. */
  send(
    attempt: CallAttempt<UnaryResponse<I, O>>,
    signal: AbortSignal | undefined,
    listener: UnaryEndListener<UnaryResponse<I, O>>,
  ): Promise<UnaryResponse<I, O>> {
    attempt.begin();
    let headerInit: HeadersInit | undefined;
    try {
      headerInit = attempt.headerInit;
    } catch (error) {
      return listener.failed(error);
    }
    return this.transmit(attempt.connection.transport, signal, headerInit, listener);
  }

  private transmit(
    transport: Transport,
    signal: AbortSignal | undefined,
    headerInit: HeadersInit | undefined,
    listener: UnaryEndListener<UnaryResponse<I, O>>,
  ): Promise<UnaryResponse<I, O>> {
    const { method, timeoutMs, contextValuesInit } = this;
    try {
      if (reportsUnaryEnds(transport)) {
        return transport.unaryReporting(
          method,
          signal,
          timeoutMs,
          headerInit,
          this.input,
          contextValuesInit,
          listener,
        );
      }
      return transport.unary(method, signal, timeoutMs, headerInit, this.input, contextValuesInit).then(
        (answer) => {
          listener.answered(answer);
          return answer;
        },
        (error) => listener.failed(error),
      );
    } catch (error) {
      return listener.failed(error);
    }
  }

  attemptFailed(attempt: CallAttempt<UnaryResponse<I, O>>, error: unknown): Promise<UnaryResponse<I, O>> {
    return this.afterFailure(attempt, error).then((next) => this.send(next, this.signal, next));
  }
}

function reportsUnaryEnds(transport: Transport): transport is EndReportingTransport {
  return "unaryReporting" in transport;
}
