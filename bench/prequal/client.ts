// A client with a policy: does what lines on its standard input say, and says what that took.
import process from "node:process";
import { createInterface } from "node:readline";
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import type { Connector } from "../../src/connection/link.ts";
import { createBalancedTransport, leastRequest, prequal, roundRobin, staticResolver } from "../../src/index.ts";
import { grpcConnector } from "../../src/node.ts";
import { type Done, FAST, type Order, SLOW } from "./load.ts";

const POLICIES = { prequal, leastRequest, roundRobin };
const [policy, addresses] = process.argv.slice(2) as [keyof typeof POLICIES, string];
let probes = 0;

/** Calls of a policy's own are probes. */
function counting(connector: Connector): Connector {
  return (endpoint, events) => {
    const link = connector(endpoint, events);
    const { background } = link as { background: Transport };
    const counted: Transport = {
      unary: (...args) => {
        probes++;
        return background.unary(...args);
      },
      stream: (...args) => background.stream(...args),
    };
    return {
      transport: link.transport,
      background: counted,
      ...link.protocol && { protocol: link.protocol },
      get room() {
        return link.room;
      },
      connect: (signal) => link.connect!(signal),
      giveBack: () => link.giveBack?.(),
      close: (...args) => link.close(...args),
    };
  };
}

const transport = createBalancedTransport({
  resolver: staticResolver(JSON.parse(addresses) as string[]),
  connector: counting(grpcConnector()),
  policy: POLICIES[policy](),
});
await transport.connect();
const simple = createClient(Simple, transport);

/** Calls at random times (Poisson): no timer is exact, so those that are due are made together. */
async function open(client: Client<typeof Simple>, callsPerSecond: number, ms: number): Promise<number> {
  const calls: Promise<unknown>[] = [];
  const start = performance.now();
  const nextMs = () => -Math.log(1 - Math.random()) * 1_000 / callsPerSecond;
  for (let dueMs = nextMs(); dueMs < ms;) {
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, start + dueMs - performance.now())));
    for (; start + dueMs <= performance.now(); dueMs += nextMs()) calls.push(client.route({ data: SLOW }));
  }
  await Promise.all(calls);
  return calls.length;
}

async function closed(client: Client<typeof Simple>, inFlight: number, ms: number): Promise<number> {
  const end = performance.now() + ms;
  let calls = 0;
  const worker = async () => {
    for (; performance.now() < end; calls++) await client.route({ data: FAST });
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return calls;
}

async function obey(order: Order): Promise<Done> {
  const before = probes, cpu = process.cpuUsage();
  const calls = order.do === "open"
    ? await open(simple, order.callsPerSecond, order.ms)
    : await closed(simple, order.inFlight, order.ms);
  const { user, system } = process.cpuUsage(cpu);
  return { calls, probes: probes - before, cpuUs: user + system };
}

process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
createInterface({ input: process.stdin })
  .on("line", (line) => void obey(JSON.parse(line)).then((done) => process.stdout.write(`${JSON.stringify(done)}\n`)))
  .on("close", () => process.exit(0));
