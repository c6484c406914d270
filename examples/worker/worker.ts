// A Worker that calls gRPC servers which are registered in etcd. In your own project import from "connect-lb" and
// "connect-lb/workers" in place of "../../src/…", and your own generated code; `wrangler.jsonc` has the bindings.
//
//   GET /NAME           calls a server over sockets of this request
//   GET /object/NAME    calls a server through a Durable Object, whose connections outlive the request
//   a cron trigger      keeps this Worker registered as ADDRESS, if that is set
import { connect } from "cloudflare:sockets";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { balance } from "../../src/index.ts";
import {
  type BalancerObjectClass,
  createBalancerObject,
  createObjectEtcdRegistry,
  createWorkerEtcdRegistry,
  createWorkerTransport,
  type ObjectNamespace,
  objectTransport,
  type RequestContext,
  type WorkerTransport,
} from "../../src/workers.ts";

interface Env {
  /** etcd's client URLs, comma separated. */
  readonly ETCD: string;
  /** The name that servers registered under. */
  readonly SERVICE: string;
  readonly ADDRESS?: string;
  readonly BALANCER: ObjectNamespace;
}

const etcd = ({ ETCD }: Env) => ({ endpoints: ETCD.split(","), connect });

/** Shared by all requests: the set of servers, whose turn it is, and which of them can't be reached. */
let transport: WorkerTransport | undefined;

/** Holds a watch and connections. One object serves all calls; `objectTransport` can spread them over several. */
export const Balancer: BalancerObjectClass<Env> = createBalancerObject<Env>({
  registry: (env) => createObjectEtcdRegistry(etcd(env)),
  connect,
});

const worker: {
  fetch(request: Request, env: Env, ctx: RequestContext): Promise<Response>;
  scheduled(event: unknown, env: Env): Promise<void>;
} = {
  async fetch(request, env, ctx) {
    const [, object, name] = /^\/(object\/)?([^/]+)$/.exec(new URL(request.url).pathname) ?? [];
    if (name === undefined) return new Response("try /world or /object/world\n", { status: 404 });
    transport ??= createWorkerTransport({
      resolver: createWorkerEtcdRegistry(etcd(env)).resolver(env.SERVICE),
      connect,
    });
    const calls = object === undefined ? transport.forRequest(ctx) : objectTransport(env.BALANCER, env.SERVICE);
    let address: string | undefined;
    const options = balance({ onAttempt: ({ endpoint }) => address = endpoint.address }, { timeoutMs: 5_000 });
    try {
      const { value } = await createClient(Simple, calls).route({ data: name }, options);
      return Response.json({ value, address });
    } catch (error) {
      const { code, message } = ConnectError.from(error);
      return Response.json({ error: message, address }, { status: code === Code.DeadlineExceeded ? 504 : 502 });
    }
  },
  async scheduled(_event, env) {
    if (env.ADDRESS === undefined) return;
    const entry = { service: env.SERVICE, address: env.ADDRESS, ttlSeconds: 180 };
    await createWorkerEtcdRegistry(etcd(env)).renew(entry);
  },
};
export default worker;
