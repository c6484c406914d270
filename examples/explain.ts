// Calls that fail in four ways, and what explainCall says of each: what docs/observability.md shows.
//
//   node examples/explain.ts
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { Simple } from "../gen/simple_pb.ts";
import { createBalancedTransport, type Endpoint, explainCall, flightRecorder, staticResolver } from "../src/index.ts";
import { grpcConnector } from "../src/node.ts";
import { createGrpcServer } from "../src/server.ts";

const server = createGrpcServer({
  routes: (router) =>
    router.service(Simple, {
      async route({ data }, { signal }) {
        if (data === "nobody") throw new ConnectError("there is no such user", Code.NotFound);
        if (data === "slow") await sleep(5_000, undefined, { signal }).catch(() => {});
        return { code: 200, value: `hello ${data}` };
      },
    }),
});
const { port } = await server.listen({ host: "127.0.0.1", port: 0 });

/** An address that nobody listens on. */
async function deadAddress(): Promise<string> {
  const held = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => held.once("listening", resolve));
  const { port } = held.address() as { port: number };
  await new Promise((resolve) => held.close(resolve));
  return `127.0.0.1:${port}`;
}

const recorder = flightRecorder();

/** Makes a call to a service with these endpoints, and explains why it failed. */
async function tell(title: string, endpoints: readonly (Endpoint | string)[], data: string): Promise<void> {
  const transport = createBalancedTransport({
    resolver: staticResolver(endpoints),
    connector: grpcConnector(),
    recorder,
    waitTimeoutMs: 1_000,
  });
  console.log(`\n# ${title}\n`);
  try {
    await createClient(Simple, transport).route({ data }, { timeoutMs: 500 });
    console.log("It was answered.");
  } catch (error) {
    console.log(explainCall(error));
  }
  await transport.close();
}

await tell("the server's own error", [`127.0.0.1:${port}`], "nobody");
await tell("a slow server", [`127.0.0.1:${port}`], "slow");
await tell("no server", [await deadAddress()], "x");
await tell("nothing registered", [], "x");

console.log("\n# the last call that failed, as JSON\n");
console.log(JSON.stringify(recorder.calls({ which: "failed", limit: 3 }).at(-1), undefined, 2));
await server.close();
