// How the registry carries a large service, a burst of changes and many registrations; writes docs/performance.md.
import process from "node:process";
import { PACE_MS } from "../src/time/pace.ts";
import { commandLine } from "../test/support/command-line.ts";
import { startEtcd } from "../test/support/etcd.ts";
import { type Lines, type Runtime, RUNTIMES, startScript, versionOf } from "./process.ts";
import { address, change, metrics } from "./registry/etcd-load.ts";
import type { Order } from "./registry/program.ts";
import { type Measured, printRegistry, writeRegistry } from "./registry/report.ts";

const CONTENDERS = ["connect-lb/etcd", "connect-lb/etcd3", "etcd3"] as const;
const ENDPOINTS = 10_000;
const EVENTS = 5_000;
const REGISTRATIONS = 1_000;
const TTL_SECONDS = 10;
/** Long enough for all that a registration does at rest, whose rarest is a look at its key once a TTL. */
const REST_MS = 20_000;

const HELP = `npm run bench:registry -- [--runtimes NAME,…] [--contenders NAME,…]

How the registry carries a large service, a burst of changes and many registrations. It takes about five minutes, and
writes docs/performance.md; with options it writes nothing.

  --runtimes     default: ${RUNTIMES}
  --contenders   default: ${CONTENDERS}`;

const { values } = commandLine(HELP, { options: { runtimes: { type: "string" }, contenders: { type: "string" } } });
const runtimes = (values.runtimes?.split(",") ?? RUNTIMES) as readonly Runtime[];
const contenders = values.contenders?.split(",") ?? CONTENDERS;

// So that the processes it started end, too.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
const etcd = await startEtcd();
const all: Measured[] = [];
try {
  for (const runtime of runtimes) {
    for (const contender of contenders) {
      console.log(`${contender} on ${runtime}`);
      all.push({ runtime, contender, ...await measure(runtime, contender) });
    }
  }
} finally {
  await etcd.stop();
}
const versions = new Map<Runtime, string>();
for (const runtime of runtimes) versions.set(runtime, await versionOf(runtime));
printRegistry(all);
if (values.runtimes === undefined && values.contenders === undefined) await writeRegistry(all, versions);
// Not `exitCode`: what a failed measurement left open must not hold this program.
process.exit(all.some(({ failures }) => failures.length > 0) ? 1 : 0);

async function measure(runtime: Runtime, contender: string): Promise<Omit<Measured, "runtime" | "contender">> {
  const failures: string[] = [];
  const run = async <T>(work: (ask: (order: Order) => Promise<T>, lines: Lines) => Promise<T>) => {
    const lines = startScript(runtime, "registry/program.ts", [contender, etcd.url], "collectable");
    try {
      return await work((order) => asked<T>(lines, order), lines);
    } catch (error) {
      failures.push(`${contender} on ${runtime}: ${(error as Error).message}`);
      return undefined;
    } finally {
      await lines.end();
    }
  };
  const large = await run<Answers>((ask, lines) => largeService(ask, lines));
  const many = await run<Answers>((ask) => manyRegistrations(ask));
  return { ...large, ...many, failures };
}

/** What the parts of a run add to its figures. */
type Answers = Partial<Omit<Measured, "runtime" | "contender" | "failures">>;

async function largeService(ask: (order: Order) => Promise<Answers>, lines: Lines): Promise<Answers> {
  const service = "large";
  const endpoints = Array.from({ length: ENDPOINTS }, (_, i) => address(i));
  await fetchDelete(service);
  await change(etcd.url, service, { puts: endpoints });
  const listed = await ask({ do: "list", service }) as { endpoints: number; tookMs: number; usedMiB: number };
  if (listed.endpoints !== ENDPOINTS) throw new Error(`listed ${listed.endpoints} endpoints`);

  // Half of the events take endpoints away, the other half bring as many.
  const puts = Array.from({ length: EVENTS / 2 }, (_, i) => address(ENDPOINTS + i));
  await ask({ do: "follow", service, address: puts.at(-1)! });
  const startMs = Date.now();
  const writtenMs = await change(etcd.url, service, { deletes: endpoints.slice(0, EVENTS / 2), puts });
  const followed = await expectAnswer<
    { atMs: number; endpoints: number; peakMiB: number; rebuilds: number | null; rebuildingMs: number | null }
  >(lines);
  if (followed.endpoints !== ENDPOINTS) throw new Error(`${followed.endpoints} endpoints after the burst`);
  const most = 2 + (followed.rebuildingMs ?? 0) / PACE_MS;
  if ((followed.rebuilds ?? 0) > most) throw new Error(`${followed.rebuilds} pickers built, expected at most ${most}`);
  await ask({ do: "close" });
  return {
    listMs: listed.tookMs,
    listMiB: listed.usedMiB,
    burstMs: followed.atMs - startMs,
    behindMs: Math.max(0, followed.atMs - writtenMs),
    rebuilds: followed.rebuilds,
    msPerRebuild: msPerRebuild(followed),
    burstPeakMiB: followed.peakMiB,
  };
}

function msPerRebuild({ rebuilds, rebuildingMs }: { rebuilds: number | null; rebuildingMs: number | null }) {
  return rebuilds === null || rebuildingMs === null || rebuilds < 2 ? null : rebuildingMs / (rebuilds - 1);
}

async function manyRegistrations(ask: (order: Order) => Promise<Answers>): Promise<Answers> {
  const registered = await ask({ do: "register", count: REGISTRATIONS, ttlSeconds: TTL_SECONDS }) as {
    tookMs: number;
    usedMiB: number;
  };
  const before = await metrics(etcd.url);
  const { cpuPercent } = await ask({ do: "rest", ms: REST_MS }) as { cpuPercent: number };
  const after = await metrics(etcd.url);
  const perSecond = new Map<string, number>();
  for (const [method, count] of after.requests) {
    const rate = (count - (before.requests.get(method) ?? 0)) / (REST_MS / 1_000);
    if (rate > 0) perSecond.set(method, rate);
  }
  await ask({ do: "close" });
  return {
    registerMs: registered.tookMs,
    registerKiB: registered.usedMiB * 1_024 / REGISTRATIONS,
    restCpuPercent: cpuPercent,
    etcdCpuPercent: (after.cpuSeconds - before.cpuSeconds) / (REST_MS / 1_000) * 100,
    requestsPerSecond: Object.fromEntries(perSecond),
  };
}

async function asked<T>(lines: Lines, order: Order): Promise<T> {
  lines.child.stdin!.write(`${JSON.stringify(order)}\n`);
  return await expectAnswer<T>(lines);
}

async function expectAnswer<T>(lines: Lines): Promise<T> {
  const answer = await lines.next<T>(120_000);
  if (typeof answer === "object" && answer !== null && "error" in answer) throw new Error(String(answer.error));
  return answer as T;
}

async function fetchDelete(service: string): Promise<void> {
  const bytes = (text: string) => btoa(text);
  const body = JSON.stringify({ key: bytes(`/grpclb/${service}/`), range_end: bytes(`/grpclb/${service}0`) });
  await (await fetch(`${etcd.url}/v3/kv/deleterange`, { method: "POST", body })).text();
}
