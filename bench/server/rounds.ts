import { createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { grpcConnector } from "../../src/node.ts";
import { median } from "../row.ts";
import { type Lines, startScript } from "../process.ts";
import { type ServerCase, unitsPerCall } from "./case.ts";
import { type RunningServer, type ServerContender, startServer } from "./contender.ts";
import { type LoadSource, startLoad } from "./load.ts";
import { cpuUs, residentBytes } from "./proc.ts";
import type { IdleRow, ServerRow } from "./row.ts";

/** How long and how often to measure. */
export interface ServerPlan {
  readonly rounds: number;
  readonly measureMs: number;
  readonly warmUpMs: number;
  readonly cases: readonly ServerCase[];
  readonly contenders: readonly ServerContender[];
  readonly idleConnections: number;
}

/** How many turns a server may take to warm up at most. */
const WARM_UP_TURNS = 5;

type Sample = Pick<ServerRow, "callsPerSecond" | "p99Ms" | "serverCpuUs" | "residentMiB"> & { clientCpuUs: number };

const key = ({ name, runtime }: ServerContender) => `${name} on ${runtime}`;

/**
 * Measures the cases one after another; in each, the servers take turns, in a random order in each round. Servers go on
 * from case to case, and one that ended is started again.
 */
export async function runServers(
  plan: ServerPlan,
  failures: string[],
  log: (line: string) => void,
): Promise<ServerRow[]> {
  const servers = new Map<string, RunningServer>();
  const rows: ServerRow[] = [];
  for (const which of plan.cases) {
    log(which.name);
    const samples = new Map<string, Sample[]>();
    const sources = new Map<string, LoadSource>();
    const failed = new Set<string>();
    const usedMs = (contender: ServerContender) => {
      const server = servers.get(key(contender));
      return server === undefined || server.process.ended ? 0 : cpuUs(server.pid) / 1_000;
    };
    const turn = async (contender: ServerContender, ms: number, measured: boolean) => {
      const name = key(contender);
      if (failed.has(name)) return;
      try {
        let server = servers.get(name);
        if (server === undefined || server.process.ended) servers.set(name, server = await startServer(contender));
        let source = sources.get(name);
        if (source === undefined) sources.set(name, source = await startLoad(server, which));
        const sample = await measure(server, source, which, ms, measured);
        if (measured) samples.set(name, [...samples.get(name) ?? [], sample]);
      } catch (error) {
        failed.add(name);
        failures.push(`${name}, ${which.name}: ${(error as Error).message.split("\n")[0]}`);
        await servers.get(name)?.process.end();
        servers.delete(name);
      }
    };
    for (const contender of plan.contenders) {
      // By the server's CPU time, since compilers need that: on a busy machine it takes longer.
      for (let turns = 0, used = 0; turns < WARM_UP_TURNS && used < plan.warmUpMs; turns++) {
        const before = usedMs(contender);
        await turn(contender, plan.warmUpMs, false);
        used += usedMs(contender) - before;
      }
    }
    for (let round = 0; round < plan.rounds; round++) {
      for (const contender of shuffled(plan.contenders)) await turn(contender, plan.measureMs, true);
    }
    for (const source of sources.values()) await source.end();
    for (const { name, runtime } of plan.contenders) {
      const all = samples.get(key({ name, runtime }));
      if (all === undefined) continue;
      const middle = (of: keyof Sample) => Number(median(all.map((sample) => sample[of])).toPrecision(4));
      rows.push({
        server: name,
        runtime,
        case: which.name,
        callsPerSecond: middle("callsPerSecond"),
        p99Ms: middle("p99Ms"),
        serverCpuUs: middle("serverCpuUs"),
        clientCpuUs: which.load === "own client" ? middle("clientCpuUs") : null,
        residentMiB: middle("residentMiB"),
      });
    }
  }
  for (const server of servers.values()) await server.process.end();
  return rows;
}

async function measure(
  server: RunningServer,
  source: LoadSource,
  which: ServerCase,
  ms: number,
  measured: boolean,
): Promise<Sample> {
  const before = cpuUs(server.pid);
  const { callsPerSecond, p99Ms, calls, cpuUsPerCall } = await source.run(which, ms);
  const units = unitsPerCall(which);
  return {
    callsPerSecond,
    serverCpuUs: (cpuUs(server.pid) - before) / (calls * units),
    clientCpuUs: cpuUsPerCall / units,
    residentMiB: residentBytes(server.pid) / 2 ** 20,
    p99Ms: measured && source.latencies !== undefined ? (await source.latencies(which, ms)).p99Ms : p99Ms,
  };
}

/** What an idle connection takes of each server's memory. */
export async function runIdle(
  { contenders, idleConnections }: ServerPlan,
  failures: string[],
  log: (line: string) => void,
): Promise<IdleRow[]> {
  const rows: IdleRow[] = [];
  for (const contender of contenders) {
    const { name, runtime } = contender;
    log(`${idleConnections} idle connections: ${key(contender)}`);
    let server: RunningServer | undefined, client: Lines | undefined;
    try {
      server = await startServer(contender);
      // A first one, so that code and caches that all share are not counted.
      const first = startScript("node", "server/idle.ts", [server.address, "10"]);
      await opened(first);
      const before = residentBytes(server.pid);
      client = startScript("node", "server/idle.ts", [server.address, `${idleConnections}`]);
      await opened(client);
      await answered(server.address);
      const bytesPerConnection = Math.round((residentBytes(server.pid) - before) / idleConnections);
      rows.push({ server: name, runtime, connections: idleConnections, bytesPerConnection });
      await first.end();
    } catch (error) {
      failures.push(`${key(contender)}, idle connections: ${(error as Error).message}`);
    } finally {
      await client?.end();
      await server?.process.end();
    }
  }
  return rows;
}

/** A server with that many connections must take another, and answer. @throws Error if it doesn't */
async function answered(address: string): Promise<void> {
  const link = grpcConnector()({ address }, { draining() {}, lost() {} });
  await link.connect!(AbortSignal.timeout(10_000));
  const { value } = await createClient(Simple, link.transport).route({ data: "still" }, { timeoutMs: 10_000 });
  await link.close(0);
  if (value !== "still") throw new Error(`it answered ${JSON.stringify(value)}`);
}

async function opened(client: Lines): Promise<void> {
  const answer = await client.next<{ opened: true }>(60_000);
  if ("error" in answer) throw new Error(answer.error);
}

function shuffled<T>(values: readonly T[]): T[] {
  const out = [...values];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}
