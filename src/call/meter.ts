import type { DescMessage, DescMethod, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import type { ContextValues, UnaryResponse } from "@connectrpc/connect";
import type { CallObserver, CallWatch } from "./observer.ts";

/**
 * An observer that measures calls. Nearly all succeed with the first attempt, at once: a transport with one observer,
 * which is a meter, tells it of those in two calls, without the objects that other observers get; and of the others as
 * any observer, from when they turn out to be one.
 */
export abstract class Meter<Env = unknown> implements CallObserver {
  /** What such a transport's unary calls are: `MeteredCall`, which bundles without a meter do without. */
  abstract readonly unaryCall: UnaryCallClass<Env>;

  /** How a method's calls are measured; undefined: as by any observer. */
  abstract usual(method: DescMethod): UsualCalls | undefined;

  abstract callStarted(...args: Parameters<NonNullable<CallObserver["callStarted"]>>): CallWatch | undefined;
}

/** How calls are measured that are expected to succeed with the first attempt. */
export interface UsualCalls {
  /** A call began, and its first attempt with it. Either `succeeded` or `watch` follows. */
  began(): void;
  /** It succeeded with that attempt. `sentBytes` and `receivedBytes` are those of an {@link Attempt}. */
  succeeded(latencyMs: number, sentBytes: number | undefined, receivedBytes: number): void;
  /** It turned out to be another one: what hears of it from the end of that attempt on. */
  watch(): CallWatch;
}

/** A class of unary calls with their environment, as `UnaryCall` is one. */
export type UnaryCallClass<Env> = new <I extends DescMessage, O extends DescMessage>(
  env: Env,
  method: DescMethodUnary<I, O>,
  signal: AbortSignal | undefined,
  timeoutMs: number | undefined,
  header: HeadersInit | undefined,
  input: MessageInitShape<I>,
  contextValues: ContextValues | undefined,
) => { start(): Promise<UnaryResponse<I, O>> };
