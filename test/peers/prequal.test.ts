// `prequal` with real servers that report their load: this library's, and grpc-go's with the interceptor of the docs.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, it, type TestContext } from "node:test";
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { createBalancedTransport, prequal, staticResolver } from "../../src/index.ts";
import { grpcConnector } from "../../src/node.ts";
import { createGrpcServer, createHealth, reportLoad } from "../../src/server.ts";
import { eventually } from "../support/eventually.ts";
import { hasGo } from "../support/go.ts";
import { grpcGo } from "../support/grpc-go.ts";
import { root, start } from "../support/process.ts";

const SERVERS = 6;
/** How many calls of another client one of the servers is busy with. */
const HELD = 30;

/** A server that answers with its name after 3 ms, and holds calls that say "hold". */
async function ours(
  t: TestContext,
  name: string,
  services: Partial<Parameters<typeof createGrpcServer>[0]>,
): Promise<string> {
  const server = createGrpcServer({
    routes: (router) =>
      router.service(Simple, {
        async route({ data }, { signal }) {
          if (data === "hold") await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
          await setTimeout(3);
          return { value: name };
        },
      }),
    ...services,
  });
  t.after(() => server.close());
  return (await server.listen({ host: "127.0.0.1" })).address;
}

async function grpcGos(t: TestContext, name: string): Promise<string> {
  const child = start(grpcGo("loads"), [name]);
  t.after(() => child.kill());
  const [, address] = await child.line(/^\{"address":"([^"]+)"/);
  return address!;
}

const balancedOver = (t: TestContext, addresses: readonly string[]) => {
  const transport = createBalancedTransport({
    resolver: staticResolver([...addresses]),
    connector: grpcConnector(),
    policy: prequal(),
  });
  t.after(() => transport.close());
  return { transport, client: createClient(Simple, transport) };
};

/** Of 60 calls, four at a time, how many each server answered. */
async function spread(client: ReturnType<typeof balancedOver>["client"]): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const worker = async () => {
    for (let i = 0; i < 15; i++) {
      const { value } = await client.route({});
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
  return counts;
}

const KINDS: readonly [name: string, skip: string | false, open: (t: TestContext, name: string) => Promise<string>][] =
  [
    ["of this library", false, (t, name) => ours(t, name, { health: createHealth(), loadReports: reportLoad() })],
    ["of grpc-go", !hasGo() && "there is no Go to build the server with", grpcGos],
  ];

describe("prequal", () => {
  for (const [kind, skip, open] of KINDS) {
    it(`sees that a server ${kind} is busy with calls of other clients, and avoids it`, { skip }, async (t) => {
      const addresses = await Promise.all(Array.from({ length: SERVERS }, (_, i) => open(t, `server ${i}`)));
      const link = grpcConnector()({ address: addresses[0]! }, { draining() {}, lost() {} });
      t.after(() => link.close());
      await link.connect!(AbortSignal.timeout(10_000));
      const abort = new AbortController();
      const other = createClient(Simple, link.transport);
      const held = Array.from(
        { length: HELD },
        () => other.route({ data: "hold" }, { signal: abort.signal }).catch(() => {}),
      );
      const { client, transport } = balancedOver(t, addresses);
      await eventually("hardly a call goes there", async () => {
        const counts = await spread(client);
        return (counts.get("server 0") ?? 0) <= 3 && counts.size > 3;
      });
      const { endpoints } = transport.snapshot();
      const busy = endpoints!.find(({ endpoint }) => endpoint.address === addresses[0])!;
      assert.equal(busy.policy!["reportedInFlight"], HELD);
      abort.abort();
      await Promise.all(held);
      await eventually("it gets its share again", async () => ((await spread(client)).get("server 0") ?? 0) >= 6);
    });
  }

  it("balances without probes over servers that have no health service", async (t) => {
    const addresses = await Promise.all(Array.from({ length: SERVERS }, (_, i) => ours(t, `server ${i}`, {})));
    const { client, transport } = balancedOver(t, addresses);
    await eventually("all get calls", async () => (await spread(client)).size === SERVERS);
    assert.ok(transport.snapshot().endpoints!.every(({ inFlight }) => inFlight === 0));
  });

  it("has the interceptor for grpc-go in the docs that is tested here", () => {
    const read = (path: string) => readFileSync(join(root, path), "utf8");
    const source = read("test/peers/servers/go-loads/main.go");
    const from = source.indexOf("var inFlight"), to = source.indexOf("type server struct");
    assert.ok(from > 0 && to > from);
    assert.ok(read("docs/policies.md").includes(source.slice(from, to).trim()));
  });
});
