// What `connect-lb ls`, `call`, `top` and `doctor` print, as docs/cli.md shows it. Of the servers of simple_grpc one is
// slow; those of orders have some of the faults that the doctor finds.
//
//   node examples/cli.ts
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { Simple } from "../gen/simple_pb.ts";
import { main } from "../src/cli/main.ts";
import { createEtcdRegistry, etcdNaming } from "../src/etcd.ts";
import { createBalancedTransport, flightRecorder, leastRequest } from "../src/index.ts";
import { grpcConnector, requestListener } from "../src/node.ts";
import { observe } from "../src/page.ts";
import { createGrpcServer, type CreateGrpcServerOptions } from "../src/server.ts";
import { createMemoryEtcd } from "../src/testing.ts";

const etcd = await serve({ routes: createMemoryEtcd().routes });
const endpoints = [`http://${etcd}`];
const registry = createEtcdRegistry({ endpoints }), naming = createEtcdRegistry({ endpoints, layout: etcdNaming() });

async function serve(options: CreateGrpcServerOptions): Promise<string> {
  return (await createGrpcServer(options).listen({ host: "127.0.0.1", port: 0 })).address;
}

/** A server of the demo service, which takes so long. */
function serveSimple(delayMs: number, limits: CreateGrpcServerOptions["limits"] = {}): Promise<string> {
  return serve({
    health: true,
    reflection: true,
    limits,
    routes: (router) =>
      router.service(Simple, {
        async route({ data }) {
          if (delayMs > 0) await sleep(delayMs);
          return { code: 200, value: `hello ${data}` };
        },
      }),
  });
}

for (const delayMs of [0, 0, 40]) {
  await registry.register({ service: "simple_grpc", address: await serveSimple(delayMs), ttlSeconds: 30 }).ready;
}
const old = createServer((_, response) => void response.end());
await new Promise<void>((resolve) => old.listen(0, "127.0.0.1", resolve));
const gone = createServer();
await new Promise<void>((resolve) => gone.listen(0, "127.0.0.1", resolve));
const addressOf = (server: typeof old) => `127.0.0.1:${(server.address() as AddressInfo).port}`;
const dead = addressOf(gone);
await new Promise((resolve) => gone.close(resolve));
for (const address of [dead, addressOf(old), await serveSimple(0, { maxConcurrentStreams: 10 })]) {
  await registry.register({ service: "orders", address, ttlSeconds: 30 }).ready;
}
await naming.register({ service: "users", address: await serveSimple(0), ttlSeconds: 30 }).ready;

/** A program with a live page, which calls simple_grpc all the time. */
const transport = createBalancedTransport({
  resolver: registry.resolver("simple_grpc"),
  connector: grpcConnector(),
  policy: leastRequest(),
  recorder: flightRecorder(),
});
const page = createServer(requestListener(observe({ transports: [transport] }).handler));
await new Promise<void>((resolve) => page.listen(0, "127.0.0.1", resolve));
const simple = createClient(Simple, transport);

/** Runs a line as a shell would. */
async function run(line: string): Promise<void> {
  console.log(`\n$ connect-lb ${line}`);
  const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
  const sink = { write: (text: string) => void process.stdout.write(text), isTTY: false, columns: undefined };
  const code = await main(words, {
    stdout: sink,
    stderr: sink,
    env: { CONNECT_LB_ETCD: endpoints[0] },
    readStdin: () => Promise.resolve(""),
    onSignal: () => () => {},
  });
  if (code !== 0) console.log(`(exit code ${code})`);
}

await run("ls");
await run("ls simple_grpc");
await run("ls orders");
await run("ls simple_gprc");
await run(`call simple_grpc proto.Simple/Route -d '{"data":"world"}'`);
await run("call simple_grpc proto.Simple/Route -n 300 -c 10");
await run("call simple_grpc proto.Simple/Route -n 300 -c 10 --policy leastRequest");
await run("call simple_grpc proto.Simple/Rute");
await run("top simple_grpc -n 1");
// Until each server has had some calls.
do await Promise.all(Array.from({ length: 12 }, () => simple.route({ data: "hello" }))); while (
  transport.snapshot().endpoints?.some(({ succeeded }) => succeeded < 3)
);
const calling = setInterval(() => void simple.route({ data: "hello" }).catch(() => {}), 5);
await run(`top --page http://${addressOf(page)} -n 2`);
clearInterval(calling);
await transport.close();
await run("doctor simple_grpc");
await run("doctor orders");
await run("doctor users");
await Promise.all([registry.close(), naming.close()]);
process.exit(0);
