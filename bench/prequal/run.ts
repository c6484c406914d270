// What the probes of `prequal` cost: CPU per probe beside that of a call, and CPU per call at full speed.
import process from "node:process";
import { commandLine } from "../../test/support/command-line.ts";
import { type Lines, type Runtime, RUNTIMES, startScript } from "../process.ts";
import { median } from "../row.ts";
import type { Done, Order } from "./load.ts";

const HELP = `npm run bench:prequal -- [--runtimes NAME,…] [--rounds N] [--check]

What the probes of prequal cost: CPU per probe beside that of a call, and CPU per call at full speed. About two minutes.

  --runtimes   default: ${RUNTIMES}
  --rounds N   default: 7
  --check      ends with code 1 if a target was not met`;

const { values } = commandLine(HELP, {
  options: {
    runtimes: { type: "string" },
    rounds: { type: "string", default: "7" },
    check: { type: "boolean", default: false },
  },
});
const runtimes = (values.runtimes?.split(",") ?? RUNTIMES) as readonly Runtime[];
const rounds = Number(values.rounds);

/** 300 calls a second that take 5 ms. */
const OPEN = { do: "open", callsPerSecond: 300, ms: 2_000 } as const satisfies Order;
/** Calls that take no time, as many as possible. */
const CLOSED = { do: "closed", inFlight: 64, ms: 500 } as const satisfies Order;

const POLICIES = ["prequal", "leastRequest", "roundRobin"] as const;
type Policy = (typeof POLICIES)[number];

interface Target {
  readonly name: string;
  readonly value: number;
  readonly from: number;
  readonly to: number;
}

async function ask<T>(lines: Lines, order: Order): Promise<T> {
  const answer = await lines.ask<T>(order, 30_000);
  if (typeof answer === "object" && answer !== null && "error" in answer) throw new Error(String(answer.error));
  return answer as T;
}

async function started(runtime: Runtime, script: string, args: readonly string[]) {
  const lines = startScript(runtime, script, args);
  const first = await lines.next<unknown>(20_000);
  if (typeof first === "object" && first !== null && "error" in first) throw new Error(String(first.error));
  return { lines, first };
}

/** Measures each policy with an order, in turns; each client is warm when it begins. */
async function inTurns(runtime: Runtime, addresses: string, warmUp: Order, order: Order): Promise<Map<Policy, Done[]>> {
  const clients = new Map<Policy, Lines>();
  for (const policy of POLICIES) {
    const { lines } = await started(runtime, "prequal/client.ts", [policy, addresses]);
    clients.set(policy, lines);
    await ask<Done>(lines, warmUp);
  }
  const done = new Map<Policy, Done[]>(POLICIES.map((policy) => [policy, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [policy, lines] of clients) done.get(policy)!.push(await ask<Done>(lines, order));
  }
  for (const lines of clients.values()) await lines.end();
  return done;
}

async function measure(runtime: Runtime, addresses: string): Promise<Target[]> {
  const open = await inTurns(runtime, addresses, { ...OPEN, callsPerSecond: 3_000, ms: 4_000 }, OPEN);
  const closed = await inTurns(runtime, addresses, { ...CLOSED, ms: 1_500 }, CLOSED);
  const middle = (of: Map<Policy, Done[]>, policy: Policy, value: (done: Done) => number) =>
    median(of.get(policy)!.map(value));
  const perCall = (of: Map<Policy, Done[]>, policy: Policy) => middle(of, policy, ({ cpuUs, calls }) => cpuUs / calls);
  const probes = middle(open, "prequal", (done) => done.probes / done.calls);
  const call = perCall(open, "leastRequest"), both = perCall(open, "prequal");
  console.log(`${runtime}: 300 calls/s: ${call.toFixed(1)} µs a call, with probes ${both.toFixed(1)} µs`);
  console.log(
    `${runtime}: full speed: ${POLICIES.map((p) => `${p} ${perCall(closed, p).toFixed(2)} µs`).join(", ")} a call`,
  );
  return [
    { name: "300 calls/s of 5 ms: probes per call", value: probes, from: 0.9, to: 1 },
    { name: "300 calls/s of 5 ms: CPU of a probe ÷ a call's", value: (both - call) / probes / call, from: -1, to: 0.7 },
    {
      name: "full speed: client CPU ÷ roundRobin()'s",
      value: perCall(closed, "prequal") / perCall(closed, "roundRobin"),
      from: 0,
      to: 1.1,
    },
  ];
}

let missed = 0;
const { lines: servers, first } = await started("node", "prequal/server.ts", []);
for (const runtime of runtimes) {
  for (const { name, value, from, to } of await measure(runtime, JSON.stringify(first))) {
    const met = value >= from && value <= to;
    if (!met) missed++;
    console.log(
      `${runtime}: ${name}: ${value.toFixed(3)} (${from <= 0 ? "" : `≥ ${from}, `}≤ ${to}) ${met ? "" : "MISSED"}`,
    );
  }
}
await servers.end();
process.exit(values.check && missed > 0 ? 1 : 0);
