import type { Kind } from "../kind.ts";

/** A kind of load on proxies. */
export interface ProxyCase {
  readonly name: string;
  readonly kind: Kind;
  readonly inFlight: number;
  /** Where the calls come from. */
  readonly load: "h2load" | "grpc-go";
  /** What is counted: calls, or the messages of server streams. */
  readonly unit: "call" | "message";
  /** Also in `--quick`. */
  readonly quick: boolean;
  /** Also with what passes bytes on, which says how much of the cost is the runtime's. */
  readonly bytesOnly: boolean;
}

/** Where writes and memory cost most, and each message is one write. */
const BYTES_ONLY: ReadonlySet<string> = new Set(["unary-16B-c1", "unary-4KiB-c1", "unary-4KiB-c64"]);

/** Server streams that are open at the same time. */
const STREAMS = 8;

/** Unary calls of a size, or server streams. */
function casesOf(load: ProxyCase["load"], quick: ReadonlySet<string>): readonly ProxyCase[] {
  const unary = (["unary-16B", "unary-4KiB"] as const).flatMap((kind) =>
    [1, 64, 512].map((inFlight) => ({ kind, inFlight, unit: "call" }) as const)
  );
  const streams = (["server-stream-16B", "server-stream-4KiB"] as const).map((kind) =>
    ({ kind, inFlight: STREAMS, unit: "message" }) as const
  );
  return [...unary, ...streams].map((one) => {
    const name = `${one.kind}-c${one.inFlight}${load === "grpc-go" ? "-go" : ""}`;
    return { ...one, name, load, quick: quick.has(name), bytesOnly: BYTES_ONLY.has(name) };
  });
}

export const PROXY_CASES: readonly ProxyCase[] = [
  ...casesOf("h2load", new Set(["unary-16B-c1", "unary-16B-c64", "unary-4KiB-c64", "server-stream-16B-c8"])),
  ...casesOf("grpc-go", new Set(["unary-16B-c64-go"])),
];
