// An ordinary server of the demo service in a process of its own, which writes down every call in a ledger.
//
//     server.ts --ledger <file> [--port <port>] [--work-ms <ms>] [--etcd <url> --service <name> --ttl <seconds>]
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { ConnectRouter } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { createGrpcServer, shutdown } from "../../src/server.ts";
import { answerTo, MESSAGES } from "./calls.ts";
import { LedgerWriter } from "./ledger.ts";

const { values: options } = parseArgs({
  options: {
    ledger: { type: "string" },
    port: { type: "string", default: "0" },
    "work-ms": { type: "string", default: "20" },
    etcd: { type: "string" },
    service: { type: "string", default: "chaos" },
    ttl: { type: "string", default: "10" },
  },
});
const ledger = new LedgerWriter(options.ledger!);
const workMs = Number(options["work-ms"]);
const answer = (id: string) => ({ code: 200, value: answerTo(id) });

const routes = (router: ConnectRouter) => {
  router.service(Simple, {
    async route({ data }) {
      ledger.processed(data);
      await sleep(workMs);
      return answer(data);
    },
    async *routeServerStream({ data }) {
      ledger.processed(data);
      for (let i = 0; i < MESSAGES; i++) {
        if (i > 0) await sleep(workMs / MESSAGES);
        yield answer(data);
      }
    },
    async routeClientStream(requests) {
      let id: string | undefined;
      for await (const { data } of requests) {
        if (id === undefined) ledger.processed(data);
        id = data;
      }
      await sleep(workMs);
      return answer(id ?? "");
    },
    async *routeBidiStream(requests) {
      let first = true;
      for await (const { data } of requests) {
        if (first) ledger.processed(data);
        first = false;
        await sleep(workMs / MESSAGES);
        yield answer(data);
      }
    },
  });
};

const server = createGrpcServer({ routes });
const { address, port } = await server.listen({ host: "127.0.0.1", port: Number(options.port) });
let registration: { close(): Promise<void> } | undefined;
if (options.etcd !== undefined) {
  const { createEtcdRegistry } = await import("../../src/etcd.ts");
  const registry = createEtcdRegistry({ endpoints: [options.etcd] });
  const { service } = options;
  registration = registry.register({ service, address, ttlSeconds: Number(options.ttl) });
}
process.once("SIGTERM", async () => {
  await shutdown(server, { ...(registration && { registration }) });
  process.exit(0);
});
console.log(`listening ${port}`);
// Ends with the process that started it, also when that is killed.
process.stdin.on("end", () => process.exit(0)).resume();
