// `npm run bench:edge`: what the first call of a cold isolate, and a call of a warm one, cost in workerd, over fetch and
// over sockets, beside a request to a known server. Writes its table into docs/performance.md.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer as createHttp1Server } from "node:http";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { Simple } from "../../gen/simple_pb.ts";
import { createEtcdRegistry } from "../../src/etcd.ts";
import { startWorkerd } from "../../test/edge/workerd.ts";
import { startEtcd } from "../../test/support/etcd.ts";
import { executable, root } from "../../test/support/process.ts";
import { startFar } from "./far.ts";

const PAGE = join(root, "docs/performance.md");
const BEGIN = "<!-- edge:begin: what follows is written by `npm run bench:edge` -->";
const END = "<!-- edge:end -->";

/** How often a cold isolate is measured, and how often a warm one. */
const COLD = 9, WARM = 50;
/** The distance by which round trips are told from the time that programs take. */
const ROUND_TRIP_MS = 200;

const WAYS = {
  "/direct": "`fetch` to a known server, without this library",
  "/fetch": "`createPullTransport`, `createGatewayRegistry` and `fetchConnector` (Connect)",
  "/sockets": "`createWorkerTransport` and `createWorkerEtcdRegistry` (gRPC)",
} as const;
type Way = keyof typeof WAYS;

let roundTripMs = 0;
const far = (address: string) => startFar(address, () => roundTripMs);

const handler = connectNodeAdapter({ routes: (router) => router.service(Simple, { route: () => ({ value: "x" }) }) });
const servers = { simple_grpc: createServer(handler), simple_http: createHttp1Server(handler) };
const etcd = await startEtcd();
const registry = createEtcdRegistry({ endpoints: [etcd.url] });
const addresses: Record<string, string> = {};
for (const [service, server] of Object.entries(servers)) {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { address } = await far(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  addresses[service] = address;
  await registry.register({ service, address, ttlSeconds: 600 }).ready;
}
const farEtcd = await far(etcd.url.replace("http://", ""));
const vars = { ETCD: `http://${farEtcd.address}`, DIRECT: `http://${addresses["simple_http"]}` };
const workerd = await startWorkerd("bench/edge/worker.ts", { vars });

const timed = async (way: Way) => {
  const startMs = performance.now();
  await workerd.json(way);
  return performance.now() - startMs;
};

/** The fastest of one way, in milliseconds: what the code takes, as far as other programs of the machine let it. */
interface Measured {
  readonly coldMs: number;
  readonly warmMs: number;
}

async function measure(way: Way): Promise<Measured> {
  const cold: number[] = [], warm: number[] = [];
  for (let i = 0; i < COLD; i++) {
    await workerd.restart();
    cold.push(await timed(way));
  }
  for (let i = 0; i < WARM; i++) warm.push(await timed(way));
  return { coldMs: Math.min(...cold), warmMs: Math.min(...warm) };
}

const rows: string[][] = [];
let direct: Measured | undefined;
for (const way of Object.keys(WAYS) as Way[]) {
  roundTripMs = 0;
  const near = await measure(way);
  roundTripMs = ROUND_TRIP_MS;
  const distant = await measure(way);
  direct ??= near;
  const trips = (of: keyof Measured) => `${Math.round((distant[of] - near[of]) / ROUND_TRIP_MS)}`;
  const added = (of: keyof Measured) =>
    way === "/direct" ? near[of].toFixed(1) : `+${(near[of] - direct![of]).toFixed(1)}`;
  rows.push([WAYS[way], trips("coldMs"), added("coldMs"), trips("warmMs"), added("warmMs")]);
  console.log(rows.at(-1)!.join(" · "));
}

const heads = ["", "first call of an isolate: round trips", "ms", "later call, in another request: round trips", "ms"];
const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
const table = [line(heads), line(["---", "---:", "---:", "---:", "---:"]), ...rows.map(line)].join("\n");
const date = new Date().toISOString().slice(0, 10);
const text = `Measured on ${date}, with etcd and servers on the same machine; the fastest of ${COLD} isolates and of ` +
  `${WARM} later calls. Milliseconds are those added to the first row's. Round trips are counted by making etcd and the servers ` +
  `${ROUND_TRIP_MS} ms away; opening a TCP connection is one of them, TLS would add one or two for each connection.`;
const page = readFileSync(PAGE, "utf8");
const begin = page.indexOf(BEGIN), end = page.indexOf(END);
if (begin < 0 || end < begin) throw new Error(`${PAGE} lacks the marks ${BEGIN} and ${END}`);
writeFileSync(PAGE, `${page.slice(0, begin)}${BEGIN}\n\n${text}\n\n${table}\n\n${page.slice(end)}`);
execFileSync(executable("deno"), ["fmt", "-q", PAGE], { cwd: root });

await workerd.stop();
await registry.close();
await etcd.stop();
// What is left open are servers and proxies of this program alone.
process.exit(0);
