// Servers that report their load. Prints where they listen as a line of JSON, and ends with its standard input.
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { Simple } from "../../gen/simple_pb.ts";
import { createGrpcServer, createHealth, reportLoad } from "../../src/server.ts";
import { SERVERS, SLOW, SLOW_MS } from "./load.ts";

const addresses = await Promise.all(Array.from({ length: SERVERS }, async () => {
  const server = createGrpcServer({
    routes: (router) =>
      router.service(Simple, {
        async route({ data }) {
          if (data === SLOW) await setTimeout(SLOW_MS);
          return { code: 200, value: data };
        },
      }),
    health: createHealth(),
    loadReports: reportLoad(),
  });
  return (await server.listen({ host: "127.0.0.1" })).address;
}));
process.stdout.write(`${JSON.stringify(addresses)}\n`);
process.stdin.on("end", () => process.exit(0)).resume();
