// A program for Deno Deploy: answers HTTP requests by calling gRPC servers that are registered in etcd. It does nothing
// between requests, so it reads the servers from etcd when a request finds that its list is old, and watches nothing.
// etcd is asked over `fetch`, at its JSON gateway; the servers are called over sockets. In your own project import from
// "connect-lb", "connect-lb/etcd-gateway" and "connect-lb/node" in place of "../src/…", and your own generated code.
//
//   deno run --allow-net --allow-env=PORT,SERVICE,ETCD_ENDPOINTS examples/deploy.ts
//   curl http://127.0.0.1:8080/hello
//
//   PORT             where to listen, except on Deno Deploy (default 8080)
//   SERVICE          the name that servers registered under (default simple_grpc)
//   ETCD_ENDPOINTS   etcd's client URLs, comma separated (default http://127.0.0.1:2379)
import { ConnectError, createClient } from "@connectrpc/connect";
import { Simple } from "../gen/simple_pb.ts";
import { createGatewayRegistry } from "../src/etcd-gateway.ts";
import { balance, createPullTransport } from "../src/index.ts";
import { grpcConnector } from "../src/node.ts";
import { etcdEndpoints, serviceName, wholeNumber } from "./environment.ts";

const registry = createGatewayRegistry({ endpoints: etcdEndpoints() });
const transport = createPullTransport({
  resolver: registry.resolver(serviceName()),
  connector: grpcConnector(),
  defaultTimeoutMs: 5_000,
});
const simple = createClient(Simple, transport);

/** Calls a server with the request's path, and says which one answered. */
Deno.serve({ port: wholeNumber("PORT", 8080, 0) }, async (request) => {
  let address: string | undefined;
  const options = balance({ onAttempt: ({ endpoint }) => address = endpoint.address }, { signal: request.signal });
  try {
    const { value } = await simple.route({ data: new URL(request.url).pathname.slice(1) }, options);
    return Response.json({ value, address });
  } catch (error) {
    return Response.json({ error: ConnectError.from(error).message, address }, { status: 502 });
  }
});
