import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createRouterTransport, type Transport } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import type { Endpoint } from "../../src/endpoint.ts";
import type { Connection } from "../../src/connection/connection.ts";
import type { HealthEnvironment } from "../../src/health/health.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { balanced as balancedWith, failureOf } from "../support/balanced.ts";
import { manualResolver } from "../support/manual-resolver.ts";
import { pulled } from "../support/pulled.ts";

/** Each call makes one attempt. */
function balanced(options: Parameters<typeof balancedWith>[0] = {}): ReturnType<typeof balancedWith> {
  return balancedWith({ retry: false, ...options });
}

/** Servers of which those in `sick` answer with a code; `hits` counts the calls of each. */
function servers(...sick: string[]) {
  const state = { sick: new Set(sick), code: Code.Unavailable, hits: new Map<string, number>() };
  const transport = ({ address }: Endpoint): Transport =>
    createRouterTransport(({ service }) =>
      service(Simple, {
        route({ data }) {
          state.hits.set(address, (state.hits.get(address) ?? 0) + 1);
          if (data === "poison") throw new ConnectError("it crashed", Code.Internal);
          if (state.sick.has(address)) throw new ConnectError("the database is away", state.code);
          return { value: address };
        },
      })
    );
  const hits = (address: string) => state.hits.get(address) ?? 0;
  return { state, hits, links: { transport } };
}

type Client = ReturnType<typeof balanced>["client"];

/** Calls one after another; how many failed. */
async function calls(client: Client, count: number, data = ""): Promise<number> {
  let failed = 0;
  for (let i = 0; i < count; i++) await client.route({ data }).catch(() => failed++);
  return failed;
}

describe("a transport", () => {
  it("ejects a server that fails its calls, tries it again, and lets it back when it has recovered", async () => {
    const { state, hits, links } = servers("b:1");
    const { client, clock, ready, transport } = balanced({ links });
    await ready();
    assert.equal(await calls(client, 60), 5);
    await clock.advance(4_900);
    assert.equal(await calls(client, 60), 0);
    assert.equal(hits("b:1"), 5);
    await clock.advance(200);
    assert.equal(await calls(client, 60), 1, "one call is a trial");
    state.sick.clear();
    await clock.advance(10_000);
    assert.equal(await calls(client, 60), 0);
    assert.equal(hits("b:1"), 6 + 20);
    state.sick.add("b:1");
    const causes: unknown[] = [];
    for (let i = 0; i < 3; i++) await client.route({}).catch(({ cause }) => causes.push(cause));
    assert.deepEqual(causes, [undefined], "nothing is ejected any more");
    await transport.close();
    assert.deepEqual(clock.pending, []);
  });

  it("says in snapshots, events and errors what is ejected, for how long and why", async () => {
    const { links } = servers("b:1");
    const { client, clock, events, links: all, ready, transport } = balanced({ links });
    await ready();
    await calls(client, 60);
    await clock.advance(1_000);
    const { panic, endpoints } = transport.snapshot();
    assert.equal(panic, false);
    const why = "its last 5 calls failed, the last one with Unavailable";
    assert.deepEqual(endpoints!.map(({ ejected }) => ejected), [undefined, { forMs: 4_000, why }, undefined]);
    assert.deepEqual(endpoints!.map(({ available }) => available), [true, false, true]);
    const seen = events.flatMap((event) => event.type === "connection-health" ? [event] : []);
    assert.deepEqual(seen.map(({ endpoint, health, ejectedForMs }) => [endpoint.address, health, ejectedForMs]), [
      ["b:1", "failing", 5_000],
    ]);
    assert.equal(seen[0]!.cause!.message, `ejected for 5 s: ${why}`);
    for (const address of ["a:1", "c:1"]) all.get(address)!.room = 0;
    const failed = failureOf(client.route({}, { timeoutMs: 100 }));
    await clock.advance(100);
    const text = (await failed as ConnectError).rawMessage;
    assert.match(text, /; 1 of 3 connected endpoints is ejected; b:1 is held back: ejected for 5 s: its last 5 calls/);
    await transport.close();
  });

  it("counts in errors how many are ejected", async () => {
    const addresses = ["a:1", "b:1", "c:1", "d:1", "e:1", "f:1"];
    const { links } = servers("b:1", "c:1", "d:1");
    const { client, ready, transport } = balanced({ links, resolver: staticResolver(addresses) });
    await ready();
    let last: unknown;
    for (let i = 0; i < 60; i++) await client.route({}).catch(({ cause }) => last = cause);
    assert.equal(String(last), "Error: 3 of 6 connected endpoints are ejected");
    await transport.close();
  });

  it("writes its snapshot as JSON, with errors as text", async () => {
    const { links } = servers("b:1");
    const resolver = manualResolver();
    const { client, clock, ready, transport } = balanced({ links, resolver });
    resolver.tell({ endpoints: [{ address: "a:1", weight: 2 }, { address: "b:1" }] });
    await ready();
    await calls(client, 60);
    resolver.tell({ endpoints: undefined, stale: { sinceMs: 3, cause: new Error("etcd is away") } });
    await clock.advance(100);
    const { endpoints, ...rest } = JSON.parse(JSON.stringify(transport.snapshot()));
    const stale = { sinceMs: 3, cause: "etcd is away" };
    const nowMs = clock.now(), failed = 5, succeeded = 55;
    assert.deepEqual(rest, {
      target: transport.snapshot().target,
      nowMs,
      state: "ready",
      calls: { started: 60, succeeded, failed, abandoned: 0 },
      panic: false,
      waiting: 0,
      stale,
    });
    const why = "its last 5 calls failed, the last one with Unavailable";
    const openings = { succeeded: 1, failed: 0 };
    const common = {
      state: "ready",
      stateSinceMs: 0,
      sinceMs: 0,
      openings,
      sockets: [],
      inFlight: 0,
      abandoned: 0,
      restricted: false,
    };
    assert.ok(endpoints.every(({ id }: { id: unknown }) => Number.isSafeInteger(id)));
    assert.deepEqual(endpoints.map(({ id: _, ...endpoint }: { id: number }) => endpoint), [
      {
        endpoint: { address: "a:1", weight: 2 },
        ...common,
        available: true,
        health: "serving",
        picks: 55,
        succeeded,
        failed: 0,
      },
      {
        endpoint: { address: "b:1" },
        ...common,
        available: false,
        health: `ejected for 5 s: ${why}`,
        ejected: { forMs: 4_900, why },
        picks: 5,
        succeeded: 0,
        failed,
      },
    ]);
    assert.deepEqual(Object.keys(transport.snapshot()).includes("toJSON"), false);
    await transport.close();
    assert.equal(JSON.parse(JSON.stringify(balanced().transport.snapshot())).endpoints, undefined);
  });

  it("uses all servers when all fail, and says so: a panic", async () => {
    const { state, hits, links } = servers("a:1", "b:1", "c:1");
    const { client, events, ready, transport } = balanced({ links });
    await ready();
    assert.equal(await calls(client, 60), 60);
    assert.deepEqual(["a:1", "b:1", "c:1"].map(hits), [20, 20, 20]);
    const { panic, endpoints } = transport.snapshot();
    assert.deepEqual([panic, endpoints!.map(({ available }) => available)], [true, [true, true, true]]);
    assert.match(String(endpoints![0]!.health), /its calls fail, as those to all other endpoints do/);
    const error = await failureOf(client.route({})) as ConnectError;
    assert.equal(error.rawMessage, "the database is away", "as the server said");
    assert.match(
      String(error.cause),
      /panic: 0 of 3 connected endpoints pass health checks, so calls go to all of them/,
    );
    state.sick.clear();
    assert.equal(await calls(client, 60), 0);
    assert.equal(transport.snapshot().panic, false);
    const panics = events.flatMap((event) => event.type === "panic-changed" ? [event.panic] : []);
    assert.deepEqual(panics, [true, false]);
    assert.ok(!events.some(({ type }) => type === "connection-health"), "no one of them is worse than the others");
    await transport.close();
  });

  it("says nothing in a server's answer while nothing is ejected, or where it is no Unavailable", async () => {
    const { links } = servers("b:1");
    const { client, ready, transport } = balanced({ links });
    await ready();
    const causes: unknown[] = [];
    for (let i = 0; i < 15; i++) await client.route({}).catch(({ cause }) => causes.push(cause));
    assert.deepEqual(causes, [undefined, undefined, undefined, undefined, causes[4]]);
    await calls(client, 6);
    const { cause } = await failureOf(client.route({ data: "poison" })) as ConnectError;
    assert.equal(cause, undefined);
    await transport.close();
  });

  it("ejects nobody for a poisonous request, nor for deadlines that nobody could meet", async () => {
    const { links } = servers();
    const { client, ready, transport } = balanced({ links });
    await ready();
    await calls(client, 30);
    assert.equal(await calls(client, 100, "poison"), 100);
    assert.ok(transport.snapshot().endpoints!.every(({ available }) => available));
    await transport.close();
    // Servers that take 20 ms.
    const slow = balanced({
      links: {
        transport: () => ({
          unary: (method, _signal, timeoutMs) =>
            new Promise((resolve, reject) => {
              slow.clock.timer(Math.min(20, timeoutMs ?? 20), () => {
                if (timeoutMs === 1) reject(new ConnectError("the operation timed out", Code.DeadlineExceeded));
                else {
                  const header = new Headers();
                  resolve(
                    { stream: false, service: method.parent, method, header, trailer: header, message: {} } as never,
                  );
                }
              });
            }),
          stream: () => Promise.reject(new Error("no streams")),
        }),
      },
    });
    await slow.ready();
    for (const timeoutMs of [undefined, 1]) {
      for (let i = 0; i < 40; i++) {
        const call = slow.client.route({}, timeoutMs === undefined ? {} : { timeoutMs }).catch(() => {});
        await slow.clock.advance(20);
        await call;
      }
    }
    assert.ok(slow.transport.snapshot().endpoints!.every(({ available, ejected }) => available && !ejected));
    await slow.transport.close();
  });

  it("ejects nobody where that is off, and never the only server", async () => {
    const off = servers("b:1");
    const { client, ready, transport } = balanced({ links: off.links, ejectOutliers: false });
    await ready();
    assert.equal(await calls(client, 60), 20);
    await transport.close();
    const one = balanced({ links: servers("a:1").links, resolver: staticResolver(["a:1"]) });
    await one.ready();
    assert.equal(await calls(one.client, 20), 20);
    assert.equal(one.transport.snapshot().panic, false);
    await one.transport.close();
  });

  it("takes the options of ejection, and checks them", async () => {
    const { links } = servers("b:1");
    const { client, ready, transport } = balanced({ links, ejectOutliers: { consecutiveFailures: { failures: 2 } } });
    await ready();
    assert.equal(await calls(client, 60), 2);
    await transport.close();
    assert.throws(() => balanced({ ejectOutliers: { intervalMs: -1 } }), /ejectOutliers\.intervalMs/);
    assert.throws(() => balanced({ ejectOutliers: true as never }), /ejectOutliers/);
  });

  it("ejects at the end of an interval, too, if most calls fail and some succeed", async () => {
    let number = 0;
    const { links } = servers();
    const flaky = ({ address }: Endpoint): Transport =>
      address !== "b:1" ? links.transport({ address }) : createRouterTransport(({ service }) =>
        service(Simple, {
          route() {
            if (number++ % 4 > 0) throw new ConnectError("busy", Code.Unavailable);
            return { value: address };
          },
        })
      );
    const { client, clock, ready, transport } = balanced({ links: { transport: flaky } });
    await ready();
    await calls(client, 60);
    await clock.advance(10_000);
    const { ejected } = transport.snapshot().endpoints![1]!;
    assert.deepEqual([ejected?.forMs, ejected?.why], [30_000, "15 of its 19 calls failed"]);
    await transport.close();
  });

  it("tries a server on trial with one of the calls that wait, when there is no other", async () => {
    const { state, links } = servers("b:1");
    const { client, clock, links: all, ready, transport } = balanced({ links, panicShare: 0 });
    await ready();
    await calls(client, 60);
    state.sick.clear();
    await clock.advance(4_000);
    for (const address of ["a:1", "c:1"]) all.get(address)!.room = 0;
    const waiting = [client.route({}), client.route({}), client.route({})];
    await clock.advance(500);
    assert.equal(transport.snapshot().waiting, 3);
    await clock.advance(600);
    assert.deepEqual((await Promise.all(waiting)).map(({ value }) => value), ["b:1", "b:1", "b:1"]);
    await transport.close();
  });

  it("lifts the limits of a server on trial in a panic, when the others are gone", async () => {
    const { state, links } = servers("b:1");
    const { client, clock, links: all, ready, transport } = balanced({
      links,
      resolver: staticResolver(["a:1", "b:1"]),
    });
    await ready();
    await calls(client, 60);
    state.sick.clear();
    await clock.advance(10_000);
    const { restricted } = transport.snapshot().endpoints![1]!;
    assert.equal(restricted, true);
    all.get("a:1")!.events.lost(new Error("gone"));
    assert.equal(transport.snapshot().panic, true);
    await Promise.all([client.route({}), client.route({}), client.route({})]);
    await transport.close();
  });
});

describe("a pull transport", () => {
  it("ejects and tries again without a timer of its own", async () => {
    const { state, hits, links } = servers("b:1");
    const { client, clock, transport } = pulled({
      retry: false,
      addresses: ["a:1", "b:1", "c:1"],
      links: { ...links, stateless: true },
    });
    assert.equal(await calls(client, 60), 5);
    assert.deepEqual(clock.pending, []);
    clock.skip(4_900);
    assert.equal(await calls(client, 60), 0);
    clock.skip(200);
    assert.equal(await calls(client, 60), 1);
    state.sick.clear();
    clock.skip(10_100);
    await client.route({});
    // The pool's pace.
    clock.skip(20);
    assert.equal(await calls(client, 59), 0);
    assert.equal(hits("b:1"), 6 + 20);
    assert.deepEqual(clock.pending, []);
    await transport.close();
  });
});

describe("two health checks", () => {
  it("end an ejection when the other one finds that the server serves", async () => {
    let env: HealthEnvironment | undefined;
    const byAddress = new Map<string, Connection>();
    const { state, hits, links } = servers("b:1");
    const { client, clock, ready, transport } = balanced({
      links,
      health: [(environment) => {
        env = environment;
        return { ready: (connection) => void byAddress.set(connection.endpoint.address, connection) };
      }],
    });
    await ready();
    await calls(client, 60);
    assert.equal(hits("b:1"), 5);
    state.sick.clear();
    env!.report(byAddress.get("b:1")!, new Error("not serving"));
    assert.match(String(transport.snapshot().endpoints![1]!.health), /not serving/);
    env!.report(byAddress.get("b:1")!, "serving");
    assert.equal(transport.snapshot().endpoints![1]!.health, "serving");
    await clock.advance(20);
    await calls(client, 60);
    assert.equal(hits("b:1"), 25);
    await transport.close();
  });

  it("may both restrict a connection, which is free when neither does", async () => {
    const envs: HealthEnvironment[] = [];
    let connection: Connection | undefined;
    const check = (env: HealthEnvironment) => {
      envs.push(env);
      return { ready: (one: Connection) => void (connection ??= one) };
    };
    const { ready, transport } = balanced({ health: [check, check] });
    await ready();
    const [one, two] = envs as [HealthEnvironment, HealthEnvironment];
    const look = () => {
      const { restricted, available } = transport.snapshot().endpoints![0]!;
      return [restricted, available];
    };
    one.allow(connection!, 0);
    assert.deepEqual(look(), [true, false]);
    two.allow(connection!, 1);
    assert.deepEqual(look(), [true, true]);
    two.allow(connection!, Infinity);
    assert.deepEqual(look(), [true, true]);
    one.allow(connection!, Infinity);
    assert.deepEqual(look(), [false, true]);
    await transport.close();
    one.allow(connection!, 0);
    assert.deepEqual(look(), [false, false], "it is closed");
  });
});

describe("a server that was restarted", () => {
  it("is no longer ejected, as its endpoint has another incarnation", async () => {
    const { state, links } = servers("b:1");
    const resolver = manualResolver();
    const { client, clock, ready, transport } = balanced({ links, resolver });
    const tell = (incarnation: string) =>
      resolver.tell({ endpoints: [{ address: "a:1" }, { address: "b:1", incarnation }, { address: "c:1" }] });
    tell("1");
    await ready();
    await calls(client, 60);
    state.sick.clear();
    tell("1");
    await clock.advance(40);
    assert.notEqual(transport.snapshot().endpoints![1]!.ejected, undefined);
    tell("2");
    await clock.advance(40);
    assert.equal(transport.snapshot().endpoints![1]!.ejected, undefined);
    await transport.close();
  });
});
