import type {
  DescMessage,
  DescMethod,
  DescMethodStreaming,
  DescMethodUnary,
  Message,
  MessageInitShape,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { balance, type BalanceSettings } from "../../call/options.ts";
import type { Attempt } from "../../call/observer.ts";
import type { CallLimits } from "./reflection.ts";

/** What is called, and with what. */
export interface Request {
  readonly method: DescMethod;
  readonly messages: readonly Message[];
  readonly limits: CallLimits;
  /** For policies that hash. */
  readonly hashKey?: string | undefined;
}

/** A call that was made. */
export interface MadeCall {
  readonly attempts: readonly Attempt[];
  readonly latencyMs: number;
  /** What it failed with; undefined: it succeeded. */
  readonly error: ConnectError | undefined;
}

/** Makes a call; `onMessage` gets each message of its response. Never rejects, except with what `onMessage` throws. */
export async function makeCall(
  transport: Transport,
  { method, messages, limits, hashKey }: Request,
  onMessage: (message: Message) => void,
): Promise<MadeCall> {
  const attempts: Attempt[] = [];
  const settings: BalanceSettings = {
    onAttempt: (attempt) => attempts.push(attempt),
    ...hashKey !== undefined && { hashKey },
  };
  const { contextValues } = balance(settings), { signal, timeoutMs, headers } = limits;
  const startedMs = performance.now();
  let error: ConnectError | undefined;
  try {
    if (isUnary(method)) {
      const message = messages[0] as MessageInitShape<DescMessage>;
      const response = await transport.unary(method, signal, timeoutMs, headers, message, contextValues);
      onMessage(response.message);
    } else {
      const stream = method as DescMethodStreaming;
      const response = await transport.stream(stream, signal, timeoutMs, headers, each(messages), contextValues);
      for await (const message of response.message) onMessage(message);
    }
  } catch (cause) {
    error = ConnectError.from(cause, Code.Unknown);
  }
  return { attempts, latencyMs: performance.now() - startedMs, error };
}

function isUnary(method: DescMethod): method is DescMethodUnary {
  return method.methodKind === "unary";
}

async function* each(messages: readonly Message[]): AsyncIterable<MessageInitShape<DescMessage>> {
  yield* messages as readonly MessageInitShape<DescMessage>[];
}
