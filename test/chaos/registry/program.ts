// A program that uses a registry as an application does, and tells in lines of JSON what it goes through:
// `program.ts <Config as JSON>`. Lines on its standard input are orders: "set" (print the whole set), "close".
import process from "node:process";
import { createInterface } from "node:readline";
import { createEtcdRegistry, type EtcdRegistryOptions } from "../../../src/etcd.ts";
import type { RegistryEvent } from "../../../src/registry/event.ts";
import type { Registry } from "../../../src/registry/registry.ts";
import type { Config, Message } from "./message.ts";

const config = JSON.parse(process.argv[2]!) as Config;
type Told<M> = M extends Message ? Omit<M, "atMs"> : never;
const tell = (message: Told<Message>) => console.log(JSON.stringify({ atMs: Date.now(), ...message }));
for (const event of ["unhandledRejection", "uncaughtException"]) {
  process.on(event, (error) => tell({ kind: "unhandled", text: `${event}: ${(error as Error)?.stack ?? error}` }));
}

const { service, address } = config;
let drawn = false;
const registry: Registry = await open({
  endpoints: config.endpoints,
  ...config.user,
  // The first number drawn chooses the etcd endpoint to begin with; the others are back-off and lease ids.
  random: () => config.fromFirst && !drawn ? Number(drawn = true) * 0 : Math.random(),
  onEvent: (event: RegistryEvent) => {
    const { type } = event;
    const cause = "cause" in event ? event.cause.message : undefined;
    tell({ kind: "event", type, cause, key: "key" in event ? event.key : undefined });
  },
});

tell({ kind: "started" });
const stop = new AbortController();
let addresses: readonly string[] | undefined;
const consumed = (async () => {
  for await (const { endpoints, stale } of registry.resolver(service).resolve(stop.signal)) {
    addresses = endpoints?.map((endpoint) => endpoint.address).sort();
    const count = addresses?.length;
    tell({ kind: "set", count, stale: stale !== undefined, addresses: (count ?? 0) <= 20 ? addresses : undefined });
  }
})();
if (address !== undefined) {
  const { ttlSeconds } = config;
  registry.register({
    service,
    address,
    ttlSeconds,
    onState: (state, cause) => tell({ kind: "state", state, cause: cause?.message }),
  });
}

let closing = false;
const orders = createInterface({ input: process.stdin });
orders.on("line", async (order) => {
  if (order === "set") tell({ kind: "whole", addresses });
  if (order !== "close") return;
  closing = true;
  await registry.close();
  await consumed;
  tell({ kind: "closed" });
});
// Ends with the process that started it, also when that is killed; after "close" nothing may hold it.
orders.on("close", () => {
  if (!closing) process.exit(1);
});

async function open(options: EtcdRegistryOptions): Promise<Registry> {
  if (config.driver === "connect") return createEtcdRegistry(options);
  if (config.driver === "gateway") {
    const { createGatewayRegistry } = await import("../../../src/etcd-gateway.ts");
    return createGatewayRegistry(options);
  }
  const { createEtcd3Registry } = await import("../../../src/etcd3.ts");
  const { Etcd3 } = await import("etcd3");
  return createEtcd3Registry({ ...options, Etcd3 });
}
