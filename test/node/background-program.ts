// A policy with calls of its own to a server that never answers them: the process is to exit by itself.
import process from "node:process";
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { createBalancedTransport, type Policy, roundRobin, staticResolver } from "../../src/index.ts";
import { grpcConnector } from "../../src/node.ts";

const began = new WeakSet<object>();
const curious: Policy = (connections, previous, env) => {
  for (const connection of connections) {
    const transport = env.transport(connection);
    if (transport === undefined || began.has(connection)) continue;
    began.add(connection);
    const client = createClient(Simple, transport);
    client.route({ data: "never" }, { timeoutMs: 60_000 }).catch(() => {});
    (async () => {
      for await (const { value } of client.routeServerStream({ data: "never" })) console.log(value);
    })().catch(() => {});
  }
  return roundRobin()(connections, previous, env);
};

const transport = createBalancedTransport({
  resolver: staticResolver([process.argv[2]!]),
  connector: grpcConnector(),
  policy: curious,
});
console.log((await createClient(Simple, transport).route({ data: "call" })).value);
