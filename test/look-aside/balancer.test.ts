import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createClient,
  createRouterTransport,
  type Transport,
} from "@connectrpc/connect";
import { LoadReport } from "../../gen/grpclb/backend/v1/backend_pb.ts";
import { LoadBalancer } from "../../gen/grpclb/balancer/v1/balancer_pb.ts";
import { OpenRcaService } from "../../gen/xds/service/orca/v3/orca_pb.ts";
import { loadReportRoutes, lookAsideBalancer, type LookAsideBalancerOptions } from "../../src/look-aside.ts";
import { createMemoryRegistry } from "../../src/registry/memory.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { reportLoad } from "../../src/server/load-report.ts";
import { fakeConnector } from "../support/fake-links.ts";
import { failureOf } from "../support/balanced.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { manualResolver } from "../support/manual-resolver.ts";

/** Backends by address, and a balancer over them whose clock a test turns. */
function open(
  t: TestContext,
  backends: Record<string, (router: ConnectRouter) => void>,
  options: Partial<LookAsideBalancerOptions> = {},
) {
  const clock = new ManualClock();
  const { connector, links } = fakeConnector({
    auto: true,
    transport: ({ address }): Transport => createRouterTransport(backends[address] ?? (() => {})),
  });
  const balancer = lookAsideBalancer({
    resolver: () => staticResolver(Object.keys(backends)),
    connector,
    clock,
    random: () => 0,
    ...options,
  } as LookAsideBalancerOptions);
  t.after(() => balancer.close());
  const client = createClient(LoadBalancer, createRouterTransport(balancer.routes));
  const servers = async (target = "orders", ms = 100) => {
    const answer = client.servers({ target });
    answer.catch(() => {});
    await clock.advance(ms);
    return (await answer).servers.map(({ address, score }) => `${address} ${score}`);
  };
  return { clock, balancer, servers, links };
}

const scores = (score: () => number) => (router: ConnectRouter) => loadReportRoutes({ score })(router);

describe("lookAsideBalancer", () => {
  it("answers with the servers and what they say of their load, the least loaded first, and again at an interval", async (t) => {
    const load = { "10.0.0.1:80": 30, "10.0.0.2:80": 4.4, "10.0.0.3:80": 17 };
    const { servers, clock } = open(t, {
      "10.0.0.1:80": scores(() => load["10.0.0.1:80"]),
      "10.0.0.2:80": scores(() => load["10.0.0.2:80"]),
      "10.0.0.3:80": scores(() => load["10.0.0.3:80"]),
    });
    assert.deepEqual(await servers(), ["10.0.0.2:80 4", "10.0.0.3:80 17", "10.0.0.1:80 30"]);
    load["10.0.0.1:80"] = 1;
    assert.deepEqual(await servers(), ["10.0.0.2:80 4", "10.0.0.3:80 17", "10.0.0.1:80 30"]);
    await clock.advance(5_000);
    assert.deepEqual(await servers(), ["10.0.0.1:80 1", "10.0.0.2:80 4", "10.0.0.3:80 17"]);
  });

  it("takes the utilization that servers report by ORCA in percent, and 0 for those that report nothing", async (t) => {
    const reports = reportLoad({ minReportIntervalMs: 1_000 });
    reports.set({ applicationUtilization: 0.42 });
    const { servers } = open(t, { "10.0.0.1:80": reports.routes, "10.0.0.2:80": () => {} });
    await servers();
    assert.deepEqual(await servers(), ["10.0.0.2:80 0", "10.0.0.1:80 42"]);
  });

  it("leaves out servers that can't be reached, and those that have failed to answer three times", async (t) => {
    let fails = false;
    const { servers, clock, links } = open(t, {
      "10.0.0.1:80": scores(() => 1),
      "10.0.0.2:80": scores(() => {
        if (fails) throw new ConnectError("busy", Code.ResourceExhausted);
        return 2;
      }),
    });
    assert.deepEqual(await servers(), ["10.0.0.1:80 1", "10.0.0.2:80 2"]);
    fails = true;
    await clock.advance(10_000);
    assert.deepEqual(await servers(), ["10.0.0.1:80 1", "10.0.0.2:80 2"]);
    await clock.advance(5_000);
    assert.deepEqual(await servers(), ["10.0.0.1:80 1"]);
    fails = false;
    await clock.advance(5_000);
    assert.deepEqual(await servers(), ["10.0.0.1:80 1", "10.0.0.2:80 2"]);
    links.get("10.0.0.1:80")!.events.lost(new Error("cut"));
    assert.deepEqual(await servers("orders", 0), ["10.0.0.2:80 2"]);
  });

  it("waits two seconds for servers that don't answer, at first only", async (t) => {
    const { servers } = open(t, {
      "10.0.0.1:80": scores(() => 1),
      "10.0.0.2:80": (router) => router.service(LoadReport, { load: () => new Promise<never>(() => {}) }),
    }, { timeoutMs: 60_000 });
    assert.deepEqual(await servers("orders", 2_000), ["10.0.0.1:80 1"]);
    assert.deepEqual(await servers("orders", 0), ["10.0.0.1:80 1"]);
  });

  it("asks 64 servers at a time", async (t) => {
    let asked = 0;
    const backends = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [
      `10.0.0.${i + 1}:80`,
      (router: ConnectRouter) =>
        void router.service(LoadReport, {
          load() {
            asked++;
            return new Promise<never>(() => {});
          },
        }),
    ]));
    const { servers } = open(t, backends, { timeoutMs: 60_000 });
    assert.deepEqual(await servers("orders", 2_000), []);
    assert.equal(asked, 64);
  });

  it("serves every service of a registry, and nothing for names without servers", async (t) => {
    const registry = createMemoryRegistry();
    t.after(() => registry.close());
    await registry.register({ service: "orders", address: "10.0.0.7:80" }).ready;
    const { servers } = open(t, { "10.0.0.7:80": scores(() => 5) }, { registry, resolver: undefined as never });
    assert.deepEqual(await servers("orders"), ["10.0.0.7:80 5"]);
    assert.deepEqual(await servers("nothing"), []);
    assert.deepEqual(await servers(""), [], "as bsm/grpclb");
    const named = await failureOf(servers("a b")) as ConnectError;
    assert.equal(named.code, Code.InvalidArgument);
  });

  it("says why it knows nothing of a target", async (t) => {
    const resolver = manualResolver();
    const { servers } = open(t, {}, { resolver: () => resolver });
    resolver.tell({ endpoints: undefined, stale: { sinceMs: 0, cause: new Error("etcd is down") } });
    const failed = await failureOf(servers("orders", 2_000)) as ConnectError;
    assert.deepEqual([failed.code, failed.rawMessage], [
      Code.Unavailable,
      "nothing is known of orders yet: etcd is down",
    ]);
    const none = open(t, {}, { resolver: () => undefined });
    assert.equal((await failureOf(none.servers()) as ConnectError).code, Code.NotFound);
  });

  it("forgets targets that nobody asks for, and answers for no more than maxTargets", async (t) => {
    const { servers, clock, links } = open(t, { "10.0.0.1:80": scores(() => 1) }, { maxTargets: 1 });
    await servers("a");
    assert.equal((await failureOf(servers("b")) as ConnectError).code, Code.ResourceExhausted);
    await clock.advance(240_000);
    await servers("a");
    assert.equal(links.get("10.0.0.1:80")!.closed, false);
    await clock.advance(360_000);
    assert.equal(links.get("10.0.0.1:80")!.closed, true);
    assert.deepEqual(clock.pending, [], "nothing is left");
    assert.deepEqual(await servers("b"), ["10.0.0.1:80 1"]);
  });

  it("ends its connections, timers and streams when it is closed, and fails later calls", async (t) => {
    let streams = 0;
    const { servers, clock, links, balancer } = open(t, {
      "10.0.0.1:80": (router) =>
        router.service(OpenRcaService, {
          async *streamCoreMetrics(_, { signal }) {
            streams++;
            yield { cpuUtilization: 0.5 };
            await new Promise((resolve) => signal.addEventListener("abort", resolve));
            streams--;
          },
        }),
    });
    await servers();
    assert.deepEqual(await servers(), ["10.0.0.1:80 50"]);
    assert.equal(streams, 1);
    await balancer.close();
    await settled();
    assert.deepEqual([streams, links.get("10.0.0.1:80")!.closed, clock.pending], [0, true, []]);
    assert.equal((await failureOf(servers()) as ConnectError).code, Code.Unavailable);
  });

  it("says what is wrong with its options", () => {
    const { connector } = fakeConnector(), resolver = () => undefined;
    const wrong = (options: object, message: RegExp) => {
      assert.throws(() => lookAsideBalancer(options as LookAsideBalancerOptions), { message });
    };
    wrong({ connector }, /takes either registry or resolver/);
    wrong({ connector, resolver, registry: createMemoryRegistry() }, /takes either registry or resolver/);
    wrong({ resolver }, /option connector is undefined/);
    wrong({ connector, resolver, maxTargets: 0 }, /option maxTargets is 0/);
    assert.throws(() => loadReportRoutes({} as never), { message: /option score is undefined/ });
  });
});
