import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createContextKey, createContextValues, createRouterTransport } from "@connectrpc/connect";
import type { Connection, Outcome } from "../../src/connection/connection.ts";
import { balance } from "../../src/call/options.ts";
import { markAttempt } from "../../src/connection/mark.ts";
import { drop } from "../../src/policy/drop.ts";
import { excluding } from "../../src/policy/excluding.ts";
import type { CallInfo, Picker, Policy, PolicyEnvironment } from "../../src/policy/policy.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import { view } from "../../src/policy/view.ts";
import { Simple } from "../../gen/simple_pb.ts";
import { balanced, failureOf } from "../support/balanced.ts";
import { settled } from "../support/manual-clock.ts";

/** Round robin with some methods of its pickers replaced. */
function around(
  change: (inner: Picker, connections: readonly Connection[], env: PolicyEnvironment) => Partial<Picker>,
) {
  const inner = roundRobin();
  const policy: Policy = (connections, previous, env) => {
    const picker = inner(connections, previous, env);
    return { pick: (call) => picker.pick(call), ...change(picker, connections, env) };
  };
  return policy;
}

/** A connection that became ready gets no calls for its first `warmUpMs`: a decorator with time of its own. */
function slowStart(inner: Policy, warmUpMs: number): Policy {
  const readyAt = new WeakMap<Connection, number>();
  const views = new WeakMap<Connection, Connection>();
  return (connections, previous, env) => {
    const shown = connections.map((connection) => {
      if (connection.state !== "ready") {
        readyAt.delete(connection);
      } else if (!readyAt.has(connection)) {
        readyAt.set(connection, env.now());
        env.timer(warmUpMs, () => env.update());
      }
      let seen = views.get(connection);
      if (seen === undefined) {
        const change = {
          get available() {
            return env.now() - (readyAt.get(connection) ?? Infinity) >= warmUpMs;
          },
        };
        views.set(connection, seen = view(connection, change));
      }
      return seen;
    });
    return inner(shown, previous, env);
  };
}

const versionKey = createContextKey<string | undefined>(undefined);

/** Calls that ask for a version go to its servers alone: a decorator that looks at each call. */
function byVersion(inner: Policy, versionOf: (connection: Connection) => string): Policy {
  return (connections, previous, env) => {
    const picker = inner(connections, previous, env);
    return Object.assign(Object.create(picker), {
      pick(call: CallInfo) {
        const version = call.contextValues.get(versionKey);
        if (version === undefined) return picker.pick(call);
        return picker.pick(excluding(call, (connection) => versionOf(connection) !== version));
      },
    });
  };
}

describe("a policy", () => {
  it("decorates another that sees views of the connections, and may hold them back for a time", async () => {
    const { client, clock, ready, transport } = balanced({ policy: slowStart(roundRobin(), 5_000) });
    await ready();
    const early = client.route({ data: "x" });
    await clock.advance(4_900);
    assert.equal(transport.snapshot().waiting, 1, "nothing is warm yet");
    await clock.advance(200);
    assert.equal((await early).code, 200);
    const names = [await client.route({}), await client.route({}), await client.route({})].map(({ value }) => value);
    assert.equal(new Set(names).size, 3);
    await transport.close();
    assert.deepEqual(clock.pending, []);
  });

  it("sends calls that ask for it to some connections only", async () => {
    const versionOf = ({ endpoint }: Connection) => (endpoint.address === "b:1" ? "2" : "1");
    const picked: string[] = [];
    const { client, ready, transport } = balanced({
      policy: byVersion(roundRobin(), versionOf),
      onAttempt: ({ endpoint }) => void picked.push(endpoint.address),
    });
    await ready();
    for (let i = 0; i < 3; i++) {
      await client.route({}, { contextValues: createContextValues().set(versionKey, "2") });
    }
    for (let i = 0; i < 4; i++) {
      await client.route({}, { contextValues: createContextValues().set(versionKey, "1") });
    }
    assert.deepEqual(picked.slice(0, 3), ["b:1", "b:1", "b:1"]);
    assert.ok(!picked.slice(3).includes("b:1"), picked.join());
    await transport.close();
  });

  it("sees the key that a call is given, beside its other settings", async () => {
    const keys: (string | undefined)[] = [];
    const { client, ready, transport } = balanced({
      policy: around((inner) => ({
        pick: (call) => (keys.push(excluding(call, () => false).hashKey), inner.pick(call)),
      })),
    });
    await ready();
    await client.route({}, balance({ hashKey: "ada" }));
    await client.route({}, balance({ waitForReady: true }, balance({ hashKey: "grace" })));
    for await (const _ of client.routeServerStream({}, balance({ hashKey: "" })));
    await client.route({}, balance({ waitForReady: true }));
    await client.route({});
    assert.deepEqual(keys, ["ada", "grace", "", undefined, undefined]);
    await transport.close();
  });

  it("goes elsewhere after a refusal, although it picks views", async () => {
    const attempts: string[] = [];
    const { client, ready, transport } = balanced({
      policy(connections) {
        for (const connection of connections) connection.connect();
        const views = connections.map((connection) => view(view(connection, {}), {}));
        return { pick: (call) => views.find((seen) => seen.available && !call.excluded(seen)) ?? "wait" };
      },
      links: {
        transport: ({ address }) =>
          createRouterTransport(({ service }) =>
            service(Simple, {
              route() {
                if (address === "a:1") throw new ConnectError("away", Code.Unavailable);
                return { code: 200, value: address };
              },
            })
          ),
      },
      retry: { methods: ["proto.Simple"] },
      onAttempt: ({ endpoint }) => void attempts.push(endpoint.address),
    });
    await ready();
    for (let i = 0; i < 2; i++) assert.equal((await client.route({})).code, 200);
    assert.deepEqual(attempts, ["a:1", "b:1", "a:1", "b:1"]);
    await transport.close();
  });

  it("calls servers on its own: on a ready connection, behind a view as well, until that is ready no more", async () => {
    let seen: readonly Connection[] = [], environment: PolicyEnvironment | undefined;
    const attempts: string[] = [];
    const { clock, links, ready, transport } = balanced({
      policy: around((_, connections, env) => {
        [seen, environment] = [connections, env];
        return { done: () => assert.fail("no attempt was made") };
      }),
      onAttempt: ({ endpoint }) => void attempts.push(endpoint.address),
      links: {
        transport: ({ address }) =>
          createRouterTransport(({ service }) =>
            service(Simple, {
              async route({ data }, { signal }) {
                if (data === "never") await new Promise((resolve) => signal.addEventListener("abort", resolve));
                return { value: address };
              },
            })
          ),
      },
    });
    const own = (connection: Connection, data: string) =>
      environment!.transport(connection)!.unary(Simple.method.route, undefined, undefined, undefined, { data });
    await ready();
    await clock.advance(20_000);
    const [a, b, c] = seen as [Connection, Connection, Connection];
    assert.equal((await own(b, "x")).message.value, "b:1");
    assert.equal((await own(view(view(c, { available: false }), {}), "x")).message.value, "c:1");
    const waiting = [a, b, c].map((connection) => failureOf(own(connection, "never")));
    await settled();
    const { endpoints } = transport.snapshot();
    assert.deepEqual(endpoints!.map(({ picks, inFlight }) => [picks, inFlight]), [[0, 0], [0, 0], [0, 0]]);
    links.get("a:1")!.events.lost(new Error("gone"));
    assert.equal(environment!.transport(a), undefined);
    assert.match(String(await waiting[0]), /no longer ready/);
    const { endpoint, state, available, inFlight, failure } = b;
    const stranger = { endpoint, state, available, inFlight, failure, place: 0, connect() {}, disconnect() {} };
    assert.equal(environment!.transport(stranger), undefined, "a connection that it was not given");
    await clock.advance(40);
    assert.equal((await own(a, "x")).message.value, "a:1", "ready again");
    await transport.close();
    for (const error of await Promise.all(waiting)) assert.equal((error as ConnectError).code, Code.Unavailable);
    assert.equal(environment!.transport(b), undefined);
    assert.deepEqual(attempts, []);
  });

  it("is called again soon after it asked for it, once for many times, and never while the transport is idle", async () => {
    let builds = 0;
    let environment: PolicyEnvironment | undefined;
    const { client, clock, ready, transport } = balanced({
      idleTimeoutMs: 1_000,
      policy: around((_, __, env) => {
        assert.ok(environment === undefined || environment === env, "one environment for a transport");
        environment = env;
        builds++;
        return {};
      }),
    });
    await ready();
    await clock.advance(100);
    const before = builds;
    for (let i = 0; i < 10; i++) environment!.update();
    await settled();
    assert.equal(builds, before + 1);
    environment!.update();
    await settled();
    assert.equal(builds, before + 1, "the pool's pace");
    await clock.advance(20);
    assert.equal(builds, before + 2);
    await clock.advance(2_500);
    assert.equal(transport.snapshot().endpoints, undefined, "idle");
    environment!.update();
    await clock.advance(100);
    assert.equal(builds, before + 2);
    assert.equal((await client.route({ data: "x" })).code, 200);
    await transport.close();
    environment!.update();
    await clock.advance(100);
  });

  it("may ask for the next picker while it builds one", async () => {
    let builds = 0, asks = 0;
    let environment: PolicyEnvironment | undefined;
    const { clock, ready, transport } = balanced({
      policy: around((_, __, env) => {
        environment = env;
        builds++;
        if (asks-- > 0) env.update();
        return {};
      }),
    });
    await ready();
    await clock.advance(100);
    const before = builds;
    asks = 1;
    // It is built at once, since the last one was long ago.
    environment!.update();
    await settled();
    assert.equal(builds, before + 1);
    await clock.advance(20);
    assert.equal(builds, before + 2);
    await transport.close();
  });

  it("may ask for a new picker during a pick by a call that waits", async () => {
    let open = false;
    const { client, clock, ready, transport } = balanced({
      policy: around((inner, _, env) => ({
        pick(call) {
          if (open) return inner.pick(call);
          open = true;
          env.update();
          return "wait";
        },
      })),
    });
    await ready();
    const call = client.route({ data: "x" });
    await clock.advance(40);
    assert.equal((await call).code, 200);
    assert.ok(transport.snapshot().endpoints!.every(({ inFlight }) => inFlight === 0));
    await transport.close();
  });

  it("has timers that don't hold the process, and end with the transport, as its last picker learns", async (t) => {
    const print = t.mock.method(console, "error", () => {});
    const fired: string[] = [];
    const closed: number[] = [];
    let built = 0;
    const { clock, ready, transport } = balanced({
      idleTimeoutMs: Infinity,
      policy: around((_, __, env) => {
        const number = ++built;
        if (number === 1) {
          env.timer(100, () => {
            fired.push("first");
            throw new Error("mine");
          });
          env.timer(200, () => void fired.push("cancelled")).cancel();
          env.timer(1_000, () => void fired.push("late"));
        }
        return {
          close() {
            closed.push(number);
            env.timer(0, () => void fired.push("after"));
            throw new Error("mine, too");
          },
        };
      }),
    });
    await ready();
    await clock.advance(500);
    assert.equal(clock.held, 0);
    assert.deepEqual(fired, ["first"]);
    await Promise.all([transport.close(), transport.close()]);
    await clock.advance(5_000);
    assert.deepEqual(fired, ["first"]);
    assert.deepEqual(closed, [built]);
    assert.equal(print.mock.callCount(), 2);
  });
});

describe("a pick", () => {
  it("may bring metadata, for one attempt only", async () => {
    const got: (string | null)[] = [];
    const headers: (string | null)[] = [];
    const { client, ready, transport } = balanced({
      policy: around((inner) => ({
        pick(call) {
          const connection = inner.pick(call);
          if (typeof connection !== "object" || !("endpoint" in connection)) return connection;
          return { connection, header: { "lb-token": `for ${connection.endpoint.address}` } };
        },
      })),
      retry: { methods: ["proto.Simple"] },
      links: {
        transport: ({ address }) =>
          createRouterTransport(({ service }) =>
            service(Simple, {
              route(_, { requestHeader }) {
                got.push(requestHeader.get("lb-token"));
                headers.push(requestHeader.get("mine"));
                if (address === "a:1") throw new ConnectError("away", Code.Unavailable);
                return { code: 200 };
              },
              async *routeServerStream(_, { requestHeader }) {
                got.push(requestHeader.get("lb-token"));
                yield {};
              },
            })
          ),
      },
    });
    await ready();
    await client.route({}, { headers: { mine: "yes" } });
    for await (const _ of client.routeServerStream({}));
    assert.deepEqual(got, ["for a:1", "for b:1", "for c:1"]);
    assert.deepEqual(headers, ["yes", "yes"]);
    await transport.close();
  });

  it("that no request can carry fails the call and leaves nothing in flight", async () => {
    const { client, ready, transport } = balanced({
      policy: around((_, [connection]) => ({
        pick: () => ({ connection: connection!, header: { "not a name": "x" } }),
      })),
    });
    await ready();
    const error = await failureOf(client.route({}));
    assert.equal((error as ConnectError).code, Code.Internal);
    assert.match(String(error), /the policy's picker returned metadata that a request can't carry/);
    assert.ok(transport.snapshot().endpoints!.every(({ inFlight, picks }) => inFlight === 0 && picks === 0));
    await transport.close();
  });

  it("may drop a call: it fails at once, though it waits for readiness, with the drop's code", async () => {
    let dropped: Error = drop(new Error("too much to do"));
    const { client, clock, ready, transport } = balanced({ policy: around(() => ({ pick: () => dropped })) });
    await ready();
    const waiting = balance({ waitForReady: true });
    const error = await failureOf(client.route({}, waiting)) as ConnectError;
    assert.equal(error.code, Code.Unavailable);
    assert.equal(error.rawMessage, "proto.Simple/Route: too much to do");
    dropped = drop(new ConnectError("not today", Code.ResourceExhausted));
    const other = await failureOf(client.routeServerStream({}, waiting)[Symbol.asyncIterator]().next()) as ConnectError;
    assert.equal(other.code, Code.ResourceExhausted);
    dropped = new Error("no drop");
    const kept = failureOf(client.route({}, balance({ waitForReady: true }, { timeoutMs: 50 })));
    await clock.advance(60);
    assert.equal((await kept as ConnectError).code, Code.DeadlineExceeded);
    assert.equal(transport.snapshot().waiting, 0);
    assert.throws(() => drop("x" as unknown as Error), TypeError);
    await transport.close();
  });

  it("may drop a call that was refused elsewhere", async () => {
    const attempts: string[] = [];
    const { client, ready, clock, transport } = balanced({
      policy: around((inner) => ({
        pick: (call) => attempts.length === 0 ? inner.pick(call) : drop(new ConnectError("enough", Code.Aborted)),
      })),
      onAttempt: ({ endpoint }) => void attempts.push(endpoint.address),
      links: {
        transport: () => {
          const refuse = () => Promise.reject(markAttempt(new Error("refused"), "refused"));
          return { unary: refuse, stream: refuse };
        },
      },
    });
    await ready();
    const failed = failureOf(client.route({}, balance({ waitForReady: true })));
    await clock.advance(100);
    assert.equal((await failed as ConnectError).code, Code.Aborted);
    assert.equal(attempts.length, 1);
    await transport.close();
  });

  it("is notified of its end: of which object, of which call, when the server began to answer, with what trailers", async () => {
    const told: { connection: Connection; outcome: Outcome; call: CallInfo }[] = [];
    const views = new Map<Connection, Connection>();
    const { client, clock, ready, transport } = balanced({
      policy(connections, previous, env) {
        for (const connection of connections) {
          if (!views.has(connection)) views.set(connection, view(connection, {}));
        }
        const picker = roundRobin()([...views.values()], previous, env);
        return {
          pick: (call) => picker.pick(call),
          done: (connection, outcome, call) => void told.push({ connection, outcome, call }),
        };
      },
      links: {
        transport: () =>
          createRouterTransport(({ service }) =>
            service(Simple, {
              route({ data }, { responseTrailer }) {
                if (data === "fail") {
                  throw new ConnectError("no", Code.InvalidArgument, { load: "0.9" });
                }
                responseTrailer.set("load", "0.5");
                return {};
              },
              async *routeServerStream(_, { responseTrailer }) {
                yield {};
                responseTrailer.set("load", "0.7");
                yield {};
              },
            })
          ),
      },
    });
    await ready();
    await client.route({}, { headers: { mine: "yes" } });
    await failureOf(client.route({ data: "fail" }));
    const reader = client.routeServerStream({})[Symbol.asyncIterator]();
    await reader.next();
    await clock.advance(500);
    while (!(await reader.next()).done);
    assert.deepEqual(told.map(({ outcome }) => outcome.trailer.get("load")), ["0.5", "0.9", "0.7"]);
    assert.deepEqual(told.map(({ outcome }) => outcome.code), [undefined, Code.InvalidArgument, undefined]);
    assert.deepEqual(told.map(({ outcome }) => outcome.latencyMs), [0, 0, 500]);
    assert.deepEqual(told.map(({ outcome }) => outcome.headerMs), [0, 0, 0]);
    assert.deepEqual(told.map(({ call }) => call.method.name), ["Route", "Route", "RouteServerStream"]);
    assert.equal(told[0]!.call.header.get("mine"), "yes");
    for (const { connection } of told) assert.ok([...views.values()].includes(connection));
    await transport.close();
  });
});
