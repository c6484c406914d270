// Makes a call and leaves its link open: the process is to exit by itself.
import process from "node:process";
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { grpcConnector } from "../../src/node/grpc-connector.ts";

const link = grpcConnector({ keepalive: { intervalMs: 1_000 } })({ address: process.argv[2] ?? "" }, {
  draining() {},
  lost() {},
});
const hold = setTimeout(() => {}, 10_000);
await link.connect?.(AbortSignal.timeout(10_000));
// From here on only calls hold the process.
clearTimeout(hold);
const { value } = await createClient(Simple, link.transport).route({ data: "child" });
console.log(value);
