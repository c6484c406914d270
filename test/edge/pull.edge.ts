// Runs in `npm run test:edge`, on Node: a pull transport in the global scope of a worker in workerd.
import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { Simple } from "../../gen/simple_pb.ts";
import { eventually } from "../support/eventually.ts";
import type { PullReport } from "./pull-worker.ts";
import { startWorkerd, type Workerd } from "./workerd.ts";

/** A server of the demo service over HTTP/1.1, or the registry. */
interface Listening {
  readonly address: string;
  stop(): Promise<void>;
}

async function listen(server: Server): Promise<Listening> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    address: `127.0.0.1:${port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Answers with its name; never, when it is asked to hang. */
function serve(name: string): Promise<Listening> {
  const routes = connectNodeAdapter({
    routes: (router) =>
      router.service(Simple, {
        route: ({ data }) => data === "hang" ? new Promise(() => {}) : { value: name },
      }),
  });
  return listen(createServer(routes));
}

describe("a pull transport in the global scope of a worker", () => {
  const names = ["a", "b", "c", "d"];
  let workerd: Workerd, registry: Listening, servers: Listening[], set: readonly string[], lists: number;
  let mode: "answers" | "hangs" | "fails";
  before(async () => {
    workerd = await startWorkerd("test/edge/pull-worker.ts");
    registry = await listen(createServer((_, response) => {
      lists++;
      if (mode === "hangs") return;
      response.writeHead(mode === "fails" ? 503 : 200).end(JSON.stringify(set));
    }));
  });
  after(() => Promise.all([workerd.stop(), registry.stop()]));
  beforeEach(async () => {
    servers = await Promise.all(names.map(serve));
    [mode, lists, set] = ["answers", 0, servers.slice(0, 3).map(({ address }) => address)];
    // What an earlier test left is replaced.
    await eventually("the set is known", async () => new Set((await report(3, "plain")).served).size === 3);
  });
  afterEach(() => Promise.all(servers.map((server) => server.stop())));

  async function report(calls: number, query = "", signal?: AbortSignal): Promise<PullReport> {
    const url = `${workerd.url}/?registry=http://${registry.address}/&calls=${calls}&${query}`;
    const response = await fetch(url, { signal: signal ?? AbortSignal.timeout(20_000) });
    const text = await response.text();
    assert.equal(response.status, 200, `${text}\n${workerd.child.lines.join("\n")}`);
    return JSON.parse(text) as PullReport;
  }

  /** Requests of three calls each, ten at a time; counts who answered. */
  async function load(requests: number, query: string): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (let done = 0; done < requests; done += 10) {
      const reports = await Promise.all(Array.from({ length: 10 }, () => report(3, query)));
      for (const { served, errors } of reports) {
        assert.deepEqual(errors, []);
        for (const name of served) counts[name] = (counts[name] ?? 0) + 1;
      }
    }
    return counts;
  }

  it("answers the second request when the first of all is cut while it reads the set", async () => {
    const used = workerd;
    workerd = await startWorkerd("test/edge/pull-worker.ts");
    try {
      [mode, lists] = ["hangs", 0];
      const cut = new AbortController();
      const first = report(1, "", cut.signal).catch(() => "cut");
      await eventually("the list hangs", () => lists > 0);
      cut.abort();
      assert.equal(await first, "cut");
      mode = "answers";
      assert.deepEqual((await report(1)).errors, []);
    } finally {
      await workerd.stop();
      workerd = used;
    }
  });

  it("runs what is due in later requests, whichever request set the timer", async () => {
    assert.equal(new Set((await report(6, "warming")).served).size, 1);
    await eventually("all are warm", async () => new Set((await report(6, "warming")).served).size === 3);
  });

  for (const query of ["", "plain"]) {
    describe(query === "" ? "with forRequest" : "without forRequest", () => {
      it("spreads the calls of 200 requests over servers that come and go", async () => {
        const before = await load(100, query);
        for (const name of ["a", "b", "c"]) assert.ok(Math.abs(before[name]! - 100) <= 20, JSON.stringify(before));
        set = servers.slice(1).map(({ address }) => address);
        await eventually("the fourth joins", async () => (await report(3, query)).served.includes("d"));
        const after = await load(100, query);
        assert.equal(after["a"], undefined);
        for (const name of ["b", "c", "d"]) assert.ok(Math.abs(after[name]! - 100) <= 20, JSON.stringify(after));
        assert.ok(lists < 200, `${lists} lists`);
      });

      it("fails no call when a server dies that stays in the registry", async () => {
        await servers[0]!.stop();
        const counts = await load(60, query);
        assert.equal(counts["a"], undefined);
      });

      it("goes on while the registry is away, and says that its set is stale", async () => {
        mode = "fails";
        await eventually("it is stale", async () => (await report(1, query)).stale);
        assert.equal((await load(50, query))["d"], undefined);
        mode = "answers";
        set = [servers[3]!.address];
        await eventually("the new set is used", async () => (await report(1, query)).served[0] === "d");
        assert.equal((await report(1, query)).stale, false);
      });

      it("keeps deadlines in every request", async () => {
        for (let i = 0; i < 4; i++) {
          const reports = await Promise.all([report(1, `slow&${query}`), report(1, `slow&${query}`)]);
          for (const { served } of reports) assert.deepEqual(served, ["DeadlineExceeded"]);
        }
        assert.equal((await report(1, query)).inFlight, 0);
      });

      it("survives requests that are cut while they read the set", async () => {
        mode = "hangs";
        const begun = lists;
        await eventually("a list hangs", async () => {
          const cut = () => report(1, query, AbortSignal.timeout(100)).catch(() => "cut");
          await Promise.all(Array.from({ length: 5 }, cut));
          return lists > begun;
        });
        mode = "answers";
        set = [servers[3]!.address];
        await eventually("the new set is used", async () => {
          const { served, errors } = await report(1, query);
          assert.deepEqual(errors, []);
          return served[0] === "d";
        });
        assert.equal((await load(50, query))["d"], 150);
      });
    });
  }
});
