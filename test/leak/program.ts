// Makes many calls, good and aborted ones, and looks at the memory that is in use along the way:
// `program.ts <addresses> <calls> <aborted>`, where addresses are JSON of a bench backend. Prints a line of JSON, closes,
// and must then end by itself.
import process from "node:process";
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { createBalancedTransport, staticResolver } from "../../src/index.ts";
import { grpcConnector } from "../../src/node/grpc-connector.ts";
import type { Addresses } from "../../bench/kind.ts";
import { inUse } from "./in-use.ts";

/** What the program saw. */
export interface Memory {
  /** Bytes in use (heap and buffers) after a share of the calls, after a collection. */
  readonly calls: readonly number[];
  readonly aborted: readonly number[];
}

const [addresses, calls, aborted] = process.argv.slice(2) as [string, string, string];
const { "unary-16B": unary, "server-stream-16B": streams, silent } = JSON.parse(addresses) as Addresses;
const IN_FLIGHT = 64;
const CHECKPOINTS = 8;

const opened = [unary, streams, silent].map((endpoints) => {
  const resolver = staticResolver([...endpoints]);
  // Held back streams are what is aborted: small windows keep them from filling memory by right.
  const limits = { streamWindowBytes: 16_384 };
  return createBalancedTransport({ resolver, connector: grpcConnector({ limits }) });
});
const [answering, streaming, waiting] = opened.map((transport) => createClient(Simple, transport));

/** A signal that outlives all calls: each must take its listener away again. */
const lasting = new AbortController().signal;

async function answeredCall(i: number): Promise<void> {
  const { value } = await answering!.route({ data: `call ${i}` }, { signal: lasting, timeoutMs: 60_000 });
  if (value.length !== 16) throw new Error(`wrong answer: ${value}`);
}

async function abortedCall(i: number): Promise<void> {
  const abort = new AbortController();
  const options = { signal: abort.signal };
  try {
    if (i % 4 === 0) await waiting!.route({ data: "x" }, { signal: lasting, timeoutMs: 1 });
    else if (i % 4 === 1) {
      const call = waiting!.route({ data: "x" }, options);
      abort.abort();
      await call;
    } else if (i % 4 === 2) {
      const call = waiting!.route({ data: "x" }, options);
      setTimeout(() => abort.abort(), 1);
      await call;
    } else {
      for await (const _ of streaming!.routeServerStream({ data: "x" }, options)) abort.abort();
    }
  } catch {
    return;
  }
  throw new Error("an aborted call succeeded");
}

async function many(count: number, call: (i: number) => Promise<void>): Promise<number[]> {
  const used: number[] = [];
  let next = 0;
  for (let checkpoint = 1; checkpoint <= CHECKPOINTS; checkpoint++) {
    const until = Math.round(count * checkpoint / CHECKPOINTS);
    const worker = async () => {
      while (next < until) await call(next++);
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
    used.push(await inUse());
  }
  return used;
}

const memory: Memory = {
  calls: await many(Number(calls), answeredCall),
  aborted: await many(Number(aborted), abortedCall),
};
await Promise.all(opened.map((transport) => transport.close()));
console.log(JSON.stringify(memory));
