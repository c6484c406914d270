import { type Lines, startScript } from "../../process.ts";
import type { FleetVerdict } from "../targets.ts";
import type { Measured, Order } from "./client.ts";

/** How fast each server is: 750 calls of 5 ms a second, together. */
const SPEEDS = [1, 1, 1, 0.5, 0.25];
const WORK_MS = 5, RATE = 300;

/** What a contender showed in real time. */
export interface RealRow extends Measured {
  readonly contender: string;
  readonly probesPerCall: number;
}

/** All that the real fleet has shown. */
export interface RealReport {
  readonly rows: readonly RealRow[];
  readonly verdicts: readonly FleetVerdict[];
}

/** A fleet of five servers and one client, each a process, in real time. Takes about a minute and a half. */
export async function runReal(
  contenders: readonly string[],
  quick: boolean,
  log: (line: string) => void,
): Promise<RealReport> {
  const servers = SPEEDS.map((speed) => startScript("node", "fleet/real/server.ts", [`${speed}`]));
  let client: Lines | undefined;
  try {
    const addresses: string[] = [];
    for (const server of servers) addresses.push((await expected(server.next<{ address: string }>(20_000))).address);
    client = startScript("node", "fleet/real/client.ts", [JSON.stringify(addresses)]);
    const measure = (order: Order) => expected(client!.ask<Measured>(order, 60_000));
    const checks = async () => {
      let sum = 0;
      for (const server of servers) sum += (await expected(server.ask<{ checks: number }>({}, 5_000))).checks;
      return sum;
    };
    const rows: RealRow[] = [];
    for (const contender of contenders) {
      const order = { contender, rate: RATE, workMs: WORK_MS };
      await measure({ ...order, ms: quick ? 1_000 : 3_000 });
      const before = await checks();
      const measured = await measure({ ...order, ms: quick ? 5_000 : 15_000 });
      rows.push({ contender, ...measured, probesPerCall: (await checks() - before) / measured.calls });
      log(`${contender}: p99 ${measured.p99Ms.toFixed(1)} ms, ${measured.cpuUsPerCall.toFixed(0)} µs of CPU per call`);
    }
    return { rows, verdicts: judge(rows) };
  } finally {
    await Promise.all([...servers, ...client === undefined ? [] : [client]].map((process) => process.end()));
  }
}

/** What probes and calls cost is measured by `npm run bench:prequal`. */
function judge(rows: readonly RealRow[]): FleetVerdict[] {
  const probes = rows.find(({ contender }) => contender === "prequal")?.probesPerCall;
  return [{
    name: `prequal, ${RATE} calls/s of ${WORK_MS} ms: probes per call`,
    bound: "0.9 to 1",
    ratio: probes,
    met: probes === undefined ? undefined : probes >= 0.9 && probes <= 1,
  }];
}

async function expected<T>(answer: Promise<T | { error: string }>): Promise<T> {
  const value = await answer;
  if (typeof value === "object" && value !== null && "error" in value) throw new Error(String(value.error));
  return value as T;
}
