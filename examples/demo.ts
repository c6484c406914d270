// The whole story in about 20 seconds: three servers register in etcd, a client spreads its calls over them, one server
// is killed and comes back. Run it with --help for its options.
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { ConnectError, createClient } from "@connectrpc/connect";
import { Simple } from "../gen/simple_pb.ts";
import { createEtcdRegistry } from "../src/etcd.ts";
import { balance, createBalancedTransport, type Endpoint } from "../src/index.ts";
import { grpcConnector } from "../src/node.ts";
import { until } from "./demo/child.ts";
import { live } from "./demo/live.ts";
import { type Phase, strict, table } from "./demo/phase.ts";
import { ownService, startEtcd, startServer, startThree } from "./demo/servers.ts";

const usage = `Three servers, one client, an etcd: one server is killed with SIGKILL and comes back.

usage: npm run demo -- [--etcd URL] [--page [--port PORT]]

  --etcd URL    use this etcd in place of one in memory
  --page        keep running, and show it all on a page whose buttons kill, freeze and revive the servers
  --port PORT   where to serve that page (default 0: a free port)
  --help        print this

Without --page it exits with 1 if a call failed or the calls did not go round the servers strictly.`;

const INTERVAL_MS = 100;
const PHASE_MS = 4_000;
/** A set that changed is in use after 20 ms; give it more. */
const SETTLE_MS = 200;

const phases: Phase[] = [];

function phase(name: string, over?: number): void {
  phases.push({ name, over, served: [], failed: 0 });
}

let callsOnLine = 0;

function say(text: string): void {
  if (callsOnLine > 0) process.stdout.write("\n");
  callsOnLine = 0;
  console.log(`${(performance.now() / 1_000).toFixed(1).padStart(5)} s  ${text}`);
}

function sayCall(server: string): void {
  if (callsOnLine === 20) {
    process.stdout.write("\n");
    callsOnLine = 0;
  }
  process.stdout.write(callsOnLine++ === 0 ? `         ${server}` : ` ${server}`);
}

async function story(etcdUrl: string | undefined): Promise<boolean> {
  const url = etcdUrl ?? await startEtcd(say);
  const service = ownService(), demo = { url, service, say };
  const servers = await startThree(demo);
  const names = servers.map(({ name }) => name);
  const nameOf = (address: string) => servers.find((server) => server.address === address)?.name ?? address;
  const victim = servers[1]!;

  const registry = createEtcdRegistry({ endpoints: [url] });
  const transport = createBalancedTransport({
    resolver: registry.resolver(service),
    connector: grpcConnector(),
    defaultTimeoutMs: 5_000,
    onEvent(event) {
      if (event.type === "endpoints-changed") {
        const list = (endpoints: readonly Endpoint[]) => endpoints.map(({ address }) => nameOf(address)).join(", ");
        if (event.added.length > 0) say(`the client learns of ${list(event.added)}`);
        if (event.removed.length > 0) say(`the client learns that ${list(event.removed)} is gone from etcd`);
      }
    },
  });
  const isReady = (address: string) =>
    transport.snapshot().endpoints?.some(({ endpoint, available }) => available && endpoint.address === address) ??
      false;
  await transport.connect();
  await until("the client is connected to all servers", () => servers.every(({ address }) => isReady(address)));
  await sleep(SETTLE_MS);

  const simple = createClient(Simple, transport);
  let calling = true;
  const call = async (i: number) => {
    const first = phases.at(-1)!;
    // A call during which the phase changed may have gone to either set of servers.
    const current = () => first.over === undefined ? first : phases.at(-1)!;
    let served = "";
    try {
      const options = balance({
        onAttempt: ({ endpoint }) => served = nameOf(endpoint.address),
      });
      const { value } = await simple.route({ data: `grpc ${i}` }, options);
      if (value !== `hello grpc ${i}`) throw new Error(`the answer to call ${i} is "${value}"`);
      current().served.push(served);
      sayCall(served);
    } catch (error) {
      current().failed++;
      say(`call ${i} failed: ${ConnectError.from(error).message}`);
    }
  };
  phase("three servers", 3);
  say(`the client makes a call each ${INTERVAL_MS} ms; these answer:`);
  const calls = (async () => {
    for (let i = 0; calling; i++) {
      await call(i);
      await sleep(INTERVAL_MS);
    }
  })();
  await sleep(PHASE_MS);

  phase(`${victim.name} is killed`);
  say(`SIGKILL for server ${victim.name}`);
  victim.child.signal("SIGKILL");
  await victim.child.exited;
  await until(`the client notices that ${victim.name} is dead`, () => !isReady(victim.address));
  await sleep(SETTLE_MS);
  phase("two servers", 2);
  await sleep(PHASE_MS);
  await until(
    `the lease of ${victim.name} runs out`,
    () => !transport.snapshot().endpoints?.some(({ endpoint }) => endpoint.address === victim.address),
  );
  await sleep(SETTLE_MS);

  phase(`${victim.name} comes back`);
  const { key } = servers[1] = await startServer(demo, victim.name, victim.address);
  say(`server ${victim.name} is back, and registered ${key}`);
  await until(`the client is connected to ${victim.name} again`, () => isReady(victim.address));
  await sleep(SETTLE_MS);
  phase("three again", 3);
  await sleep(PHASE_MS);

  calling = false;
  await calls;
  await transport.close();
  await registry.close();
  say("the end: SIGTERM for all servers");
  for (const { child } of servers) child.signal("SIGTERM");
  const codes = await Promise.all(servers.map(({ child }) => child.exited));
  if (!codes.every((code) => code === 0)) throw new Error(`the servers ended with exit codes ${codes.join(", ")}`);

  const failed = phases.reduce((sum, phase) => sum + phase.failed, 0);
  console.log(`\n${table(names, phases)}\n\nfailed calls: ${failed}`);
  return failed === 0 && phases.every(strict);
}

/** What the command line says. */
interface Arguments {
  readonly etcdUrl: string | undefined;
  /** Where to serve the page; undefined: there is none. */
  readonly port: number | undefined;
}

function readArguments(): Arguments {
  try {
    const { values } = parseArgs({
      options: {
        etcd: { type: "string" },
        page: { type: "boolean", default: false },
        port: { type: "string" },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      console.log(usage);
      process.exit(0);
    }
    // Throws for what is no URL of an etcd.
    if (values.etcd !== undefined) createEtcdRegistry({ endpoints: [values.etcd] });
    const { page, port = "0" } = values;
    if (!/^[0-9]{1,5}$/.test(port) || Number(port) > 65_535) {
      throw new RangeError(`--port ${port}: expected 0 to 65535`);
    }
    return { etcdUrl: values.etcd, port: page || values.port !== undefined ? Number(port) : undefined };
  } catch (error) {
    console.error(`demo: ${(error as Error).message}\nTry --help.`);
    process.exit(2);
  }
}

const { etcdUrl, port } = readArguments();
try {
  if (port === undefined) process.exitCode = await story(etcdUrl) ? 0 : 1;
  else await live(etcdUrl, port, say);
} catch (error) {
  say(`the demo failed: ${(error as Error).message}`);
  if (etcdUrl !== undefined) say(`Is an etcd running at ${etcdUrl}?`);
  process.exitCode = 1;
}
// The etcd in memory is still there; `exit` ends it.
process.exit();
