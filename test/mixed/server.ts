// A server of this library on any runtime, registered in etcd: `server.ts <etcd> <name> <port>`. It answers with its name
// and what came. SIGTERM drains it.
import process from "node:process";
import { createEtcdRegistry } from "../../src/etcd.ts";
import { createGrpcServer, shutdown } from "../../src/server.ts";
import { Simple } from "../../gen/simple_pb.ts";
import { MESSAGES, SERVICE } from "./fleet.ts";

const [etcd, name, wanted] = process.argv.slice(2) as [string, string, string];
const answer = (data: string) => ({ code: 200, value: `${name}: ${data}` });
const server = createGrpcServer({
  routes: (router) => {
    router.service(Simple, {
      route: ({ data }) => answer(data),
      async *routeServerStream({ data }) {
        for (let i = 0; i < MESSAGES; i++) yield answer(data);
      },
      async routeClientStream(requests) {
        let last = "";
        for await (const { data } of requests) last = data;
        return answer(last);
      },
      async *routeBidiStream(requests) {
        for await (const { data } of requests) yield answer(data);
      },
    });
  },
});
const { address } = await server.listen({ host: "127.0.0.1", port: Number(wanted) });
const registration = createEtcdRegistry({ endpoints: [etcd] }).register({ service: SERVICE, address, ttlSeconds: 5 });
await registration.ready;
console.log(`listening ${address} ${process.pid}`);
process.once("SIGTERM", async () => {
  await shutdown(server, { registration });
  process.exit(0);
});
// Ends with the process that started it, also when that is killed.
process.stdin.on("end", () => process.exit(0)).resume();
