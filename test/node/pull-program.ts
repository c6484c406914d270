// Makes calls over a pull transport and leaves it open: the process is to exit by itself.
import process from "node:process";
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { createPullTransport } from "../../src/index.ts";
import { grpcConnector } from "../../src/node.ts";

const transport = createPullTransport({
  resolver: { list: () => Promise.resolve({ endpoints: [{ address: process.argv[2]! }] }) },
  connector: grpcConnector(),
  maxAgeMs: 1,
});
const client = createClient(Simple, transport);
const answers = await Promise.all(["a", "b", "c"].map((data) => client.route({ data })));
console.log(answers.map(({ value }) => value).join());
console.log((await client.route({ data: "d" })).value);
