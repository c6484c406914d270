// Plays a mixed fleet with the proxy and this library's client on the runtime that runs this: `program.ts [--quick]`. Prints
// a line for each step and, at last, "outcome {…}".
import assert from "node:assert/strict";
import process from "node:process";
import { createBalancedTransport } from "../../src/index.ts";
import { createEtcdRegistry, etcdNaming } from "../../src/etcd.ts";
import { grpcConnector } from "../../src/node.ts";
import { createProxy } from "../../src/server.ts";
import { startEtcd } from "../support/etcd.ts";
import { eventually } from "../support/eventually.ts";
import { type FleetCaller, foreignCallers, KINDS, ownCaller } from "./callers.ts";
import { type FleetServer, SERVICE, startFleet } from "./fleet.ts";
import { MixedLoad } from "./load.ts";
import { merged } from "./merged.ts";

/** What the run showed. */
export interface MixedOutcome {
  readonly servers: readonly string[];
  readonly clients: readonly string[];
  /** Servers and clients that can't be here, and why. */
  readonly missing: readonly string[];
  readonly calls: number;
  readonly failed: readonly string[];
}

// Started with its standard input open: its end means that the process that wanted the outcome is gone.
process.stdin.on("end", () => process.exit(1)).resume();
const quick = process.argv.includes("--quick");
const ROUNDS = quick ? 2 : 20;

const etcd = await startEtcd();
// What Maven fetches takes minutes the first time: not in the short form.
const fleet = await startFleet(etcd.url, new Set(quick ? ["Java, connect-lb register"] : []));
const { servers } = fleet, names = servers.map(({ name }) => name);
console.log(`servers: ${names.join("; ")}`);

const registries = [{}, { layout: etcdNaming() }].map((layout) =>
  createEtcdRegistry({ endpoints: [etcd.url], ...layout })
);
const open = () => {
  const resolver = merged(registries.map((registry) => registry.resolver(SERVICE)));
  return createBalancedTransport({ resolver, connector: grpcConnector() });
};
const behind = open(), direct = open();
const proxy = createProxy({ routes: [{ to: behind }], idempotent: ["/proto.Simple/Route"] });
const { address } = await proxy.listen({ host: "127.0.0.1", port: 0 });
const foreign = foreignCallers(address);
const callers: readonly FleetCaller[] = [ownCaller(direct), ...foreign.callers];
console.log(`clients: ${callers.map(({ name }) => name).join("; ")}`);

for (const transport of [behind, direct]) {
  // The first call makes it look.
  await transport.connect({ timeoutMs: 20_000 });
  const ready = () => transport.snapshot().endpoints?.filter(({ state }) => state === "ready").length ?? 0;
  await eventually("all servers are connected", () => ready() === servers.length);
}

let calls = 0;
const failed: string[] = [];
for (const caller of callers) {
  for (const kind of KINDS) {
    // By turns: with nobody else calling, each server answers each round once.
    const answers = new Map<string, number>();
    for (let i = 0; i < ROUNDS * servers.length; i++, calls++) {
      const server = await caller.call(kind, `turn ${i}`);
      answers.set(server, (answers.get(server) ?? 0) + 1);
    }
    assert.deepEqual(
      [...answers].sort(),
      names.map((name) => [name, ROUNDS]).sort(),
      `${kind} calls of ${caller.name} reach every server in turn`,
    );
  }
}
console.log(`${calls} calls in turn: each client reached each server with each kind of call`);

/** Under calls of all clients, something happens to servers. */
async function under(
  what: string,
  kinds: typeof KINDS | readonly ["unary"],
  happens: (load: MixedLoad) => Promise<void>,
) {
  const load = new MixedLoad(callers, kinds);
  await load.answeredBy(callers, names);
  await happens(load);
  await load.stop();
  calls += load.calls;
  failed.push(...load.failures.map((failure) => `${what}: ${failure}`));
  console.log(`${what}: ${load.calls} calls, ${load.failures.length} failed`);
}

/** The short form does it to one server each: not to the same. */
const some = (at: number): readonly FleetServer[] => quick ? [servers[at % servers.length]!] : servers;
const others = (server: FleetServer) => names.filter((name) => name !== server.name);
// Calls that may have been processed are repeated only if they are idempotent.
for (const server of some(1)) {
  await under(`SIGKILL of ${server.name}`, ["unary"], async (load) => {
    await server.kill();
    await load.answeredBy(callers, others(server));
    await server.start();
    await load.answeredBy(callers, names);
  });
}
for (const server of some(2)) {
  await under(`SIGTERM of ${server.name}`, KINDS, async (load) => {
    await server.stop();
    await load.answeredBy(callers, others(server));
    await server.start();
    await load.answeredBy(callers, names);
  });
}

const outcome: MixedOutcome = {
  servers: names,
  clients: callers.map(({ name }) => name),
  missing: [...fleet.missing, ...foreign.missing],
  calls,
  failed,
};
for (const caller of callers) await caller.close();
await proxy.close();
await behind.close();
await Promise.all(registries.map((registry) => registry.close()));
await Promise.all(servers.map((server) => server.kill()));
await etcd.stop();
console.log(`outcome ${JSON.stringify(outcome)}`);
process.exit(0);
