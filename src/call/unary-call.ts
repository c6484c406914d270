import type { DescMessage, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import type { ContextValues, Transport, UnaryResponse } from "@connectrpc/connect";
import { EndpointConnection } from "../connection/endpoint-connection.ts";
import type { EndTellingTransport, UnaryEndListener } from "../connection/link.ts";
import { Call, type CallEnvironment } from "./call.ts";

/** A unary call, which hears itself how its attempts end. */
export class UnaryCall<I extends DescMessage, O extends DescMessage> extends Call<DescMethodUnary<I, O>>
  implements UnaryEndListener<UnaryResponse<I, O>> {
  readonly #input: MessageInitShape<I>;
  /** Where the present attempt is, and since when. */
  #connection: EndpointConnection | undefined = undefined;
  #startMs = 0;

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
    const picked = this.pick();
    // The usual case takes no detour over a promise.
    if (picked instanceof EndpointConnection) return this.#attempt(this.take(picked));
    return this.connection().then((connection) => this.#attempt(connection));
  }

  #attempt(connection: EndpointConnection): Promise<UnaryResponse<I, O>> {
    this.#connection = connection;
    this.#startMs = this.begin();
    const { method, signal, timeoutMs, headerInit, contextValuesInit } = this;
    const { transport } = connection;
    try {
      if (tellsUnaryEnds(transport)) {
        return transport.unaryTelling(method, signal, timeoutMs, headerInit, this.#input, contextValuesInit, this);
      }
      return transport.unary(method, signal, timeoutMs, headerInit, this.#input, contextValuesInit).then((answer) => {
        this.answered();
        return answer;
      }, (error) => this.failed(error));
    } catch (error) {
      return this.failed(error);
    }
  }

  answered(): void {
    this.ended(this.#connection!, this.#startMs, "answered");
  }

  failed(error: unknown): Promise<UnaryResponse<I, O>> {
    return this.next(this.#connection!, this.#startMs, error, true).then((next) => this.#attempt(next));
  }
}

function tellsUnaryEnds(transport: Transport): transport is EndTellingTransport {
  return "unaryTelling" in transport;
}
