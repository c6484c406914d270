// The worker whose calls are measured: `/fetch` over fetch alone, `/sockets` over cloudflare:sockets, each with the set
// of endpoints from etcd; `/direct` is a request to a known server, without this library.
import { connect } from "cloudflare:sockets";
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { createGatewayRegistry } from "../../src/etcd-gateway.ts";
import { fetchConnector } from "../../src/fetch.ts";
import { createPullTransport } from "../../src/index.ts";
import { createWorkerEtcdRegistry, createWorkerTransport } from "../../src/workers.ts";

interface Env {
  readonly ETCD: string;
  readonly DIRECT: string;
}
interface Context {
  waitUntil(promise: Promise<unknown>): void;
}

/** Longer than the measurement: a set is read once in an isolate. */
const maxAgeMs = 600_000;

const create = ({ ETCD }: Env) => ({
  "/fetch": createPullTransport({
    resolver: createGatewayRegistry({ endpoints: [ETCD] }).resolver("simple_http"),
    connector: fetchConnector({ protocol: "connect" }),
    maxAgeMs,
  }),
  "/sockets": createWorkerTransport({
    resolver: createWorkerEtcdRegistry({ endpoints: [ETCD], connect }).resolver("simple_grpc"),
    connect,
    maxAgeMs,
  }),
});

let transports: ReturnType<typeof create> | undefined;

const worker: { fetch(request: Request, env: Env, ctx: Context): Promise<Response> } = {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname === "/direct") {
      const headers = { "content-type": "application/json" };
      const response = await fetch(`${env.DIRECT}/proto.Simple/Route`, {
        method: "POST",
        headers,
        body: '{"data":"x"}',
      });
      return Response.json((await response.json() as { value: string }).value);
    }
    transports ??= create(env);
    const transport = transports[pathname as keyof typeof transports];
    const { value } = await createClient(Simple, transport.forRequest(ctx)).route({ data: "x" });
    return Response.json(value);
  },
};
export default worker;
