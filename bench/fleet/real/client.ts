// The client of a real fleet. It reads orders as lines of JSON from stdin, and answers each with one.
import process from "node:process";
import { createInterface } from "node:readline";
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../../gen/simple_pb.ts";
import { createBalancedTransport, staticResolver } from "../../../src/index.ts";
import { grpcConnector } from "../../../src/node.ts";
import { contenderNamed } from "../contenders.ts";
import { Latencies } from "../model/latencies.ts";
import { Random } from "../model/random.ts";

/** What the process may be told to do, with which of the contenders. */
export interface Order {
  readonly contender: string;
  /** Calls per second, at random times. */
  readonly rate: number;
  /** What a call works on average, in ms. */
  readonly workMs: number;
  readonly ms: number;
}

/** What it answers. */
export interface Measured {
  readonly calls: number;
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of this whole process, user and system. */
  readonly cpuUsPerCall: number;
}

type Client = ReturnType<typeof clientOf>;

const addresses = JSON.parse(process.argv[2]!) as string[];
const clients = new Map<string, Client>();

function clientOf(contender: string) {
  const transport = createBalancedTransport({
    resolver: staticResolver(addresses),
    connector: grpcConnector(),
    ...contenderNamed(contender).options(),
  });
  return { transport, simple: createClient(Simple, transport) };
}

async function run({ contender, rate, workMs, ms }: Order): Promise<Measured> {
  let client = clients.get(contender);
  if (client === undefined) {
    clients.set(contender, client = clientOf(contender));
    await client.transport.connect();
  }
  const { simple } = client, random = new Random(1), latencies = new Latencies();
  let failed = 0;
  const call = async () => {
    const startMs = performance.now();
    try {
      await simple.route({ data: random.exponential(workMs).toFixed(3) });
    } catch {
      failed++;
    }
    latencies.add(performance.now() - startMs);
  };
  const endMs = performance.now() + ms, cpu = process.cpuUsage();
  await open(call, 1_000 / rate, endMs, random);
  const { user, system } = process.cpuUsage(cpu);
  return {
    calls: latencies.size,
    failed,
    p50Ms: latencies.quantile(0.5),
    p99Ms: latencies.quantile(0.99),
    cpuUsPerCall: (user + system) / latencies.size,
  };
}

/** Calls at random times, with timers and not in a busy loop, since CPU time is measured. */
async function open(call: () => Promise<void>, everyMs: number, endMs: number, random: Random): Promise<void> {
  const calls: Promise<void>[] = [];
  for (let dueMs = performance.now(); dueMs < endMs; dueMs += random.exponential(everyMs)) {
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    calls.push(call());
  }
  await Promise.all(calls);
}

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await run(JSON.parse(line) as Order).catch((error) => ({ error: String(error) }));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
process.exit(0);
