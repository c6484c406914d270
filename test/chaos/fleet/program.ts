// One of many programs that register in an etcd with users: `program.ts <Config as JSON>`. It says that it is "up", then
// what its registration goes through, and ends with its standard input.
import process from "node:process";
import { createInterface } from "node:readline";
import { createEtcdRegistry, type EtcdRegistryOptions, type Registry } from "../../../src/etcd.ts";
import type { Config } from "./fleet.ts";

const { driver, address, ttlSeconds, ...options } = JSON.parse(process.argv[2]!) as Config;
const createRegistry = driver === "connect" ? createEtcdRegistry : await overEtcd3();
const registry = createRegistry({
  ...options,
  onEvent: (event) => console.log(`event ${event.type} ${"cause" in event ? event.cause.message : ""}`),
});
registry.register({ service: "fleet", address, ttlSeconds, onState: (state) => console.log(state) });
console.log("up");
createInterface({ input: process.stdin }).once("close", () => process.exit(0));

async function overEtcd3(): Promise<(options: EtcdRegistryOptions) => Registry> {
  const { createEtcd3Registry } = await import("../../../src/etcd3.ts");
  const { Etcd3 } = await import("etcd3");
  return (options) => createEtcd3Registry({ ...options, Etcd3 });
}
