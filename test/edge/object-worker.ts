// A worker that calls and registers through a Durable Object. `/calls?calls=N`, `/kinds`, `/failure`, `/late`, `/cut`;
// `/register?address=…`, `/deregister?address=…`; `/sockets` for how many sockets to servers were open at most.
import { connect } from "cloudflare:sockets";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import { Simple } from "../../gen/simple_pb.ts";
import {
  type BalancerObjectClass,
  createBalancerObject,
  createObjectEtcdRegistry,
  etcdNaming,
  type ObjectNamespace,
  objectRegistry,
  objectTransport,
} from "../../src/workers.ts";

/** The worker's bindings. */
interface Env {
  readonly ETCD: string;
  readonly BALANCER: ObjectNamespace;
}

/** How a call that failed did. */
export interface ObjectFailure {
  readonly code: string;
  readonly message: string;
  readonly detail: string | undefined;
  readonly trailer: string | null;
}

/** The sockets to servers that are open, and that were at most. */
const sockets = { open: 0, most: 0 };

function counted(...[target, options]: Parameters<typeof connect>): ReturnType<typeof connect> {
  const socket = connect(target, options);
  sockets.most = Math.max(sockets.most, ++sockets.open);
  const closed = () => void sockets.open--;
  socket.closed.then(closed, closed);
  return socket;
}

/** Exported for the platform. */
export const Balancer: BalancerObjectClass<Env> = createBalancerObject<Env>({
  registry: ({ ETCD }) => createObjectEtcdRegistry({ endpoints: [ETCD], layout: etcdNaming(), connect }),
  connect: (target, options) => counted({ hostname: target.hostname, port: target.port }, options),
});

async function* texts() {
  for (const data of ["a", "b", "c"]) yield { data };
}

async function failureOf(call: Promise<unknown>): Promise<ObjectFailure> {
  try {
    await call;
    return { code: "none", message: "", detail: undefined, trailer: null };
  } catch (error) {
    const failure = ConnectError.from(error);
    const [detail] = failure.findDetails(DurationSchema);
    const { code, rawMessage, metadata } = failure;
    return {
      code: Code[code]!,
      message: rawMessage,
      detail: detail && `${detail.seconds}`,
      trailer: metadata.get("x-why"),
    };
  }
}

async function answer(url: URL, env: Env): Promise<unknown> {
  const { pathname, searchParams } = url;
  const service = searchParams.get("service") ?? "simple_grpc";
  const client = createClient(Simple, objectTransport(env.BALANCER, service));
  const registry = objectRegistry(env.BALANCER);
  const address = searchParams.get("address") ?? "";
  switch (pathname) {
    case "/calls": {
      const served: string[] = [];
      for (let i = 0; i < Number(searchParams.get("calls")); i++) {
        served.push((await client.route({ data: "x" }, { timeoutMs: 10_000 })).value);
      }
      return served;
    }
    case "/kinds": {
      let header: string | null = null, trailer: string | null = null;
      const { value } = await client.route({ data: "ü" }, {
        headers: { "x-asked": "a, b", "x-asked-bin": "AAEC" },
        onHeader: (headers) => void (header = headers.get("x-answer")),
        onTrailer: (trailers) => void (trailer = trailers.get("x-after-bin")),
      });
      const serverStream: string[] = [];
      for await (const each of client.routeServerStream({ data: "s" })) serverStream.push(each.value);
      const clientStream = (await client.routeClientStream(texts())).value;
      const bidi = await failureOf((async () => {
        for await (const _ of client.routeBidiStream(texts()));
      })());
      return { value, header, trailer, serverStream, clientStream, bidi };
    }
    case "/failure":
      return [
        await failureOf(client.route({ data: "fail" })),
        await failureOf((async () => {
          for await (const _ of client.routeServerStream({ data: "fail" }));
        })()),
      ];
    case "/late":
      return await failureOf(client.route({ data: "hang" }, { timeoutMs: 300 }));
    case "/cut": {
      const abort = new AbortController();
      const unary = failureOf(client.route({ data: "hang" }, { signal: abort.signal }));
      const stream = (async () => {
        for await (const _ of client.routeServerStream({ data: "hang" }, { signal: abort.signal })) abort.abort();
      })();
      return [await failureOf(stream), await unary];
    }
    case "/register": {
      const ttlSeconds = Number(searchParams.get("ttl") ?? 5);
      return await registry.register({ service, address, ttlSeconds, zone: searchParams.get("zone") ?? "z" });
    }
    case "/deregister":
      return await registry.deregister({ service, address });
    case "/sockets":
      return sockets;
  }
  return undefined;
}

const worker: { fetch(request: Request, env: Env): Promise<Response> } = {
  async fetch(request, env) {
    try {
      return Response.json(await answer(new URL(request.url), env) ?? null);
    } catch (error) {
      return new Response(`${error} ${(error as Error).stack}`, { status: 500 });
    }
  },
};
export default worker;
