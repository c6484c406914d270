import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createEtcdRegistry } from "../../src/etcd.ts";
import { type Etcd, etcdSkipped, startEtcd } from "../support/etcd.ts";
import { eventually } from "../support/eventually.ts";
import { type Child, startScript } from "../support/process.ts";
import { type SimpleServer, startSimpleServer } from "../support/servers/simple.ts";
import type { Outcome } from "./balanced-worker.ts";
import { startWorkerd, type Workerd } from "./workerd.ts";

/** Makes so many requests of the worker, some of them at once; returns what came of their calls. */
async function requests(workerd: Workerd, path: string, count: number): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  while (outcomes.length < count) {
    const atOnce = outcomes.length % 3 === 0 ? 1 : 5;
    outcomes.push(...await Promise.all(Array.from({ length: atOnce }, () => workerd.json<Outcome>(path))));
  }
  return outcomes;
}

describe("a worker's transports at module scope, over 200 requests", { skip: etcdSkipped }, () => {
  let etcd: Etcd, workerd: Workerd;
  const servers: Child[] = [];
  const startServer = async () => {
    const server = startScript("node", "test/edge/registered-server.ts", [etcd.url]);
    servers.push(server);
    const [, pid] = await server.line(/^ready (\d+)$/);
    return pid!;
  };
  before(async () => {
    etcd = await startEtcd();
    workerd = await startWorkerd("test/edge/balanced-worker.ts", { vars: { ETCD: etcd.url }, flags: ["nodejs_als"] });
  });
  after(() => Promise.all([workerd?.stop(), ...servers.map((server) => server.kill()), etcd?.stop()]));

  it("spread calls over three servers, go on when one is killed and a fourth joins, and fail none", async () => {
    const three = await Promise.all([startServer(), startServer(), startServer()]);
    const paths = ["/sockets?calls=6", "/fetch?calls=6"];
    const all: Outcome[][] = [[], []];
    const run = async (count: number) => {
      const now = await Promise.all(paths.map((path) => requests(workerd, path, count)));
      now.forEach((outcomes, i) => all[i]!.push(...outcomes));
      return now;
    };
    const seen = (outcomes: Outcome[]) => [...new Set(outcomes.flatMap(({ servers }) => servers))].toSorted();

    for (const outcomes of await run(60)) {
      assert.deepEqual(seen(outcomes), three.toSorted());
      // Strictly in rotation, over all requests.
      const calls = outcomes.flatMap(({ servers }) => servers);
      for (const pid of three) {
        const share = calls.filter((server) => server === pid).length / calls.length;
        assert.ok(Math.abs(share - 1 / 3) < 0.05, `${pid}: ${share}`);
      }
    }
    await servers[0]!.kill();
    await run(70);
    const [, second, third] = three;
    const fourth = await startServer();
    await eventually("the fourth gets calls of both, and the first is gone", async () => {
      const now = await run(10);
      return now.every((outcomes) => `${seen(outcomes)}` === `${[second, third, fourth].toSorted()}`);
    });
    await run(60);

    for (const outcomes of all) {
      assert.ok(outcomes.length >= 200);
      assert.deepEqual(outcomes.flatMap(({ failures }) => failures), []);
    }
    const [overSockets] = all as [Outcome[], Outcome[]];
    assert.ok(overSockets.every(({ mostSockets }) => mostSockets <= 5));
  });
});

describe("a worker's sockets", { skip: etcdSkipped }, () => {
  let etcd: Etcd, workerd: Workerd, servers: SimpleServer[];
  /** The connections to the servers, and those that there have been. */
  const connections = { open: 0, opened: 0 };
  const registry = { close: () => Promise.resolve() };
  const end = Promise.withResolvers<void>();
  before(async () => {
    etcd = await startEtcd();
    servers = await Promise.all(Array.from({ length: 8 }, () =>
      startSimpleServer({
        methods: {
          async *routeServerStream() {
            yield { value: "first" };
            await end.promise;
            yield { value: "last" };
          },
        },
      })));
    for (const { server } of servers) {
      server.on("session", (session) => {
        connections.open++;
        connections.opened++;
        session.on("close", () => connections.open--);
      });
    }
    const created = createEtcdRegistry({ endpoints: [etcd.url] });
    registry.close = () => created.close();
    await Promise.all(servers.map(({ address }) => created.register({ service: "simple_grpc", address }).ready));
    workerd = await startWorkerd("test/edge/balanced-worker.ts", { vars: { ETCD: etcd.url }, flags: ["nodejs_als"] });
  });
  after(async () => {
    await Promise.all([workerd?.stop(), registry.close()]);
    await Promise.all([etcd?.stop(), ...servers?.map((server) => server.close()) ?? []]);
  });

  it("are at most four to eight servers, and one to etcd, while calls wait for them", async () => {
    for (let request = 0; request < 3; request++) {
      const { servers, failures, mostSockets } = await workerd.json<Outcome>("/sockets?calls=64");
      assert.deepEqual([servers.length, failures], [64, []]);
      assert.ok(mostSockets <= 5, `${mostSockets}`);
    }
    await eventually("they are closed after the request", () => connections.open === 0);
  });

  it("are opened to the endpoints that are picked and no others, once per request", async () => {
    const { opened } = connections;
    const { sockets, servers } = await workerd.json<Outcome>("/sockets?calls=2");
    assert.equal(servers.length, 2);
    assert.equal(connections.opened, opened + 2);
    // One more to etcd, if the set had to be read again.
    assert.ok(sockets === 2 || sockets === 3, `${sockets}`);
  });

  it("stay open for a response that is streamed", async () => {
    const response = await fetch(`${workerd.url}/stream`);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    assert.equal((await reader.read()).value, "first\n");
    // Longer than sockets stay open without a call.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    assert.equal(connections.open, 1);
    end.resolve();
    assert.equal((await reader.read()).value, "last\n");
    assert.equal((await reader.read()).done, true);
    await eventually("it is closed", () => connections.open === 0);
  });
});
