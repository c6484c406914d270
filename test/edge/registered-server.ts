// A server of the demo service, for tests that kill it: `registered-server.ts <etcd>`. It serves gRPC, and Connect over
// HTTP/1.1 on another port, and registers both, as `simple_grpc` and `simple_http`, under TTLs of 5 s. It answers with
// its process id.
import { createServer as createHttp1Server } from "node:http";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import process from "node:process";
import type { ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { Simple } from "../../gen/simple_pb.ts";
import { createEtcdRegistry } from "../../src/etcd.ts";

const answer = () => ({ code: 200, value: `${process.pid}` });
const handler = connectNodeAdapter({
  routes: (router: ConnectRouter) =>
    router.service(Simple, {
      route: answer,
      async *routeServerStream() {
        for (let i = 0; i < 3; i++) yield answer();
      },
      async routeClientStream(requests) {
        for await (const _ of requests);
        return answer();
      },
      async *routeBidiStream(requests) {
        for await (const _ of requests) yield answer();
      },
    }),
});
const registry = createEtcdRegistry({ endpoints: [process.argv[2]!] });
const servers = { simple_grpc: createServer(handler), simple_http: createHttp1Server(handler) };
for (const [service, server] of Object.entries(servers)) {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await registry.register({ service, address: `127.0.0.1:${port}`, ttlSeconds: 5 }).ready;
}
console.log(`ready ${process.pid}`);
