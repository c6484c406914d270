import { Code } from "@connectrpc/connect";
import type { CallEnd, CallObserver, CallStart, CallWatch } from "../../src/call/observer.ts";

/** A call as an observer saw it. */
export interface WatchedCall {
  readonly start: CallStart;
  /** What was heard of it, in this order. */
  readonly lines: string[];
  readonly ends: CallEnd[];
}

/** An observer that writes down what it hears of each call. */
export function watchCalls(): { readonly observer: CallObserver; readonly calls: WatchedCall[] } {
  const calls: WatchedCall[] = [];
  const observer: CallObserver = {
    callStarted(start): CallWatch {
      const lines: string[] = [], ends: CallEnd[] = [];
      calls.push({ start, lines, ends });
      return {
        waiting: (why) => void lines.push(`waits: ${why}`),
        attemptStarted: ({ endpoint, hedge, number }) =>
          void lines.push(`${hedge ? "hedge" : "attempt"} ${number} ${endpoint.address}`),
        attemptAnswering: ({ number }) => void lines.push(`${number} answering`),
        attemptEnded: ({ number, end, code }) => void lines.push(`${number} ${end} ${name(code)}`),
        ended(end) {
          ends.push(end);
          lines.push(`ended ${name(end.code)} after ${end.attempts} in ${end.latencyMs}`);
        },
      };
    },
  };
  return { observer, calls };
}

const name = (code: Code | undefined) => code === undefined ? "ok" : Code[code];
