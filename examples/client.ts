// A client that spreads its calls over the servers that are registered in etcd. In your own project import from
// "connect-lb", "connect-lb/etcd" and "connect-lb/node" (on JSR: "@connect-lb/connect-lb" …) in place of "../src/…", and
// your own generated code.
//
//   CALLS=30 INTERVAL_MS=100 deno task client
//
//   CALLS            how many calls to make (default 100)
//   INTERVAL_MS      the time from one call to the next, in milliseconds (default 1000)
//   SERVICE          the name that servers registered under (default simple_grpc)
//   ETCD_ENDPOINTS   etcd's client URLs, comma separated (default http://127.0.0.1:2379)
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { ConnectError, createClient } from "@connectrpc/connect";
import { Simple } from "../gen/simple_pb.ts";
import { createEtcdRegistry, type RegistryEvent } from "../src/etcd.ts";
import { balance, createBalancedTransport } from "../src/index.ts";
import { grpcConnector } from "../src/node.ts";
import { etcdEndpoints, fail, serviceName, wholeNumber, withVariable } from "./environment.ts";

/** With etcd away, the client goes on with the servers that it knows, and goes on trying. */
function report(event: RegistryEvent): void {
  switch (event.type) {
    case "set-stale":
      return console.error(`etcd can't be reached, still trying: ${event.cause.message}`);
    case "set-fresh":
      return console.error(`etcd is back: ${event.endpoints} servers`);
    case "value-skipped":
    case "auth-refused":
      return console.error(`${event.type}: ${event.cause.message}`);
  }
}

function open() {
  try {
    const endpoints = etcdEndpoints();
    const registry = withVariable(
      "ETCD_ENDPOINTS",
      endpoints.join(),
      () => createEtcdRegistry({ endpoints, onEvent: report }),
    );
    const service = serviceName();
    const resolver = withVariable("SERVICE", service, () => registry.resolver(service));
    const calls = wholeNumber("CALLS", 100, 0);
    const intervalMs = wholeNumber("INTERVAL_MS", 1_000, 0);
    return { registry, resolver, calls, intervalMs };
  } catch (error) {
    return fail(error);
  }
}

const { registry, resolver, calls, intervalMs } = open();
const transport = createBalancedTransport({ resolver, connector: grpcConnector(), defaultTimeoutMs: 5_000 });
const simple = createClient(Simple, transport);
let failed = 0;
try {
  // Not needed: the first call connects, too. But without a server it fails, while this waits as long as it takes.
  for (let connected = false; !connected;) {
    try {
      await transport.connect();
      connected = true;
    } catch (error) {
      console.error(`no server yet, still trying: ${ConnectError.from(error).rawMessage}`);
    }
  }
  for (let i = 0; i < calls; i++) {
    if (i > 0) await sleep(intervalMs);
    // Each call chooses its server; onAttempt tells which one it was.
    let served = "nobody";
    try {
      const { code, value } = await simple.route(
        { data: `grpc ${i}` },
        balance({ onAttempt: ({ endpoint }) => served = endpoint.address }),
      );
      console.log(`code: ${code}, value: "${value}", from ${served}`);
    } catch (error) {
      failed++;
      console.error(`call ${i} failed: ${ConnectError.from(error).message}`);
    }
  }
} finally {
  await transport.close();
  await registry.close();
}
process.exitCode = failed === 0 ? 0 : 1;
