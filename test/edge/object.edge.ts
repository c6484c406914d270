// Runs in `npm run test:edge`, on Node: a balancer object in workerd's Durable Objects, against real etcd.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { createEtcdRegistry, etcdNaming } from "../../src/etcd.ts";
import type { Registration, Registry } from "../../src/registry/registry.ts";
import { type Etcd, startEtcd } from "../support/etcd.ts";
import { eventually } from "../support/eventually.ts";
import { type SimpleServer, startSimpleServer } from "../support/servers/simple.ts";
import type { ObjectFailure } from "./object-worker.ts";
import { startWorkerd, type Workerd } from "./workerd.ts";

/** A server that answers with its name, and knows which of its calls were cut. */
interface Named {
  readonly server: SimpleServer;
  readonly registration: Registration;
  readonly ended: string[];
}

const failure = () => {
  const detail = { desc: DurationSchema, value: create(DurationSchema, { seconds: 7n }) };
  return new ConnectError("as asked: ✓ 100%", Code.ResourceExhausted, { "x-why": "quota" }, [detail]);
};

describe("a balancer object in workerd", () => {
  let etcd: Etcd, registry: Registry, workerd: Workerd, servers: Named[];
  before(async () => {
    etcd = await startEtcd({ heartbeatMs: 100 });
    registry = createEtcdRegistry({ endpoints: [etcd.url], layout: etcdNaming() });
    servers = await Promise.all(["a", "b", "c"].map((name) => serve(name)));
    workerd = await startWorkerd("test/edge/object-worker.ts", {
      flags: ["enable_request_signal"],
      vars: { ETCD: etcd.url },
      objects: { BALANCER: "Balancer" },
    });
  });
  after(async () => {
    await workerd.stop();
    await registry.close();
    await Promise.all(servers.map(({ server }) => server.close()));
    await etcd.stop();
  });
  beforeEach(async () => {
    await eventually("all servers are called", async () => new Set(await calls(6)).size === 3);
  });

  async function serve(name: string, service = "simple_grpc"): Promise<Named> {
    const ended: string[] = [];
    const hang = (signal: AbortSignal, what: string) =>
      new Promise<never>((_, reject) =>
        signal.addEventListener("abort", () => {
          ended.push(what);
          reject(signal.reason);
        })
      );
    const server = await startSimpleServer({
      methods: {
        route({ data }, context) {
          if (data === "fail") throw failure();
          if (data === "hang") return hang(context.signal, "unary");
          context.responseHeader.set("x-answer", `${context.requestHeader.get("x-asked")}`);
          context.responseTrailer.set("x-after-bin", context.requestHeader.get("x-asked-bin") ?? "");
          return { value: data === "x" ? name : data };
        },
        async *routeServerStream({ data }, context) {
          for (const each of ["1", "2", "3"]) yield { value: data + each };
          if (data === "hang") await hang(context.signal, "stream");
          if (data === "fail") throw failure();
        },
        async routeClientStream(requests) {
          let all = "";
          for await (const { data } of requests) all += data;
          return { value: all };
        },
      },
    });
    const registration = registry.register({ service, address: server.address, ttlSeconds: 5 });
    await registration.ready;
    return { server, registration, ended };
  }

  const calls = (count: number) => workerd.json<string[]>(`/calls?calls=${count}`);

  /** The addresses registered for a service. */
  async function registered(service: string): Promise<string[]> {
    const { endpoints } = await registry.resolver(service).list!(AbortSignal.timeout(5_000));
    return endpoints!.map(({ address }) => address);
  }

  /** Checks something again and again for so long. */
  async function stays(ms: number, check: () => Promise<void>): Promise<void> {
    const endMs = performance.now() + ms;
    let failure: unknown;
    await eventually(`${ms} ms have passed`, async () => {
      await check().catch((error) => failure = error);
      return failure !== undefined || performance.now() >= endMs;
    }, 2 * ms + 30_000);
    if (failure !== undefined) throw failure;
  }

  it("spreads the calls of all requests over the servers, in turn", async () => {
    const served = (await Promise.all(Array.from({ length: 20 }, () => calls(6)))).flat();
    for (const name of ["a", "b", "c"]) {
      assert.equal(served.filter((by) => by === name).length, 40, served.join(""));
    }
  });

  it("relays methods of each kind that fetch can carry, with metadata and trailers", async () => {
    const { bidi, ...rest } = await workerd.json<{ bidi: ObjectFailure }>("/kinds");
    assert.deepEqual(rest, {
      value: "ü",
      header: "a, b",
      trailer: "AAEC",
      serverStream: ["s1", "s2", "s3"],
      clientStream: "abc",
    });
    assert.equal(bidi.code, "Unimplemented");
    assert.match(bidi.message, /bidirectional stream, which fetch can't carry: use /);
  });

  it("relays errors with their details and trailers", async () => {
    const expected = { code: "ResourceExhausted", message: "as asked: ✓ 100%", detail: "7", trailer: "quota" };
    assert.deepEqual(await workerd.json("/failure"), [expected, expected]);
  });

  it("relays deadlines and cancellations to the server", async () => {
    for (const { ended } of servers) ended.length = 0;
    const ended = () => servers.flatMap((server) => server.ended).sort();
    assert.equal((await workerd.json<ObjectFailure>("/late")).code, "DeadlineExceeded");
    await eventually("the server knows", () => ended().length === 1);
    const cut = await workerd.json<ObjectFailure[]>("/cut");
    assert.deepEqual(cut.map(({ code }) => code), ["Canceled", "Canceled"]);
    await eventually("the server knows", () => ended().length === 3);
    assert.deepEqual(ended(), ["stream", "unary", "unary"]);
  });

  it("follows servers that join, leave and die, and fails no idempotent call", async () => {
    const joined = await serve("d");
    await eventually("d is called", async () => (await calls(4)).includes("d"));
    const load = Promise.all(Array.from({ length: 10 }, () => calls(30)));
    await joined.server.close();
    await load;
    await joined.registration.close();
    await eventually("d is not called", async () => !(await calls(8)).includes("d"));
  });

  it("has at most four sockets to servers", async () => {
    const more = await Promise.all(["e", "f", "g", "h", "i"].map((name) => serve(name, "many")));
    const served = new Set<string>();
    await eventually("all are called", async () => {
      const each = () => workerd.json<string[]>("/calls?calls=10&service=many");
      for (const name of (await Promise.all([each(), each(), each()])).flat()) served.add(name);
      return served.size === 5;
    });
    const { most } = await workerd.json<{ most: number }>("/sockets");
    // Each object counts its own, and the service of the other tests has three.
    assert.ok(most <= 4 + 4, `${most}`);
    for (const { registration, server } of more) {
      await registration.close();
      await server.close();
    }
  });

  it("says what is wrong with a service that has no servers", async () => {
    await assert.rejects(
      workerd.json("/calls?calls=1&service=nobody"),
      /unavailable.*nobody has no endpoints: has a server registered under this name\?/,
    );
  });

  it("keeps what it registers, also when it was evicted and while nobody calls, until it is deregistered", async () => {
    const [service, address] = ["registered", "10.0.0.1:80"];
    await workerd.json(`/register?service=${service}&address=${address}`);
    assert.deepEqual(await registered(service), [address]);
    // The process dies with all that is in memory. Nothing but the alarm brings the object back.
    await workerd.restart();
    await stays(25_000, async () => assert.deepEqual(await registered(service), [address]));
    await workerd.json(`/deregister?service=${service}&address=${address}`);
    // An alarm that was set before finds nothing to renew.
    await stays(4_000, async () => assert.deepEqual(await registered(service), []));
  });

  it("removes what an earlier life of it registered, and changes attributes in place", async () => {
    const [service, address] = ["changed", "10.0.0.2:80"];
    await workerd.json(`/register?service=${service}&address=${address}`);
    await workerd.json(`/register?service=${service}&address=${address}&zone=other`);
    const { endpoints } = await registry.resolver(service).list!(AbortSignal.timeout(5_000));
    assert.deepEqual(endpoints?.map(({ address, zone }) => [address, zone]), [[address, "other"]]);
    await workerd.restart();
    await workerd.json(`/deregister?service=${service}&address=${address}`);
    assert.deepEqual(await registered(service), []);
  });

  it("refuses invalid registrations with the reason", async () => {
    await assert.rejects(
      workerd.json("/register?service=s&address=0.0.0.0:80"),
      /invalid_argument.*address "0\.0\.0\.0:80" has a wildcard host/,
    );
  });
});
