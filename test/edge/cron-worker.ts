// A worker that keeps itself registered by its cron trigger, over sockets and over fetch; `/deregister` ends that.
import { connect } from "cloudflare:sockets";
import { createGatewayRegistry } from "../../src/etcd-gateway.ts";
import type { RenewOptions } from "../../src/etcd.ts";
import { createWorkerEtcdRegistry } from "../../src/workers.ts";

interface Env {
  readonly ETCD: string;
}

/** The registries, and what each keeps. */
function entries(env: Env): { registry: ReturnType<typeof createGatewayRegistry>; entry: RenewOptions }[] {
  const entry = (service: string) => ({ service, address: "10.0.0.7:443", ttlSeconds: 5 });
  return [
    { registry: createWorkerEtcdRegistry({ endpoints: [env.ETCD], connect }), entry: entry("cron_sockets") },
    { registry: createGatewayRegistry({ endpoints: [env.ETCD] }), entry: entry("cron_gateway") },
  ];
}

/** At module scope, as one isolate runs many triggers. */
let all: ReturnType<typeof entries> | undefined;

const worker: {
  fetch(request: Request, env: Env): Promise<Response>;
  scheduled(event: unknown, env: Env): Promise<void>;
} = {
  async fetch(_request, env) {
    all ??= entries(env);
    await Promise.all(all.map(({ registry, entry }) => registry.deregister(entry)));
    return Response.json("deregistered");
  },
  async scheduled(_event, env) {
    all ??= entries(env);
    await Promise.all(all.map(({ registry, entry }) => registry.renew(entry)));
  },
};
export default worker;
