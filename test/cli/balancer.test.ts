import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { Code, type ConnectError, createClient } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/grpc/health/v1/health_pb.ts";
import { LoadBalancer } from "../../gen/grpclb/balancer/v1/balancer_pb.ts";
import { Simple } from "../../gen/simple_pb.ts";
import { etcdNaming } from "../../src/etcd.ts";
import { loadReportRoutes, lookAsideResolver } from "../../src/look-aside.ts";
import { grpcConnector } from "../../src/node.ts";
import { createGrpcServer, createHealth } from "../../src/server.ts";
import { createBalancedTransport } from "../../src/transport/transport.ts";
import { direct } from "../support/direct.ts";
import { failureOf } from "../support/balanced.ts";
import { freePorts } from "../support/etcd.ts";
import { eventually } from "../support/eventually.ts";
import * as tls from "../support/tls.ts";
import { type ServedEtcd, serveMemoryEtcd } from "./memory-etcd.ts";
import { run, start } from "./support.ts";

describe("connect-lb balancer", () => {
  let etcd: ServedEtcd;
  before(async () => void (etcd = await serveMemoryEtcd()));
  after(() => etcd.close());

  /** Starts it, and returns where it listens. */
  async function serve(t: TestContext, ...args: readonly string[]) {
    const balancer = start(["balancer", "--listen", "0", "--interval", "100ms", ...args], {
      env: { CONNECT_LB_ETCD: etcd.url },
    });
    t.after(async () => {
      balancer.signal("SIGTERM");
      await balancer.exited;
    });
    const address = await eventually(`it serves: ${balancer.stderr}`, () => /^\S+:\d+$/m.exec(balancer.stdout)?.[0]);
    return { balancer, address };
  }

  /** A server of the demo service that reports a load. */
  async function backend(t: TestContext, name: string, load: { score: number }) {
    const health = createHealth(), report = loadReportRoutes({ score: () => load.score });
    const server = createGrpcServer({
      routes(router) {
        router.service(Simple, { route: () => ({ value: name }) });
        report(router);
      },
      health,
    });
    const { address } = await server.listen({ host: "127.0.0.1" });
    const stop = async () => {
      server.closeAllConnections();
      await server.close();
    };
    t.after(stop);
    return { address, health, stop };
  }

  function clientOf(t: TestContext, address: string, options: Parameters<typeof grpcConnector>[0] = {}) {
    const { transport, close } = direct(grpcConnector(options), address);
    t.after(() => close());
    const balancer = createClient(LoadBalancer, transport);
    return {
      health: createClient(Health, transport),
      async servers(target: string) {
        const { servers } = await balancer.servers({ target });
        return servers.map(({ address, score }) => `${address} ${score}`);
      },
    };
  }

  it("tells clients which servers can be called, and how loaded they are", async (t) => {
    const [a, b] = [await backend(t, "a", { score: 8 }), await backend(t, "b", { score: 3 })];
    const [dead] = await freePorts(1);
    for (const address of [a.address, b.address, `127.0.0.1:${dead}`]) {
      await etcd.register({ service: "orders", address });
    }
    const { address, balancer } = await serve(t);
    const { servers, health } = clientOf(t, address);
    assert.deepEqual(await servers("orders"), [`${b.address} 3`, `${a.address} 8`]);
    assert.equal((await health.check({})).status, Status.SERVING);
    b.health.setStatus("", "NOT_SERVING");
    await eventually("b is left out", async () => (await servers("orders")).length === 1);
    assert.deepEqual(await servers("orders"), [`${a.address} 8`]);
    balancer.signal("SIGTERM");
    assert.equal(await balancer.exited, 0);
    assert.equal(balancer.stderr, "");
  });

  it("is what lookAsideResolver resolves by, and a change of load or servers reaches the client", async (t) => {
    const load = { score: 0 };
    const [a, b] = [await backend(t, "a", load), await backend(t, "b", { score: 0 })];
    for (const { address } of [a, b]) await etcd.register({ service: "users", address });
    const { address } = await serve(t);
    const connector = grpcConnector();
    const resolver = lookAsideResolver({ target: "users", balancers: [address], connector, intervalMs: 50 });
    const transport = createBalancedTransport({ resolver, connector });
    t.after(() => transport.close());
    const client = createClient(Simple, transport);
    const count = async () => {
      const answers = [];
      for (let i = 0; i < 30; i++) answers.push((await client.route({ data: "" })).value);
      return answers.filter((name) => name === "a").length;
    };
    await client.route({ data: "" });
    await eventually("both are used in turn", async () => (await count()) === 15);
    load.score = 3;
    await eventually("a has half the calls of b", async () => (await count()) === 10);
    await a.stop();
    await eventually("a is gone", async () => {
      const { endpoints } = transport.snapshot();
      return endpoints!.length === 1 && endpoints![0]!.endpoint.address === b.address;
    });
    assert.equal(await count(), 0);
  });

  it("answers for the services that are named, in any layout", async (t) => {
    const { address: server } = await backend(t, "a", { score: 1 });
    await etcd.register({ service: "carts", address: server }, etcdNaming());
    const { address } = await serve(t, "carts", "--layout", "etcdNaming");
    const { servers } = clientOf(t, address);
    assert.deepEqual(await servers("carts"), [`${server} 1`]);
    assert.equal((await failureOf(servers("others")) as ConnectError).code, Code.NotFound);
  });

  it("serves over TLS, with client certificates if it has their CA", async (t) => {
    const file = (name: string) => fileURLToPath(new URL(`../support/tls/${name}.pem`, import.meta.url));
    const own = ["--listen-cert", file("server"), "--listen-key", file("server-key")];
    const { address } = await serve(t, ...own, "--listen-ca", file("ca"));
    const trusted = clientOf(t, address, { tls: { ca: tls.ca, ...tls.client } });
    assert.deepEqual(await trusted.servers("nothing"), []);
    const unknown = clientOf(t, address, { tls: { ca: tls.ca } });
    assert.equal((await failureOf(unknown.servers("nothing")) as ConnectError).code, Code.Unavailable);
  });

  it("serves while etcd can't be reached, and says so", async (t) => {
    const [port] = await freePorts(1);
    const { address, balancer } = await serve(t, "--endpoints", `http://127.0.0.1:${port}`, "--timeout", "300ms");
    await eventually("it says so", () => /can't reach etcd: .*; it is tried again/.test(balancer.stderr));
    const { servers } = clientOf(t, address);
    const failed = await failureOf(servers("orders")) as ConnectError;
    assert.equal(failed.code, Code.Unavailable);
    assert.match(failed.rawMessage, /^nothing is known of orders yet: /);
  });

  it("says what is wrong: a taken port, half of TLS, a name that no service has", async () => {
    const taken = await run(["balancer", "--listen", new URL(etcd.url).host, "--endpoints", etcd.url]);
    assert.equal(taken.code, 1);
    assert.match(taken.stderr, /is taken\n {2}another port/);
    const half = await run(["balancer", "--listen-cert", "x.pem"]);
    assert.deepEqual([half.code, /needs both --listen-cert and --listen-key/.test(half.stderr)], [2, true]);
    assert.equal((await run(["balancer", "a b"])).code, 2);
  });
});
