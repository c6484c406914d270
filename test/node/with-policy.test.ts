// Several policies over the same real connections.
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { createClient, type Transport } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { balance } from "../../src/call/options.ts";
import { grpcConnector } from "../../src/node/grpc-connector.ts";
import { filter } from "../../src/policy/filter.ts";
import { pickFirst } from "../../src/policy/pick-first.ts";
import { ringHash } from "../../src/policy/ring-hash.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { createBalancedTransport } from "../../src/transport/transport.ts";
import { eventually } from "../support/eventually.ts";
import { startSimpleServer } from "../support/servers/simple.ts";

/** Servers that answer with their number, and how many connections each has now and has had. */
async function serversOf(t: TestContext, count: number) {
  const open = Array.from({ length: count }, () => 0), opened = [...open];
  const addresses: string[] = [];
  for (let i = 0; i < count; i++) {
    const { address, close, server } = await startSimpleServer({ methods: { route: () => ({ value: `${i}` }) } });
    server.on("session", (session) => {
      open[i]!++;
      opened[i]!++;
      session.on("close", () => void open[i]!--);
    });
    t.after(close);
    addresses.push(address);
  }
  return { addresses, open, opened };
}

async function call(transport: Transport, hashKey = ""): Promise<number> {
  const { value } = await createClient(Simple, transport).route({}, balance({ hashKey }));
  return Number(value);
}

async function calls(transport: Transport, count: number, hashKey?: string): Promise<number[]> {
  const answerers: number[] = [];
  for (let i = 0; i < count; i++) answerers.push(await call(transport, hashKey));
  return answerers;
}

describe("policies over the same connections", () => {
  it("use one connection to each server", { timeout: 60_000 }, async (t) => {
    const { addresses, open, opened } = await serversOf(t, 3);
    const transport = createBalancedTransport({
      resolver: staticResolver(addresses.map((address, i) => ({ address, metadata: { canary: i === 2 } }))),
      connector: grpcConnector(),
      policy: roundRobin(),
    });
    t.after(() => transport.close());
    const isCanary = (metadata: unknown) => (metadata as { canary: boolean }).canary;
    const canary = transport.withPolicy(filter(({ metadata }) => isCanary(metadata), roundRobin()));
    const stable = transport.withPolicy(filter(({ metadata }) => !isCanary(metadata), roundRobin()));
    const hashed = transport.withPolicy(ringHash()), first = transport.withPolicy(pickFirst());
    await eventually("all are connected", async () => (await call(transport), open.every((count) => count === 1)));
    assert.deepEqual(new Set(await calls(transport, 30)), new Set([0, 1, 2]));
    assert.deepEqual(new Set(await calls(canary, 10)), new Set([2]));
    assert.deepEqual(new Set(await calls(stable, 10)), new Set([0, 1]));
    assert.equal(new Set(await calls(hashed, 10, "one key")).size, 1);
    assert.equal(new Set(await calls(first, 10)).size, 1);
    assert.deepEqual(opened, [1, 1, 1]);
    await transport.close();
    await eventually("all are closed", () => open.every((count) => count === 0));
  });

  it("close a connection with the last policy that wants it", { timeout: 60_000 }, async (t) => {
    const { addresses, open, opened } = await serversOf(t, 3);
    const transport = createBalancedTransport({
      resolver: staticResolver(addresses),
      connector: grpcConnector(),
      policy: pickFirst(),
    });
    t.after(() => transport.close());
    assert.equal(await call(transport), 0);
    assert.deepEqual(open, [1, 0, 0]);
    const all = transport.withPolicy(roundRobin()), rest = transport.withPolicy(roundRobin());
    await eventually("all are used", async () => new Set(await calls(all, 3)).size === 3);
    await calls(rest, 3);
    await all.close();
    assert.deepEqual(new Set(await calls(rest, 6)), new Set([0, 1, 2]));
    assert.deepEqual(opened, [1, 1, 1]);
    await rest.close();
    await eventually("two are closed", () => open[1] === 0 && open[2] === 0);
    assert.equal(await call(transport), 0);
    assert.deepEqual([open[0], opened[0]], [1, 1]);
  });
});
