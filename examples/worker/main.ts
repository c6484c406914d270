// `npm run demo:worker`: the Worker of this folder in workerd, with an etcd and three servers. It calls them over the
// Worker's own sockets and through its Durable Object, and exits with 1 unless every server answered.
import process from "node:process";
import { readFileSync } from "node:fs";
import { startWorkerd } from "../../test/edge/workerd.ts";
import { printed, start } from "../demo/child.ts";

/** The part of `wrangler.jsonc` that is used here. */
interface Config {
  readonly compatibility_flags: readonly string[];
  readonly vars: { readonly ETCD: string; readonly SERVICE: string };
  readonly durable_objects: { readonly bindings: readonly { readonly name: string; readonly class_name: string }[] };
}

const text = readFileSync(new URL("wrangler.jsonc", import.meta.url), "utf8");
const config = JSON.parse(text.replace(/^\s*\/\/.*$/gm, "")) as Config;
const complain = (line: string) => console.error(line);

const etcd = start("etcd.ts", ["--port", "0"], {}, complain);
const ETCD = await printed("etcd", etcd, "serves", /(http:\/\/\S+:\d+)/);
const servers = await Promise.all([1, 2, 3].map(async (number) => {
  const server = start("server.ts", [], { ADDRESS: "127.0.0.1:0", ETCD_ENDPOINTS: ETCD }, complain);
  return await printed(`server ${number}`, server, "is registered", /registered: \S*\/(\S+)/);
}));
console.log(`three servers are registered in ${ETCD}: ${servers.join(", ")}`);

const workerd = await startWorkerd("examples/worker/worker.ts", {
  flags: config.compatibility_flags,
  vars: { ...config.vars, ETCD },
  objects: Object.fromEntries(config.durable_objects.bindings.map(({ name, class_name }) => [name, class_name])),
});
const served = new Set<string>();
for (const path of ["/world", "/world", "/world", "/object/world", "/object/world", "/object/world"]) {
  const { value, address } = await workerd.json<{ value: string; address?: string }>(path);
  console.log(`GET ${path}: ${value}${address === undefined ? "" : `, from ${address}`}`);
  if (address !== undefined) served.add(address);
}
await workerd.stop();
console.log(`${served.size} of 3 servers answered over the requests' own sockets`);
process.exit(served.size === 3 ? 0 : 1);
