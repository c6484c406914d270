// A proxy before three servers of one service and one of another, as docs/proxy.md shows it: `connect-lb proxy`, and calls
// through it.
//
//   node examples/proxy.ts
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { Simple } from "../gen/simple_pb.ts";
import { main } from "../src/cli/main.ts";
import { createEtcdRegistry } from "../src/etcd.ts";
import { createBalancedTransport, staticResolver } from "../src/index.ts";
import { grpcConnector } from "../src/node.ts";
import { createGrpcServer } from "../src/server.ts";
import { createMemoryEtcd } from "../src/testing.ts";

const etcd = await createGrpcServer({ routes: createMemoryEtcd().routes }).listen({ host: "127.0.0.1", port: 0 });
const endpoints = [`http://${etcd.address}`];
const registry = createEtcdRegistry({ endpoints });

/** A server that answers with its name. */
async function serve(service: string, name: string): Promise<void> {
  const server = createGrpcServer({
    routes: (router) => router.service(Simple, { route: ({ data }) => ({ value: `${name}: hello ${data}` }) }),
    reflection: true,
  });
  const { address } = await server.listen({ host: "127.0.0.1", port: 0 });
  await registry.register({ service, address, ttlSeconds: 30 }).ready;
}

/** Runs a line as a shell would; settles with what it printed once it has ended, or printed what matches `until`. */
async function run(line: string, until?: RegExp): Promise<string> {
  console.log(`\n$ connect-lb ${line}`);
  const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
  let printed = "";
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const write = (text: string) => {
    process.stdout.write(text);
    printed += text;
    if (until?.test(text)) begin();
  };
  const sink = { write, isTTY: false, columns: undefined };
  const env = { CONNECT_LB_ETCD: endpoints[0] };
  const io = { stdout: sink, stderr: sink, env, readStdin: () => Promise.resolve(""), onSignal: () => () => {} };
  const code = await Promise.race([begun, main(words, io)]);
  if (code !== undefined && code !== 0) console.log(`(exit code ${code})`);
  return printed;
}

/** What curl prints of a URL. */
async function curl(options: string, url: string, init?: RequestInit, only?: string): Promise<void> {
  console.log(`\n$ curl ${options}${options === "" ? "" : " "}${url}${only === undefined ? "" : ` | grep ${only}`}`);
  const text = await (await fetch(url, init)).text();
  const lines = text.trim().split("\n").filter((line) => only === undefined || line.startsWith(only.slice(1)));
  console.log(lines.join("\n"));
}

/** Posts JSON, as Connect has it. */
async function post(address: string, path: string): Promise<void> {
  const body = '{"data":"world"}', headers = { "content-type": "application/json" };
  await curl(`--json '${body}'`, `http://${address}${path}`, { method: "POST", headers, body });
}

for (const name of ["A", "B", "C"]) await serve("simple_grpc", name);
await serve("orders", "O");

const proxy = await run("proxy --listen 127.0.0.1:0 --service simple_grpc --admin 127.0.0.1:0", /admin at/);
const [address = ""] = proxy.split("\n"), [admin = ""] = /http:\S+/.exec(proxy) ?? [];
// Until each server is connected.
const metric = 'connect_lb_endpoints{grpc_target="etcd:///simple_grpc",connect_lb_state="ready"} 3';
do await sleep(20); while (!(await (await fetch(`${admin}metrics`)).text()).includes(metric));
await run(`call --address ${address} proto.Simple/Route -d '{"data":"world"}'`);
const transport = createBalancedTransport({ resolver: staticResolver([address]), connector: grpcConnector() });
const simple = createClient(Simple, transport), counts: Record<string, number> = {};
for (let i = 0; i < 300; i++) {
  const [name = ""] = (await simple.route({ data: "world" })).value.split(":");
  counts[name] = (counts[name] ?? 0) + 1;
}
await transport.close();
console.log("\n300 calls of one client, over its one connection to the proxy:");
for (const name of Object.keys(counts).sort()) console.log(`  ${name} answered ${counts[name]}`);

const routed = await run(
  "proxy --listen 127.0.0.1:0 --route path=/proto.Simple,service=simple_grpc --route path=/shop.,service=orders",
  /127/,
);
await post(routed.trim(), "/other.Service/Method");
await run("proxy --listen 127.0.0.1:0 --route port=9001,service=orders");

await post(address, "/proto.Simple/Route");
await post((await run("proxy --listen 127.0.0.1:0 --service simple_grpc --json", /127/)).trim(), "/proto.Simple/Route");

await curl("-s", `${admin}metrics`, undefined, "^connect_lb_proxy");
process.exit(0);
