// Opens all that a registry has, as an application would, and says when it has; closes it when told to.
import process from "node:process";
import { Etcd3 } from "etcd3";
import { createEtcdRegistry } from "../../src/etcd.ts";
import { createEtcd3Registry } from "../../src/etcd3.ts";
import { createGatewayRegistry } from "../../src/etcd-gateway.ts";

const [url = "", mode, over] = process.argv.slice(2);
// What holds an application is its server, or the calls that it makes: a resolver and a registration don't.
const server = mode === "ready" ? undefined : setInterval(() => {}, 1_000);
const endpoints = [url];
const registry = over === "etcd3"
  ? createEtcd3Registry({ Etcd3, endpoints })
  : (over === "gateway" ? createGatewayRegistry : createEtcdRegistry)({ endpoints });
const stop = new AbortController();
const consumed = (async () => {
  for await (const { endpoints, stale } of registry.resolver("a").resolve(stop.signal)) {
    console.log(stale === undefined ? `set of ${endpoints?.length}` : "stale");
    if (mode === "away" || endpoints?.length === 1) break;
  }
})();
const registration = registry.register({ service: "a", address: "127.0.0.1:8000", ttlSeconds: 2 });
if (mode === "ready") {
  // Nothing but this holds the process while etcd is away.
  await registration.ready;
  console.log("ready");
} else {
  await consumed;
}
clearInterval(server);
await registry.close();
console.log("closed");
