// A user's policy, health check or listener may call back into the transport while the transport is calling it.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createRouterTransport } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import type { BalancerEvent } from "../../src/balancer/event.ts";
import type { Connection } from "../../src/connection/connection.ts";
import type { HealthEnvironment } from "../../src/health/health.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import { balanced } from "../support/balanced.ts";
import { settled } from "../support/manual-clock.ts";
import { manualResolver } from "../support/manual-resolver.ts";

/** Streams whose server sends one message and then nothing. */
const endless = () =>
  createRouterTransport(({ service }) =>
    service(Simple, {
      async *routeServerStream() {
        yield {};
        await new Promise(() => {});
      },
    })
  );

/**
 * A transport with a stream in flight on each of a:1 and b:1, which gets the set b:1 and c:1 and is closed by `closer`
 * during that change.
 */
async function closedDuringChange(closer: BalancerEvent["type"] | "policy") {
  const resolver = manualResolver();
  let armed = false;
  let closed: Promise<void> | undefined;
  const close = () => {
    if (!armed) return;
    armed = false;
    closed = transport.close(5_000).then(() => settled());
  };
  const pickers: string[] = [];
  const inner = roundRobin();
  let built = 0;
  const { client, clock, links, ready, transport } = balanced({
    resolver,
    idleTimeoutMs: Infinity,
    policy(...args) {
      const picker = inner(...args), number = ++built;
      if (closer === "policy") close();
      if (closer === "policy-failed" && armed) throw new Error("mine");
      return { pick: (call) => picker.pick(call), close: () => void pickers.push(`${number} of ${built}`) };
    },
    onEvent: ({ type }) => type === closer && close(),
    links: { transport: endless },
  });
  resolver.tell({ endpoints: [{ address: "a:1" }, { address: "b:1" }] });
  await ready();
  for (let i = 0; i < 2; i++) await client.routeServerStream({})[Symbol.asyncIterator]().next();
  await clock.advance(100);
  armed = true;
  resolver.tell({ endpoints: [{ address: "b:1" }, { address: "c:1" }] });
  await clock.advance(100);
  await closed;
  return { clock, links, pickers, built };
}

describe("a transport that is closed in the middle of a change", () => {
  for (const closer of ["endpoints-changed", "connection-state", "policy", "policy-failed"] as const) {
    const who = closer === "policy" ? "by its policy" : `by a listener of ${closer}`;
    it(`${who}, gives all calls in flight their grace and leaves nothing open`, async () => {
      const { clock, links, pickers, built } = await closedDuringChange(closer);
      assert.deepEqual(
        [...links].map(([address, { closes }]) => [address, closes]),
        ["a:1", "b:1", "c:1"].map((address) => [address, [[5_000, 5_000]]]),
      );
      assert.deepEqual(clock.pending, []);
      // The picker of a policy that threw was never returned.
      assert.deepEqual(pickers, [`${closer === "policy-failed" ? built - 1 : built} of ${built}`]);
    });
  }

  it("waits for links that had left the set, too", async () => {
    let release = () => {};
    const whenClosed = new Promise<void>((resolve) => release = resolve);
    const resolver = manualResolver();
    let closed = false;
    const { client, clock, links, ready, transport } = balanced({
      resolver,
      links: { whenClosed, transport: endless },
      onEvent(event) {
        if (event.type === "endpoints-changed" && event.removed.length > 0) {
          void transport.close().then(() => closed = true);
        }
      },
    });
    resolver.tell({ endpoints: [{ address: "a:1" }] });
    await ready();
    await client.routeServerStream({})[Symbol.asyncIterator]().next();
    resolver.tell({ endpoints: [{ address: "b:1" }] });
    await clock.advance(40);
    assert.deepEqual([links.get("a:1")!.closed, closed], [true, false]);
    release();
    await settled();
    assert.equal(closed, true);
  });
});

describe("a health check", () => {
  it("that reports in answer to an event has the last word", async () => {
    let env: HealthEnvironment | undefined;
    const byAddress = new Map<string, Connection>();
    const say = (address: string, why: string) => env!.report(byAddress.get(address)!, new Error(why));
    const told: string[] = [];
    const { ready, transport } = balanced({
      health: [(environment) => {
        env = environment;
        return { ready: (connection) => void byAddress.set(connection.endpoint.address, connection) };
      }],
      panicShare: 0,
      onEvent(event) {
        if (event.type !== "connection-health") return;
        told.push(`${event.endpoint.address} ${event.health}`);
        if (event.endpoint.address === "a:1") say("b:1", "as ill as the other");
      },
    });
    await ready();
    say("a:1", "ill");
    assert.deepEqual(told, ["a:1 failing", "b:1 failing"]);
    assert.deepEqual(transport.snapshot().endpoints!.map(({ health }) => String(health)), [
      "Error: ill",
      "Error: as ill as the other",
      "serving",
    ]);
    await transport.close();
  });

  it("hears nothing after the end, even if another one ends the transport in between", async () => {
    const told: string[] = [];
    const { clock, transport, client } = balanced({
      health: [
        () => ({ ready: () => void transport.close() }),
        () => ({
          ready: () => void told.push("ready"),
          outcome: () => void told.push("outcome"),
          close: () => void told.push("close"),
        }),
      ],
    });
    const call = client.route({}).catch(() => {});
    await clock.advance(40);
    await call;
    assert.deepEqual(told, ["close"]);
  });
});
