// A server of a real fleet: this library's, whose calls share a processor of the model at the pace of real time, so that
// many servers fit on one machine. It prints its address, and how much health was asked for whenever it reads a line.
import process from "node:process";
import { createInterface } from "node:readline";
import { Health, HealthCheckResponse_ServingStatus } from "../../../gen/grpc/health/v1/health_pb.ts";
import { Simple } from "../../../gen/simple_pb.ts";
import { createGrpcServer } from "../../../src/server.ts";
import { systemClock } from "../../../src/time/clock.ts";
import { Processor } from "../model/processor.ts";

const speed = Number(process.argv[2]);
const processor = new Processor(systemClock, 1, speed);
let checks = 0;

const server = createGrpcServer({
  loadReports: true,
  routes: (router) => {
    router.service(Simple, {
      // The request says how much work it is, in ms.
      route: async ({ data }) => {
        await new Promise<void>((resolve) => processor.start(Number(data), resolve));
        return { code: 200, value: data };
      },
    });
    router.service(Health, {
      check: () => {
        checks++;
        return { status: HealthCheckResponse_ServingStatus.SERVING };
      },
    });
  },
});
const print = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
print({ address: (await server.listen({ host: "127.0.0.1", port: 0 })).address });
for await (const _ of createInterface({ input: process.stdin })) print({ checks });
process.exit(0);
