// A worker with `nodejs_compat` that calls gRPC servers over `node:net` and `node:tls`, and says what came of it:
// `GET /?addresses=…&calls=…`, with `secure` for TLS, and `passed` for a connector to which these modules' `connect` is
// passed; `shared` for a transport at module scope; `timeout` for one call with a deadline. `GET /?etcd=…` lists a
// service with a registry at module scope.
import net from "node:net";
import tls from "node:tls";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { createEtcdRegistry, type Registry } from "../../src/etcd.ts";
import { type BalancedTransport, createBalancedTransport, staticResolver } from "../../src/index.ts";
import { grpcConnector } from "../../src/node.ts";
import { workerConnector } from "../../src/workers.ts";
import { callFourKinds, callSix } from "./four-kinds.ts";

/** A transport that outlives the request in which it was made, as programs elsewhere have it. */
let shared: BalancedTransport | undefined;

/** A registry at module scope. */
let registry: Registry | undefined;

async function list(etcd: string): Promise<string> {
  registry ??= createEtcdRegistry({ endpoints: [etcd] });
  const listing = registry.resolver("simple_grpc").list!(AbortSignal.timeout(10_000));
  return await listing.then(({ endpoints }) => `${endpoints!.length} endpoints`, (error) => (error as Error).message);
}

/** How a unary call with a timeout ended. */
async function callWithin(transport: BalancedTransport, timeoutMs: number): Promise<string> {
  const call = createClient(Simple, transport).route({ data: "x" }, { timeoutMs });
  return await call.then(() => "answered", (error) => Code[ConnectError.from(error).code]!);
}

const worker: { fetch(request: Request): Promise<Response> } = {
  async fetch(request) {
    const { searchParams } = new URL(request.url);
    try {
      const etcd = searchParams.get("etcd");
      if (etcd !== null) return Response.json(await list(etcd));
      const addresses = searchParams.get("addresses")!.split(",");
      const secure = searchParams.has("secure");
      const create = () =>
        createBalancedTransport({
          resolver: staticResolver(addresses),
          connector: searchParams.has("passed")
            ? workerConnector(secure ? { connect: tls.connect, tls: true } : { connect: net.connect })
            : grpcConnector(secure ? { tls: {} } : {}),
        });
      if (searchParams.has("shared")) return Response.json(await callSix(shared ??= create()));
      const transport = create();
      try {
        const timeout = searchParams.get("timeout");
        if (timeout !== null) return Response.json(await callWithin(transport, Number(timeout)));
        return Response.json(await callFourKinds(transport, Number(searchParams.get("calls"))));
      } finally {
        await transport.close();
      }
    } catch (error) {
      return new Response(`${error} ${(error as Error).stack} ${(error as Error).cause}`, { status: 500 });
    }
  },
};
export default worker;
