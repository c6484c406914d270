// A worker without `nodejs_compat`, over `cloudflare:sockets`. `/calls?addresses=…&calls=…`, with `secure` for TLS and an
// `authority`, and `worker` for the worker's own kind of transport; `/shared?addresses=…` for a transport at module
// scope; `/list`, `/register` and `/watch` for the registry.
import { connect } from "cloudflare:sockets";
import { Code, ConnectError } from "@connectrpc/connect";
import { type BalancedTransport, createBalancedTransport, staticResolver } from "../../src/index.ts";
import {
  createWorkerEtcdRegistry,
  createWorkerTransport,
  type RequestContext,
  workerConnector,
} from "../../src/workers.ts";
import { callFourKinds, callSix } from "./four-kinds.ts";

let shared: BalancedTransport | undefined;

let registry: ReturnType<typeof createWorkerEtcdRegistry> | undefined;

const failure = (error: unknown) => {
  const { code, rawMessage } = ConnectError.from(error);
  return `${Code[code]}: ${rawMessage}`;
};

const worker: { fetch(request: Request, env: { ETCD: string }, ctx: RequestContext): Promise<Response> } = {
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url);
    registry ??= createWorkerEtcdRegistry({ endpoints: [env.ETCD], connect });
    const resolver = registry.resolver("simple_grpc");
    const authority = searchParams.get("authority"), calls = Number(searchParams.get("calls"));
    const options = { connect, tls: searchParams.has("secure") };
    const servers = () =>
      staticResolver(
        searchParams.get("addresses")!.split(",").map((address) => ({
          address,
          ...authority !== null && { authority },
        })),
      );
    const create = () => createBalancedTransport({ resolver: servers(), connector: workerConnector(options) });
    try {
      switch (pathname) {
        case "/shared":
          return Response.json(await callSix(shared ??= create()));
        case "/list":
          return Response.json((await resolver.list!(request.signal)).endpoints?.map(({ address }) => address));
        case "/register":
          registry.register({ service: "simple_grpc", address: "10.0.0.1:1" });
          return Response.json("registered");
        case "/watch":
          return Response.json(await resolver.resolve(request.signal)[Symbol.asyncIterator]().next());
      }
      if (searchParams.has("worker")) {
        const transport = createWorkerTransport({ resolver: servers(), ...options });
        return Response.json(await callFourKinds(transport.forRequest(ctx), calls));
      }
      const transport = create();
      try {
        return Response.json(await callFourKinds(transport, calls));
      } finally {
        await transport.close();
      }
    } catch (error) {
      return new Response(failure(error), { status: 500 });
    }
  },
};
export default worker;
