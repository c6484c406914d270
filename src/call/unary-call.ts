import type { DescMessage, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import type { ContextValues, Transport, UnaryResponse } from "@connectrpc/connect";
import type { EndpointConnection } from "../connection/endpoint-connection.ts";
import type { EndReportingTransport, UnaryEndListener } from "../connection/end-reporting.ts";
import { Call } from "./call.ts";
import type { CallEnvironment } from "./environment.ts";

/** A unary call, which hears itself how its attempts end. */
export class UnaryCall<I extends DescMessage, O extends DescMessage> extends Call<DescMethodUnary<I, O>>
  implements UnaryEndListener<UnaryResponse<I, O>> {
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
    const now = this.connectionNow();
    // The usual case takes no detour over a promise.
    if (now !== undefined) return this.#attempt(now);
    return this.connection().then((connection) => this.#attempt(connection));
  }

  #attempt(connection: EndpointConnection): Promise<UnaryResponse<I, O>> {
    this.begin(connection);
    const { method, signal, timeoutMs, contextValuesInit } = this;
    const { transport } = connection;
    try {
      const { attemptHeader } = this;
      if (reportsUnaryEnds(transport)) {
        return transport.unaryReporting(method, signal, timeoutMs, attemptHeader, this.#input, contextValuesInit, this);
      }
      return transport.unary(method, signal, timeoutMs, attemptHeader, this.#input, contextValuesInit).then(
        (answer) => {
          this.answered(answer);
          return answer;
        },
        (error) => this.failed(error),
      );
    } catch (error) {
      return this.failed(error);
    }
  }

  answered(answer: UnaryResponse<I, O>): void {
    this.ended("answered", undefined, answer);
  }

  failed(error: unknown): Promise<UnaryResponse<I, O>> {
    return this.afterFailure(error, true).then((next) => this.#attempt(next));
  }
}

function reportsUnaryEnds(transport: Transport): transport is EndReportingTransport {
  return "unaryReporting" in transport;
}
