import type { DescMessage, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import type { ContextValues, Transport, UnaryResponse } from "@connectrpc/connect";
import type { EndReportingTransport } from "../connection/end-reporting.ts";
import type { CallAttempt } from "./attempt.ts";
import { Call } from "./call.ts";
import type { CallEnvironment } from "./environment.ts";

/** A unary call. Attempts are themselves the listeners for their end, which saves a promise and two closures each. */
export class UnaryCall<I extends DescMessage, O extends DescMessage>
  extends Call<DescMethodUnary<I, O>, UnaryResponse<I, O>> {
  readonly #input: MessageInitShape<I>;

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
    this.#input = input;
  }

  /** Makes its attempts, one after another. */
  start(): Promise<UnaryResponse<I, O>> {
    const now = this.attemptNow();
    // The common case avoids an extra promise.
    if (now !== undefined) return this.#send(now);
    return this.nextAttempt().then((attempt) => this.#send(attempt));
  }

  #send(attempt: CallAttempt<UnaryResponse<I, O>>): Promise<UnaryResponse<I, O>> {
    attempt.begin();
    const { method, signal, timeoutMs, contextValuesInit } = this;
    const { transport } = attempt.connection;
    try {
      const { headerInit } = attempt;
      if (reportsUnaryEnds(transport)) {
        return transport.unaryReporting(method, signal, timeoutMs, headerInit, this.#input, contextValuesInit, attempt);
      }
      return transport.unary(method, signal, timeoutMs, headerInit, this.#input, contextValuesInit).then(
        (answer) => {
          attempt.answered(answer);
          return answer;
        },
        (error) => attempt.failed(error),
      );
    } catch (error) {
      return attempt.failed(error);
    }
  }

  failed(attempt: CallAttempt<UnaryResponse<I, O>>, error: unknown): Promise<UnaryResponse<I, O>> {
    return this.afterFailure(attempt, error, true).then((next) => this.#send(next));
  }
}

function reportsUnaryEnds(transport: Transport): transport is EndReportingTransport {
  return "unaryReporting" in transport;
}
