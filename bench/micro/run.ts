// The balancer's own costs on this runtime; prints one line of JSON.
import process from "node:process";
import type { Addresses } from "../kind.ts";
import { floodCpuMs } from "./flood.ts";
import { bytesPerCall, bytesPerConnection } from "./memory.ts";
import { drawTimes, type PickTimes, pickTimes } from "./pick.ts";
import { reconcileMs } from "./reconcile.ts";

/** What the micro benchmarks show. */
export interface Micro {
  readonly picks: readonly PickTimes[];
  readonly draw: PickTimes;
  readonly reconcileOneOf10000Ms: number;
  readonly reconcileAllOf10000Ms: number;
  readonly bytesPerIdleConnection: number;
  readonly bytesPerCallInFlight: number;
  /** CPU of 10,000 frames with 10,000 streams open. */
  readonly settingsFloodMs: number;
  readonly goawayFloodMs: number;
  readonly windowFloodMs: number;
}

const address = (JSON.parse(process.argv[2]!) as Addresses).silent[0]!;
// Idle connections hold no process, and here is nothing else that would.
setInterval(() => {}, 1_000);
const reconcile = reconcileMs(10_000);
const picks = pickTimes();
const draw = drawTimes();
const flood = await floodCpuMs();
const micro: Micro = {
  picks,
  draw,
  reconcileOneOf10000Ms: reconcile.one,
  reconcileAllOf10000Ms: reconcile.all,
  bytesPerIdleConnection: await bytesPerConnection(address, 300),
  bytesPerCallInFlight: await bytesPerCall(address, 10_000),
  settingsFloodMs: flood.settings,
  goawayFloodMs: flood.goaway,
  windowFloodMs: flood.windowUpdate,
};
const rounded = (_: string, value: unknown) => typeof value === "number" ? Number(value.toPrecision(4)) : value;
process.stdout.write(`${JSON.stringify(micro, rounded)}\n`);
process.exit(0);
