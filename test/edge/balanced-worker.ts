// A worker without `nodejs_compat` whose transports are at module scope. `/sockets?calls=…` and `/fetch?calls=…` make
// half of the calls at once and the others one after another; `/stream` streams its response from a server's stream.
import { AsyncLocalStorage } from "node:async_hooks";
import { connect } from "cloudflare:sockets";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { createGatewayRegistry } from "../../src/etcd-gateway.ts";
import { fetchConnector } from "../../src/fetch.ts";
import { createPullTransport, type PullTransport } from "../../src/index.ts";
import { createWorkerEtcdRegistry, createWorkerTransport, type WorkerTransport } from "../../src/workers.ts";

/** What a request's calls came to. */
export interface Outcome {
  /** The servers that answered, in the order of the calls. */
  readonly servers: readonly string[];
  readonly failures: readonly string[];
  /** The most sockets that the request had at a time, that to etcd included. */
  readonly mostSockets: number;
  /** The sockets that it opened. */
  readonly sockets: number;
}

interface Env {
  readonly ETCD: string;
  readonly MAX_SOCKETS?: string;
}
interface Context {
  waitUntil(promise: Promise<unknown>): void;
}

/** The sockets of the current request: the platform's limit, which workerd doesn't enforce, is counted here. */
const current = new AsyncLocalStorage<{ open: number; most: number; opened: number }>();

const counted: typeof connect = (address, options) => {
  const count = current.getStore()!;
  count.opened++;
  count.most = Math.max(count.most, ++count.open);
  const socket = connect(address, options);
  void socket.closed.catch(() => {}).then(() => count.open--);
  return socket;
};

let transports: { sockets: WorkerTransport; fetch: PullTransport } | undefined;

function open(env: Env) {
  const registry = createWorkerEtcdRegistry({ endpoints: [env.ETCD], connect: counted });
  const gateway = createGatewayRegistry({ endpoints: [env.ETCD] });
  return {
    sockets: createWorkerTransport({ resolver: registry.resolver("simple_grpc"), connect: counted, maxAgeMs: 1_000 }),
    fetch: createPullTransport({
      resolver: gateway.resolver("simple_http"),
      connector: fetchConnector({ protocol: "connect" }),
      maxAgeMs: 1_000,
    }),
  };
}

async function call(client: Client<typeof Simple>, calls: number): Promise<Outcome> {
  const servers: string[] = [], failures: string[] = [];
  const one = async () => {
    try {
      servers.push((await client.route({ data: "x" }, { timeoutMs: 10_000 })).value);
    } catch (error) {
      const { code, rawMessage } = ConnectError.from(error);
      failures.push(`${Code[code]}: ${rawMessage}`);
    }
  };
  await Promise.all(Array.from({ length: Math.ceil(calls / 2) }, one));
  for (let i = 0; i < Math.floor(calls / 2); i++) await one();
  const { most, opened } = current.getStore()!;
  return { servers, failures, mostSockets: most, sockets: opened };
}

/** The server's messages as they come, a line each. */
function streamed(client: Client<typeof Simple>): Response {
  const messages = client.routeServerStream({ data: "x" })[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  return new Response(
    new ReadableStream({
      async pull(controller) {
        const { value, done } = await messages.next();
        if (done) controller.close();
        else controller.enqueue(encoder.encode(`${value.value}\n`));
      },
    }),
  );
}

const worker: { fetch(request: Request, env: Env, ctx: Context): Promise<Response> } = {
  fetch: (request, env, ctx) =>
    current.run({ open: 0, most: 0, opened: 0 }, async () => {
      const { pathname, searchParams } = new URL(request.url);
      const { sockets, fetch } = transports ??= open(env);
      const client = createClient(Simple, (pathname === "/fetch" ? fetch : sockets).forRequest(ctx));
      if (pathname === "/stream") return streamed(client);
      return Response.json(await call(client, Number(searchParams.get("calls"))));
    }),
};
export default worker;
