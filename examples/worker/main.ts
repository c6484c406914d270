// `npm run demo:worker`: the Worker of this folder in workerd, with an etcd and three servers. It calls them over the
// Worker's own sockets and through its Durable Object, and exits with 1 unless every server answered.
import process from "node:process";
import { printed, start } from "../demo/child.ts";
import { startWorkerd } from "./workerd.ts";

const complain = (line: string) => console.error(line);

const etcd = start("etcd.ts", ["--port", "0"], {}, complain);
const ETCD = await printed("etcd", etcd, "serves", /(http:\/\/\S+:\d+)/);
const servers = await Promise.all([1, 2, 3].map(async (number) => {
  const server = start("server.ts", [], { ADDRESS: "127.0.0.1:0", ETCD_ENDPOINTS: ETCD }, complain);
  return await printed(`server ${number}`, server, "is registered", /registered: \S*\/(\S+)/);
}));
console.log(`three servers are registered in ${ETCD}: ${servers.join(", ")}`);

const worker = await startWorkerd({ ETCD });
const served = new Set<string>();
for (const path of ["/world", "/world", "/world", "/object/world", "/object/world", "/object/world"]) {
  const response = await fetch(worker + path, { signal: AbortSignal.timeout(60_000) });
  const text = await response.text();
  if (!response.ok) throw new Error(`GET ${path}: HTTP ${response.status}: ${text}`);
  const { value, address } = JSON.parse(text) as { value: string; address?: string };
  console.log(`GET ${path}: ${value}${address === undefined ? "" : `, from ${address}`}`);
  if (address !== undefined) served.add(address);
}
console.log(`${served.size} of 3 servers answered over the requests' own sockets`);
process.exit(served.size === 3 ? 0 : 1);
