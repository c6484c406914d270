import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import type { Fetch } from "../../../src/fetcher.ts";
import { createKubernetesResolver, type KubernetesResolverOptions } from "../../../src/resolver/kubernetes/resolver.ts";
import type { Resolver } from "../../../src/resolver/resolver.ts";
import { Consumer } from "../../support/consumer.ts";
import { eventually } from "../../support/eventually.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { ApiServer } from "./api-server.ts";
import { slice } from "./slice.ts";

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(): Promise<ApiServer> {
  const server = await new ApiServer().listen();
  cleanups.push(() => server.close());
  return server;
}

function consume(resolver: Resolver): Consumer {
  const consumer = new Consumer(resolver);
  cleanups.push(() => consumer.stop());
  return consumer;
}

function resolverOf(server: ApiServer, options: Partial<KubernetesResolverOptions> = {}): Resolver {
  return createKubernetesResolver({ service: "simple", random: () => 0, ...options }, () => ({ server: server.url }));
}

/** Waits until a watch is open at both ends: a change arrives. Then no request is on its way that a turned clock ends. */
async function watching(server: ApiServer, consumer: Consumer, address: string): Promise<void> {
  await eventually("it watches", () => server.open === 1);
  server.put(slice("a", [address]));
  await consumer.has(`${address}:8000`);
}

/** A clock that stands still for everything but what a test turns on, while requests take real time. */
async function turn(clock: ManualClock, ms: number, what: string, until: () => boolean): Promise<void> {
  await eventually(what, async () => {
    if (!until()) await clock.advance(ms);
    return until();
  });
}

describe("the watch of a Kubernetes service", () => {
  it("lists again when the server refuses the watch with 410", async () => {
    const server = await serve();
    server.put(slice("a", ["10.0.0.1"]));
    let refused = 0;
    const fetch: Fetch = (url, init) => {
      if (!url.includes("watch=1") || refused++ > 0) return globalThis.fetch(url, init);
      return Promise.resolve(new Response(JSON.stringify({ code: 410, message: "Gone" }), { status: 410 }));
    };
    const consumer = consume(resolverOf(server, { cluster: { server: server.url, fetch } }));
    await eventually("it watches", () => server.open === 1);
    assert.equal(server.lists, 2);
    assert.equal(consumer.last?.stale, undefined);
  });

  it("opens a watch again that has been silent for too long, without calling its set stale", async () => {
    const server = await serve(), clock = new ManualClock();
    const consumer = consume(resolverOf(server, { clock }));
    await watching(server, consumer, "10.0.0.1");
    await turn(clock, 45_000, "it watches again", () => server.watches === 2);
    assert.equal(server.asked.at(-1)!.query.get("resourceVersion"), "101");
    assert.ok(consumer.resolutions.every(({ stale }) => stale === undefined));
  });

  it("keeps a watch on which bookmarks arrive", async () => {
    const server = await serve(), clock = new ManualClock();
    const resolver = resolverOf(server, { clock });
    const consumer = consume(resolver);
    await watching(server, consumer, "10.0.0.9");
    for (let i = 0; i < 4; i++) {
      await clock.advance(60_000);
      const before = consumer.resolutions.length;
      server.bookmark();
      // A change after it shows that the bookmark has arrived.
      server.put(slice("a", [`10.0.0.${i + 1}`]));
      await eventually("the change arrives", () => consumer.resolutions.length > before);
    }
    assert.equal(server.watches, 1);
  });

  it("notices that the server no longer answers when a silent watch is opened again", async () => {
    const server = await serve(), clock = new ManualClock();
    server.put(slice("a", ["10.0.0.1"]));
    const consumer = consume(resolverOf(server, { clock }));
    await eventually("it watches", () => server.open === 1);
    server.mute = true;
    await turn(clock, 5_000, "it is stale", () => consumer.last?.stale !== undefined);
    assert.match(consumer.last!.stale!.cause.message, /did not answer within 10000 ms/);
    assert.equal(consumer.addresses, "10.0.0.1:8000");
    server.mute = false;
    await turn(clock, 500, "it is fresh", () => consumer.last?.stale === undefined);
  });

  it("is opened again soon after a connection failed, if it has nothing to say", async () => {
    const server = await serve(), clock = new ManualClock();
    const resolver = resolverOf(server, { clock });
    const consumer = consume(resolver);
    await watching(server, consumer, "10.0.0.1");
    resolver.refresh!();
    await turn(clock, 2_500, "it watches again", () => server.watches === 2);
    await watching(server, consumer, "10.0.0.2");
    resolver.refresh!();
    await clock.advance(10_000);
    assert.equal(server.watches, 2);
  });

  it("says which Role is missing when it is refused, and tries again after a while", async () => {
    const server = await serve(), clock = new ManualClock();
    const message = 'endpointslices.discovery.k8s.io is forbidden: User "system:serviceaccount:default:default"';
    server.refusal = { status: 403, body: JSON.stringify({ kind: "Status", message, code: 403 }) };
    const consumer = consume(resolverOf(server, { clock }));
    const { message: said } = await consumer.wasStale(/403/);
    assert.match(said, /is forbidden: User/);
    assert.match(said, /Role in the namespace default that allows get, list and watch on endpointslices/);
    assert.equal(consumer.last!.endpoints, undefined);
    server.refusal = undefined;
    await clock.advance(29_000);
    assert.equal(server.asked.length, 1);
    server.put(slice("a", ["10.0.0.1"]));
    await clock.advance(1_000);
    await consumer.has("10.0.0.1:8000");
  });

  it("tries again soon when it is refused by a server that it was admitted to before, which may be starting", async () => {
    const server = await serve(), clock = new ManualClock();
    const consumer = consume(resolverOf(server, { clock }));
    await watching(server, consumer, "10.0.0.1");
    server.refusal = { status: 403, body: "forbidden" };
    server.cutWatches();
    await turn(clock, 10, "it was refused", () => /403/.test(consumer.last?.stale?.cause.message ?? ""));
    server.refusal = undefined;
    await turn(clock, 100, "it is fresh", () => consumer.last?.stale === undefined);
    assert.ok(clock.now() < 5_000, String(clock.now()));
  });

  it("waits as long as a busy server wants", async () => {
    const server = await serve(), clock = new ManualClock();
    server.refusal = { status: 429, body: "busy", headers: { "retry-after": "7" } };
    const consumer = consume(resolverOf(server, { clock }));
    await consumer.wasStale(/429: busy/);
    assert.deepEqual(clock.pending, [7_000]);
  });

  it("has one watch for all consumers, and ends it with the last one", async () => {
    const server = await serve(), resolver = resolverOf(server);
    server.put(slice("a", ["10.0.0.1"]));
    const first = consume(resolver), second = consume(resolver);
    await first.has("10.0.0.1:8000");
    await second.has("10.0.0.1:8000");
    await eventually("it watches", () => server.open === 1);
    first.stop();
    server.put(slice("a", ["10.0.0.2"]));
    await second.has("10.0.0.2:8000");
    second.stop();
    await eventually("the watch ends", () => server.open === 0);
    assert.equal(server.lists, 1);
    const third = consume(resolver);
    await third.has("10.0.0.2:8000");
    assert.equal(server.lists, 2);
  });

  it("survives lines that are no events", async () => {
    const server = await serve();
    server.put(slice("a", ["10.0.0.1"]));
    const consumer = consume(resolverOf(server));
    await eventually("it watches", () => server.open === 1);
    server.say('\n{"type":"ADDED"}\n[]\n{"type":"NEW","object":{"metadata":{"resourceVersion":"7","name":"z"}}}\n');
    server.put(slice("a", ["10.0.0.2"]));
    await consumer.has("10.0.0.2:8000");
    server.say("<html>\n");
    await consumer.wasStale(/something other than JSON: <html>/);
    await consumer.has("10.0.0.2:8000");
  });

  it("paces watches that end at once", async () => {
    const server = await serve(), clock = new ManualClock();
    consume(resolverOf(server, { clock, random: () => 1 }));
    await eventually("it watches", () => server.open === 1);
    server.endWatches();
    await eventually("it watches again", () => server.open === 1);
    server.endWatches();
    await eventually("it waits", () => clock.pending.join() === "400");
  });

  it("reports a port that is not there, and resolves once it is", async () => {
    const server = await serve();
    server.put(slice("a", ["10.0.0.1"], { ports: [{ name: "web", port: 80 }] }));
    const consumer = consume(resolverOf(server, { port: "grpc" }));
    await consumer.wasStale(/has no port grpc: it has web/);
    server.put(slice("a", ["10.0.0.1"]));
    await consumer.has("10.0.0.1:8000");
  });

  it("can be read once", async () => {
    const server = await serve();
    server.put(slice("a", ["10.0.0.1"]));
    const resolver = resolverOf(server);
    const { endpoints } = await resolver.list!(new AbortController().signal);
    assert.deepEqual(endpoints, [{ address: "10.0.0.1:8000" }]);
    assert.equal(server.watches, 0);
    server.refusal = { status: 404, body: "<html>nginx</html>" };
    await assert.rejects(resolver.list!(new AbortController().signal), /404: <html>nginx<\/html> \(is this the URL/);
    server.refusal = { status: 200, body: "{}" };
    await assert.rejects(resolver.list!(new AbortController().signal), /not a list of EndpointSlices/);
    await assert.rejects(resolver.list!(AbortSignal.abort(new Error("left"))), /left/);
  });

  it("asks for the token at each request, and shows it nowhere", async () => {
    const server = await serve(), tokens = ["secret-1\n", "secret-2", "bad token"];
    const fetch: Fetch = (url, init) => globalThis.fetch(url.replace("https://k8s.test", server.url), init);
    const cluster = { server: "https://k8s.test/", fetch, token: () => tokens.shift()! };
    const resolver = resolverOf(server, { cluster });
    await resolver.list!(new AbortController().signal);
    await resolver.list!(new AbortController().signal);
    assert.deepEqual(server.asked.map(({ token }) => token), ["secret-1", "secret-2"]);
    await assert.rejects(resolver.list!(new AbortController().signal), (error: Error) => {
      assert.match(error.message, /the token of the Kubernetes API server is empty or not one/);
      assert.doesNotMatch(error.message, /bad token/);
      return true;
    });
  });

  it("checks its options", () => {
    const make = (options: object) => () => resolverOf({ url: "http://127.0.0.1:1" } as ApiServer, options);
    assert.throws(make({ service: "a/b" }), /option service is "a\/b": expected a name of at most 63/);
    assert.throws(make({ namespace: "../x" }), /option namespace is/);
    assert.throws(make({ port: 0 }), /option port is 0/);
    assert.throws(make({ adressType: "IPv6" }), /did you mean addressType/);
    assert.throws(make({ cluster: {} }), /option cluster.server is undefined: expected the URL/);
    assert.throws(make({ cluster: { server: "https://u:secret@h" } }), (error: Error) => !/secret/.test(error.message));
    assert.throws(make({ cluster: { server: "http://h", token: () => "t" } }), /cluster.token needs a server with TLS/);
  });
});
