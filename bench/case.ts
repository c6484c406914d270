import type { CallSettings, Contender } from "./contender.ts";
import type { Kind } from "./kind.ts";

/** A kind of load. */
export interface Case {
  readonly name: string;
  readonly kind: Kind;
  /** Calls in flight. */
  readonly inFlight: number;
  readonly settings?: CallSettings;
  /** Calls come at half of the contender's own highest rate of this case, whether or not earlier ones have ended. */
  readonly openLoopOf?: string;
  /**
   * Only these are measured, and differ by less than a machine wavers from one second to the next: they take turns, many
   * short ones right behind each other, so that a slow moment hits all of them.
   */
  readonly takeTurns?: readonly string[];
  /** Also in `--quick`: all that a target speaks of. */
  readonly quick?: boolean;
}

/** Header fields that a caller sends along. */
export const TEN_HEADERS: Record<string, string> = {};
for (let i = 0; i < 10; i++) TEN_HEADERS[`x-bench-header-${i}`] = `a value of usual length, ${i}`;

export const CASES: readonly Case[] = [
  { name: "unary-16B-c1", kind: "unary-16B", inFlight: 1, quick: true },
  { name: "unary-16B-c64", kind: "unary-16B", inFlight: 64, quick: true },
  {
    name: "unary-16B-c64-turns",
    kind: "unary-16B",
    inFlight: 64,
    takeTurns: ["connect-lb", "connect-lb-direct"],
    quick: true,
  },
  { name: "unary-16B-c512", kind: "unary-16B", inFlight: 512 },
  { name: "unary-4KiB-c64", kind: "unary-4KiB", inFlight: 64, quick: true },
  { name: "unary-16B-c64-deadline", kind: "unary-16B", inFlight: 64, settings: { timeoutMs: 10_000 } },
  { name: "unary-16B-c64-10headers", kind: "unary-16B", inFlight: 64, settings: { headers: TEN_HEADERS } },
  { name: "server-stream-16B", kind: "server-stream-16B", inFlight: 3, quick: true },
  { name: "server-stream-4KiB", kind: "server-stream-4KiB", inFlight: 3 },
  { name: "bidi-16", kind: "bidi-16", inFlight: 16, quick: true },
  { name: "open-loop-half", kind: "unary-16B", inFlight: 0, openLoopOf: "unary-16B-c64" },
];

/** One call of a case. */
export function call(contender: Contender, { kind, settings = {} }: Case): Promise<void> {
  if (kind === "bidi-16") return contender.bidi(kind);
  if (kind.startsWith("server-stream")) return contender.serverStream(kind);
  return contender.unary(kind, settings);
}
