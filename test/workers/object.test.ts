import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { create } from "@bufbuild/protobuf";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { flightRecorder } from "../../src/index.ts";
import { createMemoryRegistry } from "../../src/registry/memory.ts";
import type { Registry } from "../../src/registry/registry.ts";
import {
  type BalancerObjectOptions,
  createBalancerObject,
  createWorkerEtcdRegistry,
  objectRegistry,
  objectTransport,
} from "../../src/workers.ts";
import { failureOf } from "../support/balanced.ts";
import { eventually } from "../support/eventually.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { type SimpleServer, type SimpleServerOptions, startSimpleServer } from "../support/servers/simple.ts";
import { fakeObjects } from "./object.ts";
import { streamConnect } from "./stream-connect.ts";

type Methods = NonNullable<SimpleServerOptions["methods"]>;

/** Servers in a registry, and the objects that call them. */
async function setUp(
  t: TestContext,
  methods: readonly Methods[],
  options: Partial<BalancerObjectOptions<{ registry: Registry }>> = {},
) {
  const registry = createMemoryRegistry();
  const servers: SimpleServer[] = await Promise.all(methods.map((each) => startSimpleServer({ methods: each })));
  for (const { address } of servers) registry.register({ service: "simple", address });
  const sockets = streamConnect();
  const Balancer = createBalancerObject<{ registry: Registry }>({
    registry: (env) => env.registry,
    connect: sockets.connect,
    keepalive: false,
    ...options,
  });
  const objects = fakeObjects(Balancer, { registry });
  t.after(async () => {
    await Promise.all(servers.map((server) => server.close()));
    await registry.close();
  });
  return {
    registry,
    servers,
    sockets,
    objects,
    client: createClient(Simple, objectTransport(objects.namespace, "simple")),
  };
}

/** A server that answers with its name. */
const named = (name: string): Methods => ({ route: () => ({ value: name }) });

/** A request as `objectTransport` sends it, except for what is given. */
function sent(given: { url?: string; method?: string; headers?: Record<string, string>; body?: BodyInit }): Request {
  const { url = "http://object/proto.Simple/Route", method = "POST", headers = {}, body = new Uint8Array(5) } = given;
  const usual = { "connect-lb-service": "simple", "connect-lb-method": "unary 2" };
  return new Request(url, { method, headers: { ...usual, ...headers }, ...method === "POST" && { body } });
}

describe("a balancer object", () => {
  it("balances the calls of all who call it, and one name is one object", async (t) => {
    const { client, objects, sockets } = await setUp(t, [named("a"), named("b"), named("c")]);
    const other = createClient(Simple, objectTransport(objects.namespace, "simple", { name: "elsewhere" }));
    const served: string[] = [];
    for (let i = 0; i < 6; i++) served.push((await client.route({})).value);
    for (const name of ["a", "b", "c"]) assert.equal(served.filter((by) => by === name).length, 2, served.join());
    assert.deepEqual([objects.names, sockets.most], [["simple"], 3]);
    await other.route({});
    assert.deepEqual(objects.names, ["simple", "elsewhere"]);
  });

  it("records what it relays in the flight recorder that it was given", async (t) => {
    const recorder = flightRecorder();
    const { client, servers } = await setUp(t, [{
      route({ data }) {
        if (data === "fail") throw new ConnectError("no", Code.NotFound);
        return { value: "v" };
      },
    }], { transport: { recorder } });
    await client.route({});
    await failureOf(client.route({ data: "fail" }));
    const [failed, ...others] = recorder.calls();
    assert.equal(others.length, 1);
    assert.deepEqual([failed!.method, failed!.code, failed!.target], ["proto.Simple/Route", "NOT_FOUND", "simple"]);
    assert.deepEqual(failed!.attempts.map(({ endpoint, end }) => [endpoint, end]), [[servers[0]!.address, "answered"]]);
    assert.deepEqual(recorder.calls({ which: "failed" }), [failed]);
  });

  it("relays metadata in both directions, binary too, and leaves out what belongs to each hop", async (t) => {
    let seen: Headers | undefined;
    const { client } = await setUp(t, [{
      route(_, { requestHeader, responseHeader, responseTrailer }) {
        seen = requestHeader;
        responseHeader.append("x-two", "1");
        responseHeader.append("x-two", "2");
        responseTrailer.set("x-end-bin", "AAEC");
        return { value: "v" };
      },
    }]);
    let header: Headers | undefined, trailer: Headers | undefined;
    await client.route({}, {
      headers: { "x-asked": "é", "x-asked-bin": "AAEC", "user-agent": "mine" },
      onHeader: (headers) => void (header = headers),
      onTrailer: (trailers) => void (trailer = trailers),
    });
    assert.deepEqual([seen?.get("x-asked"), seen?.get("x-asked-bin")], ["é", "AAEC"]);
    const foreign = [...seen!.keys()].filter((name) => /connect-lb|grpc-web|x-user-agent/.test(name));
    assert.deepEqual(foreign, []);
    assert.equal(header?.get("x-two"), "1, 2");
    assert.equal(header?.get("content-type"), "application/grpc-web+proto");
    assert.equal(trailer?.get("x-end-bin"), "AAEC");
  });

  it("relays streams as they come, and large messages", async (t) => {
    let release = () => {};
    const released = new Promise<void>((resolve) => release = resolve);
    const { client } = await setUp(t, [{
      async *routeServerStream({ data }) {
        yield { value: data };
        await released;
        yield { value: "y".repeat(3_000_000) };
      },
    }]);
    const lengths: number[] = [];
    for await (const { value } of client.routeServerStream({ data: "x".repeat(2_000_000) })) {
      lengths.push(value.length);
      release();
    }
    assert.deepEqual(lengths, [2_000_000, 3_000_000]);
    async function* many() {
      for (let i = 0; i < 1_000; i++) yield { data: `${i}` };
    }
    assert.equal((await client.routeClientStream(many())).value, "hello 1000");
    const bidi = failureOf((async () => {
      for await (const _ of client.routeBidiStream(many()));
    })());
    assert.match(String(await bidi), /unimplemented.*bidirectional stream, which fetch can't carry: use /);
  });

  it("relays errors with their code, message, details and metadata, before and after messages", async (t) => {
    const failure = () => {
      const detail = { desc: DurationSchema, value: create(DurationSchema, { seconds: 7n }) };
      return new ConnectError("so: ✓ 100%\n", Code.ResourceExhausted, { "x-why": "quota" }, [detail]);
    };
    const { client } = await setUp(t, [{
      route() {
        throw failure();
      },
      async *routeServerStream() {
        yield { value: "1" };
        throw failure();
      },
    }]);
    const stream = async () => {
      for await (const _ of client.routeServerStream({}));
    };
    for (const call of [client.route({}), stream()]) {
      const error = ConnectError.from(await failureOf(call));
      assert.deepEqual([error.code, error.rawMessage], [Code.ResourceExhausted, "so: ✓ 100%\n"]);
      assert.equal(error.metadata.get("x-why"), "quota");
      assert.equal(error.findDetails(DurationSchema)[0]?.seconds, 7n);
    }
  });

  it("relays deadlines and cancellations", async (t) => {
    const ended: string[] = [];
    let timeoutMs: number | undefined;
    const { client } = await setUp(t, [{
      route: ({ data }, { signal, timeoutMs: left }) => {
        timeoutMs = left();
        return new Promise((_, reject) =>
          signal.addEventListener("abort", () => {
            ended.push(data);
            reject(signal.reason);
          })
        );
      },
    }]);
    const late = await failureOf(client.route({ data: "late" }, { timeoutMs: 300 }));
    assert.equal(ConnectError.from(late).code, Code.DeadlineExceeded);
    assert.ok(timeoutMs! <= 300, `${timeoutMs}`);
    const abort = new AbortController();
    const cut = failureOf(client.route({ data: "cut" }, { signal: abort.signal, timeoutMs: 60_000 }));
    await eventually("the call has arrived", () => timeoutMs! > 300);
    abort.abort();
    assert.equal(ConnectError.from(await cut).code, Code.Canceled);
    await eventually("the server knows", () => ended.length === 2);
    assert.deepEqual(ended, ["late", "cut"]);
  });

  it("answers a little before the caller's deadline, and says why", async (t) => {
    for (const [timeoutMs, answersMs] of [[20_000, 19_500], [5_000, 4_750], [500, 450], [100, 75]] as const) {
      const clock = new ManualClock();
      const { objects } = await setUp(t, [], {
        registry: ({ registry }) => ({
          ...registry,
          resolver: () => ({
            resolve: () => {
              throw new Error("etcd is away");
            },
          }),
        }),
        transport: { clock, waitTimeoutMs: 60_000 },
      });
      let answer = "";
      const headers = {
        "grpc-timeout": `${timeoutMs}m`,
        "connect-lb-service": "simple",
        "connect-lb-method": "unary 2",
      };
      const asked = objects.namespace.get("simple").fetch("http://object/proto.Simple/Route", {
        method: "POST",
        headers,
        body: new Uint8Array(5),
      });
      void asked.then(async (response) => answer = await response.text());
      await eventually("the call waits", () => clock.pending.some((ms) => ms > 60));
      await clock.advance(answersMs - 1);
      assert.equal(answer, "");
      await clock.advance(1);
      await eventually("the object answers", () => answer !== "");
      assert.match(decodeURIComponent(answer), /etcd is away[^]*grpc-status: 4/);
    }
  });

  it("fails at once, and says what to do, if its registry was made for the requests of a Worker", async (t) => {
    const { connect } = streamConnect();
    const { client } = await setUp(t, [], {
      registry: () => createWorkerEtcdRegistry({ endpoints: ["http://127.0.0.1:1"], connect }),
    });
    const failed = failureOf(client.route({}, { timeoutMs: 600_000 }));
    assert.match(String(await failed), /unavailable.*no endpoints.*a Durable Object.*createObjectEtcdRegistry/);
  });

  it("retries idempotent methods in the object, and only those", async (t) => {
    let calls = 0;
    const fails = () => {
      calls++;
      throw new ConnectError("busy", Code.Unavailable);
    };
    const { client } = await setUp(t, [{ route: fails, routeClientStream: fails }]);
    await failureOf(client.route({}));
    assert.equal(calls, 4);
    calls = 0;
    await failureOf(client.routeClientStream((async function* () {})()));
    assert.equal(calls, 1);
  });

  it("has at most as many sockets as its option says", async (t) => {
    const names = ["a", "b", "c", "d", "e"];
    const { client, sockets } = await setUp(t, names.map(named), { maxSockets: 2 });
    const served = new Set<string>();
    for (let i = 0; i < 10; i++) {
      for (const { value } of await Promise.all([client.route({}), client.route({})])) served.add(value);
    }
    assert.deepEqual([...served].sort(), names);
    assert.equal(sockets.most, 2);
  });

  it("answers what is no call with an error that says so", async (t) => {
    const { objects } = await setUp(t, [named("a")]);
    const send = async (given: Parameters<typeof sent>[0]) => {
      const request = sent(given);
      const { body, headers, method, url } = request;
      const stub = objects.namespace.get("simple");
      const init = { method, headers, ...body && { body: await request.arrayBuffer() } };
      return await (await stub.fetch(url, init)).text();
    };
    const unary = /^(.{5}\n?.*)\n?/s;
    assert.match(unary.exec(await send({}))![0], /a/);
    assert.match(await send({ method: "GET" }), /grpc-status: 12/);
    assert.match(
      await send({ headers: { "connect-lb-method": "unary 7" } }),
      /objectTransport\(\)%20alone[^]*status: 12/,
    );
    assert.match(await send({ body: new Uint8Array(4) }), /incomplete[^]*grpc-status: 3/);
    assert.match(await send({ body: "" }), /no%20message[^]*grpc-status: 3/);
    assert.match(await send({ body: new Uint8Array([1, 0, 0, 0, 0]) }), /compressed[^]*grpc-status: 12/);
    assert.match(await send({ headers: { "grpc-timeout": "soon" } }), /grpc-status: 3/);
    assert.match(await send({ headers: { "connect-lb-service": "a%20b" } }), /white%20space[^]*grpc-status: 3/);
    assert.match(await send({ headers: { "connect-lb-service": "%" } }), /grpc-status: 3/);
    assert.match(await send({ url: "http://object/nothing" }), /grpc-status: 12/);
  });

  it("lets go of the service that was called longest ago when there are too many", async (t) => {
    const memory = createMemoryRegistry();
    let watched = 0;
    const { objects, registry, servers } = await setUp(t, [named("a")], {
      registry: (env) => ({
        ...memory,
        resolver: (service) => ({
          async *resolve(signal) {
            watched++;
            signal.addEventListener("abort", () => watched--);
            yield* env.registry.resolver(service).resolve(signal);
          },
        }),
      }),
    });
    for (let i = 0; i < 100; i++) {
      registry.register({ service: `s${i}`, address: servers[0]!.address });
      const transport = objectTransport(objects.namespace, `s${i}`, { name: "one" });
      assert.equal((await createClient(Simple, transport).route({})).value, "a");
    }
    assert.equal(watched, 64);
    const first = objectTransport(objects.namespace, "s0", { name: "one" });
    assert.equal((await createClient(Simple, first).route({})).value, "a");
  });

  it("refuses invalid options", () => {
    const { connect } = streamConnect();
    const registry = () => createMemoryRegistry();
    assert.throws(() => createBalancerObject({ registry } as never), /option connect is undefined/);
    assert.throws(() => createBalancerObject({ connect, registry: {} } as never), /option registry .*\(env\) =>/);
    assert.throws(() => createBalancerObject({ connect, registry, maxSockets: 0 }), RangeError);
    assert.throws(() => createBalancerObject({ connect, registry, sockets: 1 } as never), /did you mean maxSockets\?/);
    const { namespace } = fakeObjects(createBalancerObject({ connect, registry }), {});
    assert.throws(() => objectTransport(namespace, "a b"), /service name "a b" contains white space/);
    assert.throws(() => objectTransport(namespace, "a", { nam: "b" } as never), /did you mean name\?/);
    assert.throws(() => objectRegistry(namespace, { nam: "b" } as never), /did you mean name\?/);
  });

  it("refuses a missing binding when a Worker is about to use it, and says where it is configured", () => {
    for (const binding of [undefined, null, {}, "BALANCER"]) {
      const what =
        /\(\) takes the binding of a Durable Object first, such as env\.BALANCER, not .*durable_objects\.bindings/;
      assert.throws(() => objectTransport(binding as never, "simple"), { name: "TypeError", message: what });
      assert.throws(() => objectRegistry(binding as never), { name: "TypeError", message: what });
    }
  });
});

describe("what a balancer object registers", () => {
  const server = { service: "simple", address: "10.0.0.1:80" };

  /** The addresses that are registered. */
  async function registered(registry: Registry): Promise<unknown[]> {
    const { endpoints } = await registry.resolver("simple").list!(AbortSignal.timeout(5_000));
    return endpoints!.map(({ address, zone }) => zone === undefined ? address : `${address} ${zone}`);
  }

  it("is renewed by an alarm every third of its TTL, and again after an eviction, until it is deregistered", async (t) => {
    const { registry, objects } = await setUp(t, []);
    const through = objectRegistry(objects.namespace);
    await through.register(server);
    assert.deepEqual(await registered(registry), ["10.0.0.1:80"]);
    const inMs = objects.alarmInMs("simple")!;
    assert.ok(inMs > 10_000 && inMs <= 20_000, `${inMs}`);
    await objects.alarm("simple");
    assert.ok(objects.alarmInMs("simple") !== undefined);
    objects.evict();
    // It expires meanwhile.
    await registry.deregister({ ...server, ttlSeconds: 60 });
    await objects.alarm("simple");
    assert.deepEqual(await registered(registry), ["10.0.0.1:80"]);
    await through.deregister(server);
    assert.deepEqual(await registered(registry), []);
    assert.equal(objects.stored("simple").size, 0);
    await objects.alarm("simple");
    assert.equal(objects.alarmInMs("simple"), undefined);
    assert.deepEqual(await registered(registry), []);
  });

  it("can be deregistered by a later life of the object", async (t) => {
    const { registry, objects } = await setUp(t, []);
    const through = objectRegistry(objects.namespace, { name: "one" });
    await through.register(server);
    objects.evict();
    await through.deregister(server);
    assert.deepEqual(await registered(registry), []);
    await through.deregister(server);
  });

  it("changes when it is registered again", async (t) => {
    const { registry, objects } = await setUp(t, []);
    const through = objectRegistry(objects.namespace);
    await through.register({ ...server, ttlSeconds: 60 });
    await through.register({ ...server, ttlSeconds: 6, zone: "z" });
    assert.deepEqual(await registered(registry), ["10.0.0.1:80 z"]);
    assert.ok(objects.alarmInMs("simple")! <= 2_000);
    assert.equal(objects.stored("simple").size, 1);
  });

  it("is refused with the reason if it is invalid, and what was stored stays", async (t) => {
    const { objects } = await setUp(t, [], {
      registry: ({ registry }) => ({
        ...registry,
        // As a layout without zones does.
        renew(options) {
          if (options.zone === undefined) return registry.renew(options);
          return Promise.reject(new TypeError("no place for a zone"));
        },
      }),
    });
    const through = objectRegistry(objects.namespace);
    for (
      const [wrong, text] of [
        [{ address: "0.0.0.0:80" }, /invalid_argument.*wildcard/],
        [{ ttlSeconds: 0.5 }, /invalid_argument.*option ttlSeconds is 0\.5/],
        [{ adress: "x" }, /invalid_argument.*did you mean address\?/],
        [{ zone: "z" }, /invalid_argument.*no place for a zone/],
      ] as const
    ) {
      await assert.rejects(through.register({ ...server, ...wrong } as never), text);
    }
    assert.equal(objects.stored("simple").size, 0);
    await through.register(server);
    await assert.rejects(through.register({ ...server, zone: "z" }), /no place for a zone/);
    assert.deepEqual([...objects.stored("simple").values()], [{ ...server, ttlSeconds: 60 }]);
  });

  it("is tried again by the alarm while the registry is away", async (t) => {
    let away = true;
    const { registry, objects } = await setUp(t, [], {
      registry: ({ registry }) => ({
        ...registry,
        renew: (options) => away ? Promise.reject(new Error("etcd is away")) : registry.renew(options),
      }),
    });
    const through = objectRegistry(objects.namespace);
    await assert.rejects(through.register(server), /unavailable.*etcd is away/);
    assert.equal(objects.stored("simple").size, 1);
    await objects.alarm("simple");
    assert.ok(objects.alarmInMs("simple") !== undefined);
    away = false;
    objects.evict();
    await objects.alarm("simple");
    assert.deepEqual(await registered(registry), ["10.0.0.1:80"]);
  });

  it("is not renewed once it is deregistered, although a renewal was under way", async (t) => {
    let release: (() => void) | undefined;
    const { registry, objects } = await setUp(t, [], {
      registry: ({ registry }) => ({
        ...registry,
        async renew(options) {
          await new Promise<void>((resolve) => release = resolve);
          return await registry.renew(options);
        },
      }),
    });
    const through = objectRegistry(objects.namespace);
    const registering = through.register(server);
    await eventually("it is being registered", () => release !== undefined);
    const removing = through.deregister(server);
    await settled();
    release!();
    await Promise.all([registering, removing]);
    assert.deepEqual(await registered(registry), []);
  });
});
