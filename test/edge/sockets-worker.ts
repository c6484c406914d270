// A worker without `nodejs_compat`, over `cloudflare:sockets`. `/calls?addresses=…&calls=…`, with `secure` for TLS and an `authority`;
// `/shared?addresses=…` for a transport at module scope; `/list`, `/register` and `/watch` for the registry.
import { connect } from "cloudflare:sockets";
import { Code, ConnectError } from "@connectrpc/connect";
import { type BalancedTransport, createBalancedTransport, staticResolver } from "../../src/index.ts";
import { createWorkerEtcdRegistry, workerConnector } from "../../src/workers.ts";
import { callFourKinds, callSix } from "./four-kinds.ts";

let shared: BalancedTransport | undefined;

let registry: ReturnType<typeof createWorkerEtcdRegistry> | undefined;

const failure = (error: unknown) => {
  const { code, rawMessage } = ConnectError.from(error);
  return `${Code[code]}: ${rawMessage}`;
};

const worker: { fetch(request: Request, env: { ETCD: string }): Promise<Response> } = {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    registry ??= createWorkerEtcdRegistry({ endpoints: [env.ETCD], connect });
    const resolver = registry.resolver("simple_grpc");
    const authority = searchParams.get("authority");
    const create = () =>
      createBalancedTransport({
        resolver: staticResolver(
          searchParams.get("addresses")!.split(",").map((address) => ({
            address,
            ...authority !== null && { authority },
          })),
        ),
        connector: workerConnector({ connect, tls: searchParams.has("secure") }),
      });
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
      const transport = create();
      try {
        return Response.json(await callFourKinds(transport, Number(searchParams.get("calls"))));
      } finally {
        await transport.close();
      }
    } catch (error) {
      return new Response(failure(error), { status: 500 });
    }
  },
};
export default worker;
