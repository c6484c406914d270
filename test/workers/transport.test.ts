import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import {
  Code,
  createClient,
  createContextKey,
  createContextValues,
  type Interceptor,
  type Transport,
} from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { type Attempt, explainCall, flightRecorder } from "../../src/index.ts";
import { createMemoryRegistry } from "../../src/registry/memory.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { createWorkerTransport, type StreamSocket, type WorkerTransportOptions } from "../../src/workers.ts";
import { failureOf } from "../support/balanced.ts";
import { eventually } from "../support/eventually.ts";
import { type SimpleServer, startSimpleServer } from "../support/servers/simple.ts";
import { streamConnect } from "./stream-connect.ts";

/** A request's context; what it was asked to wait for. */
class Context {
  readonly waited: Promise<unknown>[] = [];
  waitUntil(promise: Promise<unknown>) {
    this.waited.push(promise);
  }
}

async function servers(t: TestContext, count: number): Promise<SimpleServer[]> {
  const started = await Promise.all(Array.from({ length: count }, (_, i) =>
    startSimpleServer({
      methods: { route: () => ({ code: 200, value: `${i}` }) },
    })));
  t.after(() => Promise.all(started.map((server) => server.close())));
  return started;
}

function transport(addresses: readonly string[], options: Partial<WorkerTransportOptions> = {}) {
  const counted = streamConnect();
  const created = createWorkerTransport({
    resolver: staticResolver(addresses),
    connect: counted.connect,
    random: () => 0,
    ...options,
  });
  const client = (ctx: Context) => createClient(Simple, created.forRequest(ctx));
  return { counted, created, client };
}

const answers = async (client: { route(request: { data: string }): Promise<{ value: string }> }, calls: number) => {
  let values = "";
  for (let i = 0; i < calls; i++) values += (await client.route({ data: "x" })).value;
  return values;
};

describe("createWorkerTransport", () => {
  it("goes on with the rotation in each request, over sockets of its own", async (t) => {
    const started = await servers(t, 3);
    const { counted, client } = transport(started.map(({ address }) => address));
    const [first, second] = [new Context(), new Context()];
    const inOrder = await answers(client(first), 2) + await answers(client(second), 2) +
      await answers(client(first), 2);
    assert.match(inOrder, /^(.)(.)(.)\1\2\3$/);
    assert.equal(new Set(inOrder).size, 3);
    // Only to the endpoints that were picked: two in the second request, and in the first two and then a third one.
    assert.equal(counted.ports.length, 5);
  });

  it("records the calls of all requests in one flight recorder, and explains those that failed", async (t) => {
    const [server] = await servers(t, 1), recorder = flightRecorder();
    const { created, client } = transport([server!.address], { recorder });
    assert.equal(created.recorder, recorder);
    for (const ctx of [new Context(), new Context()]) assert.equal((await client(ctx).route({ data: "x" })).value, "0");
    const calls = recorder.calls();
    assert.deepEqual(calls.map(({ code, method }) => [code, method]), [
      ["OK", "proto.Simple/Route"],
      ["OK", "proto.Simple/Route"],
    ]);
    assert.deepEqual(calls.map(({ attempts }) => attempts.map(({ endpoint, end }) => [endpoint, end])), [
      [[server!.address, "answered"]],
      [[server!.address, "answered"]],
    ]);
    const away = transport(["127.0.0.1:1"], { recorder, waitTimeoutMs: 200 });
    const failure = await failureOf(away.client(new Context()).route({ data: "x" }));
    assert.match(
      explainCall(failure),
      /failed with UNAVAILABLE after [\d.]+ ms:[^]*What to do:\n {2}No server can be reached/,
    );
    assert.equal(recorder.calls({ which: "failed" })[0]!.code, "UNAVAILABLE");
  });

  it("shares the sockets of a request among all transports for it", async (t) => {
    const started = await servers(t, 1);
    const { counted, client } = transport(started.map(({ address }) => address));
    const ctx = new Context();
    for (let i = 0; i < 3; i++) await answers(client(ctx), 2);
    assert.equal(counted.ports.length, 1);
  });

  it("sends calls elsewhere while an endpoint can't be reached, in later requests, too", async (t) => {
    const [alive] = await servers(t, 1) as [SimpleServer];
    const attempts: Attempt[] = [];
    const { client, created } = transport([alive.address, "127.0.0.1:1"], {
      onAttempt: (attempt) => void attempts.push(attempt),
    });
    for (let request = 0; request < 3; request++) assert.equal(await answers(client(new Context()), 4), "0000");
    assert.equal(attempts.filter(({ end }) => end === "not-sent").length, 1);
    assert.deepEqual(created.snapshot().endpoints?.map(({ state }) => state).toSorted(), [
      "ready",
      "transient_failure",
    ]);
  });

  it("leaves a caller's context values alone, which calls of several requests may share", async (t) => {
    const started = await servers(t, 1);
    const key = createContextKey("none"), seen: string[] = [];
    const look: Interceptor = (next) => (request) => {
      seen.push(request.contextValues.get(key));
      request.contextValues.set(key, "set by an interceptor");
      return next(request);
    };
    const { client, counted } = transport(started.map(({ address }) => address), { interceptors: [look] });
    const contextValues = createContextValues().set(key, "mine");
    await client(new Context()).route({ data: "x" }, { contextValues });
    await client(new Context()).route({ data: "x" }, { contextValues: contextValues.delete(key) });
    assert.deepEqual(seen, ["mine", "none"]);
    assert.equal(counted.ports.length, 2);
  });

  it("fails a call for good, saying what to do, when one request uses the transport of another", async (t) => {
    const [server] = await servers(t, 1) as [SimpleServer];
    const plain = streamConnect();
    let request = 1;
    const connect: typeof plain.connect = (target, options) => {
      const socket = plain.connect(target, options), openedIn = request;
      const refusing = new WritableStream<Uint8Array>({
        async write(bytes) {
          if (request !== openedIn) {
            throw new Error("Cannot perform I/O on behalf of a different request. I/O objects (such as …");
          }
          await inner.write(bytes);
        },
      });
      const inner = socket.writable.getWriter();
      // As in workerd, nothing else tells.
      return { ...socket, writable: refusing, closed: new Promise(() => {}) } as StreamSocket;
    };
    const { client } = transport([server.address], { connect, maxSockets: 1 });
    const kept = client(new Context());
    assert.equal((await kept.route({ data: "x" })).value, "0");
    request = 2;
    await assert.rejects(kept.route({ data: "x" }), {
      code: Code.FailedPrecondition,
      message: /another request: use createWorkerTransport with forRequest\(ctx\).*createBalancerObject/,
    });
    // The socket, which can't be closed either, takes no place.
    assert.equal((await kept.route({ data: "x" }, { timeoutMs: 10_000 })).value, "0");
  });

  it("opens a socket again when the server's went idle between two calls", async (t) => {
    const [server] = await servers(t, 1) as [SimpleServer];
    const { client, counted } = transport([server.address]);
    const simple = client(new Context());
    assert.equal(await answers(simple, 1), "0");
    await eventually("it is closed", () => counted.open === 0);
    assert.equal(await answers(simple, 1), "0");
  });

  it("fails calls without a request, and says how they get one", async () => {
    const { created } = transport(["127.0.0.1:1"]);
    const simple = createClient(Simple, created as unknown as Transport);
    const expected = { code: Code.FailedPrecondition, message: /transport\.forRequest\(ctx\)/ };
    await assert.rejects(simple.route({ data: "x" }), expected);
    await assert.rejects(simple.routeServerStream({ data: "x" })[Symbol.asyncIterator]().next(), expected);
  });

  it("refuses a registry in place of its resolver", async () => {
    const registry = createMemoryRegistry();
    assert.throws(() => transport([], { resolver: registry as never }), {
      name: "TypeError",
      message: "option resolver is a registry: expected registry.resolver(service)",
    });
    await registry.close();
  });

  it("refuses what isn't a request's context, and options that it hasn't", () => {
    const { created } = transport(["a:1"]);
    for (const ctx of [undefined, {}, { waitUntil: 1 }]) {
      assert.throws(() => created.forRequest(ctx as unknown as Context), /forRequest\(\) takes a request's context/);
    }
    for (const given of [{ maxConnectionsPerEndpoint: 2 }, { connector: () => {} }, { maxSocket: 1 }]) {
      assert.throws(() => transport(["a:1"], given as object), /createWorkerTransport\(\) has no option/);
    }
    assert.throws(() => transport(["a:1"], { maxSockets: 0 }), RangeError);
  });
});
