import { type Kind, STREAM_MESSAGES } from "../kind.ts";

/** Where the calls of a case come from. */
export type Load = "h2load" | "connect-lb" | "grpc-go" | "own client";

/** A kind of load on servers. */
export interface ServerCase {
  readonly name: string;
  readonly kind: Kind;
  readonly inFlight: number;
  /** `own client`: each server's own, in the same language and on the same runtime; then both ends are measured. */
  readonly load: Load;
  /** The case of bench/case.ts that a client in JavaScript runs. */
  readonly clientCase?: string;
  /** Each call has a deadline and ten header fields of its own. */
  readonly fields?: boolean;
  /** What is counted: calls, or the messages of server streams. */
  readonly unit: "call" | "message";
  /** Also in `--quick`. */
  readonly quick?: boolean;
}

const h2load = (kind: Kind, inFlight: number, quick = false): ServerCase => ({
  name: `${kind}-c${inFlight}`,
  kind,
  inFlight,
  load: "h2load",
  unit: kind.startsWith("server-stream") ? "message" : "call",
  quick,
});

export const SERVER_CASES: readonly ServerCase[] = [
  ...[1, 64, 512].map((inFlight) => h2load("unary-16B", inFlight, inFlight < 512)),
  ...[1, 64, 512].map((inFlight) => h2load("unary-4KiB", inFlight)),
  h2load("server-stream-16B", 8, true),
  { name: "bidi-16", kind: "bidi-16", inFlight: 16, load: "connect-lb", clientCase: "bidi-16", unit: "call" },
  {
    name: "unary-16B-c64-fields",
    kind: "unary-16B",
    inFlight: 64,
    load: "grpc-go",
    fields: true,
    unit: "call",
    quick: true,
  },
  ...[1, 64].map((inFlight): ServerCase => ({
    name: `round-trip-c${inFlight}`,
    kind: "unary-16B",
    inFlight,
    load: "own client",
    clientCase: `unary-16B-c${inFlight}`,
    unit: "call",
    quick: true,
  })),
];

/** How many units one call of a case has. */
export function unitsPerCall({ unit }: Pick<ServerCase, "unit">): number {
  return unit === "message" ? STREAM_MESSAGES : 1;
}
