import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { createChannelz } from "../../src/channelz.ts";
import { createBalancedTransport, flightRecorder, staticResolver } from "../../src/index.ts";
import { grpcConnector, requestListener } from "../../src/node.ts";
import { observe } from "../../src/page.ts";
import { createGrpcServer, createHealth, type GrpcServer } from "../../src/server.ts";
import { freePorts } from "../support/etcd.ts";
import { eventually } from "../support/eventually.ts";
import { type ServedEtcd, serveMemoryEtcd } from "./memory-etcd.ts";
import { run, start } from "./support.ts";

interface Line {
  readonly stale?: string;
  readonly endpoints: readonly Readonly<Record<string, unknown>>[];
}

describe("connect-lb top", () => {
  let etcd: ServedEtcd, healthy: string, unwell: string, dead: string;
  const servers: GrpcServer[] = [], pages: Server[] = [];

  before(async () => {
    etcd = await serveMemoryEtcd();
    const health = createHealth();
    health.setStatus("", "NOT_SERVING");
    healthy = await serve({ routes: () => {}, health: true });
    unwell = await serve({ routes: () => {}, health });
    dead = `127.0.0.1:${(await freePorts(1))[0]}`;
    for (const address of [healthy, unwell, dead]) await etcd.register({ service: "demo", address });
  });
  after(async () => {
    await etcd?.close();
    for (const server of servers) {
      server.closeAllConnections();
      await server.close();
    }
    for (const page of pages) {
      page.closeAllConnections?.();
      await new Promise((resolve) => page.close(resolve));
    }
  });

  async function serve(options: Parameters<typeof createGrpcServer>[0]): Promise<string> {
    const server = createGrpcServer(options);
    servers.push(server);
    return (await server.listen({ host: "127.0.0.1", port: 0 })).address;
  }

  /** A program's page that says these states, one after another. */
  async function servePage(states: readonly unknown[]): Promise<string> {
    let asked = 0;
    const page = createServer((request, response) => {
      const found = request.url === "/lb/snapshot";
      response.writeHead(found ? 200 : 404, { "content-type": "application/json" });
      response.end(found ? JSON.stringify(states[Math.min(asked++, states.length - 1)]) : "nothing here");
    });
    pages.push(page);
    await new Promise<void>((resolve) => page.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(page.address() as AddressInfo).port}`;
  }

  const linesOf = (stdout: string) => stdout.trim().split("\n").map((line) => JSON.parse(line) as Line);
  const env = () => ({ CONNECT_LB_ETCD: etcd.url });

  it("shows which servers can be reached, and what they say of their health", async () => {
    const { code, stdout, stderr } = await run(["top", "demo", "-n", "1", "-o", "json"], { env: env() });
    assert.equal(code, 0, stderr);
    const [line] = linesOf(stdout);
    const byAddress = new Map(line!.endpoints.map((row) => [row["endpoint"], row]));
    const { state, health, p50Ms, p99Ms } = byAddress.get(healthy)!;
    assert.deepEqual({ state, health }, { state: "ready", health: "SERVING" });
    assert.ok(typeof p50Ms === "number" && typeof p99Ms === "number" && p50Ms <= p99Ms);
    assert.equal(byAddress.get(unwell)!["health"], "NOT_SERVING");
    assert.equal(byAddress.get(dead)!["state"], "transient_failure");
    assert.match(String(byAddress.get(dead)!["why"]), /ECONNREFUSED/i);
  });

  it("prints a table for each interval where there is no terminal, and says what its figures are of", async () => {
    const { code, stdout, stderr } = await run(["top", "demo", "-n", "2", "-i", "100ms"], { env: env() });
    assert.equal(code, 0);
    assert.match(stderr, /p50 and p99 are of health checks, not of calls/);
    assert.equal(stdout.match(/^ENDPOINT +STATE/gm)?.length, 2);
    assert.match(stdout, new RegExp(`^${healthy} +ready +SERVING`, "m"));
  });

  it("draws over what it drew before on a terminal, until it is interrupted", async () => {
    const running = start(["top", "demo", "-i", "100ms"], { env: env(), columns: 100 });
    await eventually("it drew three times", () => (running.stdout.match(/ENDPOINT/g) ?? []).length >= 3);
    running.signal("SIGINT");
    assert.equal(await running.exited, 130);
    assert.equal(running.stdout.split("\x1b[2J").length, 2);
    assert.ok(running.stdout.endsWith("\x1b[?25h"));
  });

  it("notices when a server goes away and comes back", async () => {
    const server = createGrpcServer({ routes: () => {}, health: true });
    const { address, port } = await server.listen({ host: "127.0.0.1", port: 0 });
    await etcd.register({ service: "moving", address });
    const running = start(["top", "moving", "-i", "100ms", "-o", "json"], { env: env() });
    const last = () => {
      const whole = running.stdout.slice(0, running.stdout.lastIndexOf("\n"));
      return whole === "" ? undefined : linesOf(whole).at(-1)?.endpoints[0];
    };
    await eventually("it is ready", () => last()?.["state"] === "ready");
    server.closeAllConnections();
    await server.close();
    await eventually("it is gone", () => last()?.["state"] === "transient_failure");
    const again = createGrpcServer({ routes: () => {}, health: true });
    servers.push(again);
    await again.listen({ host: "127.0.0.1", port });
    await eventually("it is back", () => last()?.["health"] === "SERVING");
    running.signal("SIGTERM");
    assert.equal(await running.exited, 143);
  });

  it("shows a program's own calls from its live page", async () => {
    const state = (nowMs: number, attempts: number, failed: number) => ({
      nowMs,
      services: {
        s1: { target: "demo", stale: null, problem: null },
        s2: { target: "x", stale: "gone", problem: null },
      },
      endpoints: {
        e1: row({ service: "s1", address: "10.0.0.1:80", attempts, failed, inFlight: 3, p50Ms: 1.5, p99Ms: 20 }),
        e2: row({ service: "s1", address: "10.0.0.2:80", ejectedForS: 12, health: "7 in a row failed" }),
        e3: row({ service: "s2", address: "10.0.0.3:80", state: "transient_failure", lastError: "no\u001b[31m way" }),
      },
    });
    const url = await servePage([state(1_000, 100, 1), state(3_000, 300, 11)]);
    const { code, stdout, stderr } = await run(["top", "--page", `${url}/lb/`, "-n", "2", "-i", "100ms", "-o", "json"]);
    assert.equal(code, 0, stderr);
    const [, line] = linesOf(stdout);
    assert.deepEqual(line!.endpoints[0], {
      endpoint: "10.0.0.1:80",
      service: "demo",
      state: "ready",
      health: "serving",
      inFlight: 3,
      p50Ms: 1.5,
      p99Ms: 20,
      callsPerSecond: 100,
      errorsPerSecond: 5,
    });
    const { health, why } = line!.endpoints[1]!;
    assert.deepEqual({ health, why }, { health: "ejected", why: "ejected for 12 s: 7 in a row failed" });
    assert.equal(line!.endpoints.length, 3);
    // Whatever the page says of the health of a server that can't be reached.
    assert.equal(line!.endpoints[2]!["health"], "unknown");
    const one = await run(["top", "demo", "--page", `${url}/lb`, "-n", "1", "-o", "name"]);
    assert.equal(one.stdout, "10.0.0.1:80\n10.0.0.2:80\n");
    const table = await run(["top", "x", "--page", `${url}/lb`, "-n", "1"]);
    assert.match(table.stderr, /this may be old: gone/);
    assert.ok(!table.stdout.includes("\x1b"));
  });

  it("reads the page that observe() makes", async () => {
    const transport = createBalancedTransport({
      resolver: staticResolver([healthy]),
      connector: grpcConnector(),
      recorder: flightRecorder(),
    });
    const page = observe({ transports: [transport] }), server = createServer(requestListener(page.handler));
    pages.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const health = createClient(Health, transport);
    const running = start([
      "top",
      "--page",
      `127.0.0.1:${(server.address() as AddressInfo).port}`,
      "-i",
      "100ms",
      "-o",
      "json",
    ]);
    await eventually("the calls of this program are shown", async () => {
      await health.check({});
      const row = linesOf(running.stdout.slice(0, running.stdout.lastIndexOf("\n"))).at(-1)?.endpoints[0];
      return row?.["endpoint"] === healthy && row["state"] === "ready" && Number(row["callsPerSecond"]) > 0 &&
        Number(row["p50Ms"]) > 0 && row["errorsPerSecond"] === 0;
    });
    running.signal("SIGINT");
    assert.equal(await running.exited, 130);
    page.close();
    await transport.close();
  });

  it("reads the calls of a program from its channelz", async () => {
    const transport = createBalancedTransport({ resolver: staticResolver([healthy]), connector: grpcConnector() });
    const other = createBalancedTransport({ resolver: staticResolver([unwell]), connector: grpcConnector() });
    const channelz = createChannelz({ transports: [transport, other] });
    const address = await serve({ routes: () => {}, channelz });
    const health = createClient(Health, transport);
    await Promise.all([health.check({}), createClient(Health, other).check({})]);
    const running = start(["top", "--channelz", address, "-i", "100ms", "-o", "json"]);
    await eventually("the calls of this program are shown", async () => {
      await health.check({});
      const rows = linesOf(running.stdout.slice(0, running.stdout.lastIndexOf("\n"))).at(-1)?.endpoints ?? [];
      const [first] = rows.filter(({ endpoint }) => endpoint === healthy);
      return rows.length === 2 && first?.["state"] === "ready" && Number(first["callsPerSecond"]) > 0;
    });
    running.signal("SIGINT");
    assert.equal(await running.exited, 130);
    const one = await run(["top", transport.snapshot().target, "--channelz", address, "-n", "1", "-o", "name"]);
    assert.equal(one.stdout, `${healthy}\n`);
    const none = await run(["top", "--channelz", healthy, "-n", "1"]);
    assert.equal(none.code, 4);
    assert.match(none.stderr, /can't read channelz of .*\n.*createChannelz/);
    await Promise.all([transport.close(), other.close()]);
  });

  it("says what is wrong with its arguments, with etcd and with a page", async () => {
    const url = await servePage([{ hello: 1 }]), [port] = await freePorts(1);
    const mistakes: readonly (readonly [args: readonly string[], code: number, said: RegExp])[] = [
      [["top"], 2, /SERVICE is missing\n.*--page URL/],
      [["top", "demos"], 3, /no endpoints of "demos"[^]*did you mean demo\?/],
      [["top", "demo", "-i", "1ms"], 2, /--interval/],
      [["top", "--page", "http://a:b@c"], 2, /has user information/],
      [["top", "--page", "::"], 2, /is no URL/],
      [["top", "--page", url, "--channelz", "127.0.0.1:1"], 2, /can't be combined/],
      [["top", "--channelz", "nowhere"], 2, /--channelz: .*has no port/],
      [["top", "--page", url, "-n", "1"], 1, /HTTP 404/],
      [["top", "--page", `${url}/lb`, "-n", "1"], 1, /no page of connect-lb/],
      [["top", "--page", `127.0.0.1:${port}`, "-n", "1"], 4, /can't reach the page/],
      [["top", "demo", "--endpoints", `http://127.0.0.1:${port}`], 4, /can't reach etcd/],
    ];
    for (const [args, expected, said] of mistakes) {
      const { code, stderr } = await run(args, { env: env() });
      assert.match(stderr, said, args.join(" "));
      assert.equal(code, expected, args.join(" "));
      assert.doesNotMatch(stderr, /a:b@/);
    }
  });
});

function row(values: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return {
    zone: null,
    weight: null,
    state: "ready",
    health: "serving",
    ejectedForS: null,
    inFlight: 0,
    attempts: 0,
    failed: 0,
    p50Ms: null,
    p99Ms: null,
    lastError: null,
    ...values,
  };
}
