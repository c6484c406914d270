import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createRouterTransport } from "@connectrpc/connect";
import {
  type BalancedTransportOptions,
  createBalancedTransport,
  createPullTransport,
  type ObservedTransport,
  staticResolver,
  type TransportObserver,
} from "../../src/index.ts";
import type { Policy, ReportedWeights } from "../../src/policy/policy.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import { weightedRoundRobin } from "../../src/policy/weighted-round-robin.ts";
import { fetchConnector } from "../../src/fetch.ts";
import { grpcConnector } from "../../src/node.ts";
import { createMemoryRegistry } from "../../src/testing.ts";
import { Simple } from "../../gen/simple_pb.ts";
import { balanced } from "../support/balanced.ts";
import { serveRoutes } from "../support/serve-routes.ts";
import { simpleRoutes } from "../support/simple.ts";
import { createClient } from "@connectrpc/connect";

const links = { transport: () => createRouterTransport(({ service }) => service(Simple, { route: () => ({}) })) };

/** An observer that writes down what it hears. */
function notes() {
  const lines: string[] = [], transports: ObservedTransport[] = [];
  const observer: TransportObserver = (transport) => {
    transports.push(transport);
    return {
      callStarted: ({ method }) => {
        lines.push(`${method.name} begins`);
        return { ended: () => void lines.push(`${method.name} ends`) };
      },
      event: ({ type }) => void lines.push(type),
      closed: () => void lines.push("closed"),
    };
  };
  return { lines, transports, observer };
}

describe("an observer of transports", () => {
  it("hears of the calls and the events of each, and of its end", async () => {
    const { lines, transports, observer } = notes();
    const events: string[] = [];
    const { client, transport, ready, clock } = balanced({
      observers: [observer],
      links,
      onEvent: ({ type }) => void events.push(type),
    });
    assert.equal(transports.length, 1);
    await ready();
    await client.route({});
    const [observed] = transports;
    assert.deepEqual(
      JSON.parse(JSON.stringify(observed!.snapshot())),
      JSON.parse(JSON.stringify(transport.snapshot())),
    );
    assert.deepEqual([observed!.now(), observed!.closed], [clock.now(), false]);
    assert.deepEqual(lines.filter((line) => !/ends|begins/.test(line)), events);
    assert.deepEqual(lines.filter((line) => /ends|begins/.test(line)), ["Route begins", "Route ends"]);
    await transport.close();
    await transport.close();
    assert.equal(observed!.closed, true);
    assert.equal(lines.filter((line) => line === "closed").length, 1);
  });

  it("knows what kind of name is resolved, with pull transports, too", async () => {
    const registry = createMemoryRegistry(), { transports, observer } = notes();
    const options: Omit<BalancedTransportOptions, "resolver"> = { connector: grpcConnector(), observers: [observer] };
    const all = [
      createBalancedTransport({ ...options, resolver: registry.resolver("simple") }),
      createPullTransport({ ...options, resolver: registry.resolver("simple") }),
      createBalancedTransport({ ...options, resolver: staticResolver(["10.0.0.5:80"]) }),
    ];
    assert.deepEqual(transports.map(({ target, scheme }) => [target, scheme]), [
      ["simple", "memory"],
      ["simple", "memory"],
      ["10.0.0.5:80", undefined],
    ]);
    for (const transport of all) await transport.close();
    assert.deepEqual(transports.map(({ closed }) => closed), [true, true, true]);
    await registry.close();
  });

  it("is told the protocol of its links, if it isn't gRPC's", async () => {
    const { transports, observer } = notes();
    const { transport } = balanced({ observers: [observer], links });
    const web = createBalancedTransport({
      resolver: staticResolver(["10.0.0.5:80"]),
      connector: fetchConnector({ protocol: "grpc-web" }),
      observers: [observer],
    });
    assert.deepEqual(transports.map(({ protocol }) => protocol), [undefined, "grpc-web"]);
    for (const each of [transport, web]) await each.close();
  });

  it("hears of weights by load reports if it listens to them, beside observers of calls, until the end", async () => {
    const updates: ReportedWeights[] = [], heard: string[] = [];
    const observers: BalancedTransportOptions["observers"] = [
      { callStarted: ({ method }) => void heard.push(method.name) },
      () => ({}),
      () => ({ weightsUpdated: (weights) => void updates.push(weights) }),
    ];
    const policy = weightedRoundRobin({ loadReports: {} });
    const { client, clock, ready, transport } = balanced({ observers, links, policy });
    await ready();
    await client.route({});
    assert.deepEqual(updates.at(-1), { weights: [0, 0, 0], notYetUsable: 3, stale: 0, fallback: true });
    const before = updates.length;
    await clock.advance(1_000);
    await client.route({});
    assert.equal(updates.length, before + 1);
    assert.deepEqual(heard, ["Route", "Route"]);
    await transport.close();
  });

  it("makes no policy count weights that nobody listens to", async () => {
    const counted: boolean[] = [], inner = roundRobin();
    const policy: Policy = (connections, previous, env) => {
      counted.push(env.reportWeights !== undefined);
      return inner(connections, previous, env);
    };
    for (const watch of [{}, { weightsUpdated() {} }]) {
      const { ready, transport } = balanced({ observers: [() => watch], links, policy });
      await ready();
      assert.equal(counted.pop(), "weightsUpdated" in watch);
      await transport.close();
    }
  });

  it("does no harm by throwing", async (t) => {
    const printed: unknown[] = [];
    t.mock.method(console, "error", (text: unknown) => void printed.push(text));
    const throwing = () => {
      throw new Error("an observer's own");
    };
    const { lines, observer } = notes();
    const { client, transport, ready } = balanced({
      observers: [throwing, () => ({ event: throwing, closed: throwing, callStarted: () => {} }), observer],
      links,
    });
    await ready();
    await client.route({});
    await transport.close();
    assert.ok(lines.includes("Route ends") && lines.includes("closed"));
    assert.equal(printed[0], "connect-lb: an observer of a transport threw");
    assert.ok(printed.includes("connect-lb: event of an observer threw"));
    assert.ok(printed.includes("connect-lb: closed of an observer threw"));
  });
});

describe("the messages of an attempt", () => {
  it("are counted in bytes, for those who hear of its end", async () => {
    const server = await serveRoutes(simpleRoutes({ name: "a" }));
    const seen: [string, number | undefined, number | undefined][] = [];
    const transport = createBalancedTransport({
      resolver: staticResolver([`127.0.0.1:${server.port}`]),
      connector: grpcConnector(),
      onAttempt: ({ method, sentBytes, receivedBytes }) => void seen.push([method.name, sentBytes, receivedBytes]),
    });
    const simple = createClient(Simple, transport);
    await simple.route({ data: "x" });
    for await (const _ of simple.routeServerStream({ data: "x" }));
    await simple.routeClientStream((async function* () {
      yield { data: "x" };
      yield { data: "yz" };
    })());
    assert.deepEqual(seen, [["Route", 3, 15], ["RouteServerStream", 3, 51], ["RouteClientStream", 7, 12]]);
    await transport.close();
    await server.close();
  });
});
