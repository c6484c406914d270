import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport, type Transport } from "@connectrpc/connect";
import type { Endpoint } from "../../src/endpoint.ts";
import { simpleRoutes } from "./simple.ts";

/** An attempt that a link holds until the test decides. */
export interface HeldAttempt {
  readonly address: string;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
  /** What it read of the request, if it is a stream. */
  readonly messages: unknown[];
  answer(): void;
  fail(error: unknown): void;
}

/** Links whose attempts are held, the earliest first. They end when their signal aborts, unless `deaf`. */
export function heldLinks({ deaf = false }: { readonly deaf?: boolean | undefined } = {}): {
  readonly sent: HeldAttempt[];
  readonly transport: (endpoint: Endpoint) => Transport;
} {
  const sent: HeldAttempt[] = [];
  const hold = <T>(
    { address, signal, timeoutMs, messages }: Omit<HeldAttempt, "answer" | "fail">,
    answer: () => Promise<T>,
  ) =>
    new Promise<T>((resolve, reject) => {
      const onAbort = () => reject(ConnectError.from(signal!.reason, Code.Canceled));
      if (!deaf) signal?.addEventListener("abort", onAbort);
      sent.push({ address, signal, timeoutMs, messages, answer: () => resolve(answer()), fail: reject });
    });
  const transport = ({ address }: Endpoint): Transport => {
    const inner = createRouterTransport(simpleRoutes({ name: address }));
    return {
      unary: (method, signal, timeoutMs, header, input, contextValues) =>
        hold(
          { address, signal, timeoutMs, messages: [] },
          () => inner.unary(method, undefined, undefined, header, input, contextValues),
        ),
      async stream(method, signal, timeoutMs, header, input, contextValues) {
        const messages: MessageInitShape<typeof method.input>[] = [];
        const reading = (async () => {
          for await (const message of input) messages.push(message);
        })();
        return await hold({ address, signal, timeoutMs, messages }, async () => {
          await reading;
          const all = (async function* () {
            yield* messages;
          })();
          return await inner.stream(method, signal, undefined, header, all, contextValues);
        });
      },
    };
  };
  return { sent, transport };
}
