import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { freePorts } from "../support/etcd.ts";
import { eventually } from "../support/eventually.ts";
import { type ServedEtcd, serveMemoryEtcd } from "./memory-etcd.ts";
import { type Running, start } from "./support.ts";

describe("connect-lb watch", () => {
  let etcd: ServedEtcd;
  const begin = (...args: readonly string[]) => start(["watch", ...args], { env: { CONNECT_LB_ETCD: etcd.url } });
  /** Waits until standard output has a line. */
  const shown = (running: Running, pattern: RegExp) =>
    eventually(`${pattern} in ${running.stdout}`, () => pattern.test(running.stdout));

  before(async () => {
    etcd = await serveMemoryEtcd();
  });
  after(() => etcd.close());

  it("prints who is present, is added, changes and is removed, until Ctrl-C, which ends it with 130", async () => {
    const first = await etcd.register({ service: "s", address: "10.0.0.1:80" });
    const watching = begin("s");
    await shown(watching, /^\d\d:\d\d:\d\d\.\d{3} {2}present +10\.0\.0\.1:80 {2}1 in all$/m);
    const second = await etcd.register({ service: "s", address: "10.0.0.2:80" });
    await shown(watching, / {2}added +10\.0\.0\.2:80 {2}2 in all$/m);
    await first.close();
    await shown(watching, / {2}removed +10\.0\.0\.1:80 {2}1 in all$/m);
    await second.close();
    await shown(watching, / {2}removed +10\.0\.0\.2:80 {2}0 in all$/m);
    watching.signal("SIGINT");
    assert.equal(await watching.exited, 130);
    assert.equal(watching.stderr, "");
  });

  it("prints a JSON object per line, and says on standard error that nobody is there yet", async () => {
    const watching = begin("t", "-o", "json");
    await eventually("it waits", () => /no endpoints of "t" .*: waiting for the first one/.test(watching.stderr));
    await (await etcd.register({ service: "t", address: "10.0.0.1:80" })).close();
    await shown(watching, /"removed"/);
    watching.signal("SIGTERM");
    assert.equal(await watching.exited, 143);
    const changes = watching.stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(changes.map(({ time: _, ...change }) => change), [
      { service: "t", change: "added", address: "10.0.0.1:80", endpoints: 1 },
      { service: "t", change: "removed", address: "10.0.0.1:80", endpoints: 0 },
    ]);
    for (const { time } of changes) assert.ok(Math.abs(Date.parse(time as string) - Date.now()) < 3_600_000);
  });

  it("shows what changed of an endpoint, and that its server registered anew", async () => {
    await etcd.put("/microservices/u/a", '{"name":"u","endpoints":["grpc://10.0.0.1:80"],"metadata":{"zone":"a"}}');
    const watching = begin("u", "--layout", "kratos");
    await shown(watching, /present +10\.0\.0\.1:80 {2}zone a/);
    await etcd.put(
      "/microservices/u/a",
      '{"name":"u","endpoints":["grpc://10.0.0.1:80"],"metadata":{"zone":"b","weight":"2"}}',
    );
    await shown(watching, /changed +10\.0\.0\.1:80 {2}zone b {2}weight 2 {2}\(weight none → 2, zone a → b, metadata\)/);
    watching.signal("SIGINT");
    await watching.exited;
  });

  it("ends quietly when nobody reads its output any more", async () => {
    const watching = begin("s");
    await eventually("it watches", () => watching.stderr !== "" || watching.stdout !== "");
    watching.signal("SIGPIPE");
    assert.equal(await watching.exited, 0);
  });

  it("waits for an etcd that can't be reached when it starts, and goes on when that happens later", async () => {
    const [port] = await freePorts(1);
    const watching = start(["watch", "s", "--endpoints", `http://127.0.0.1:${port}`]);
    await eventually("it says so", () => /can't reach etcd: .*: waiting until it can be reached/.test(watching.stderr));
    assert.match(watching.stderr, /nothing listens there: is etcd running\?/);
    const own = await serveMemoryEtcd(port);
    await own.register({ service: "s", address: "10.0.0.1:80" });
    // It may be back before the server registers.
    await shown(watching, /(present|added) +10\.0\.0\.1:80/);
    await own.close();
    await eventually("it says so", () => /etcd can't be reached, the last set stays in use/.test(watching.stderr));
    const again = await serveMemoryEtcd(Number(new URL(own.url).port));
    await again.register({ service: "s", address: "10.0.0.2:80" });
    await eventually("it can be reached", () => /etcd can be reached: /.test(watching.stderr));
    await shown(watching, /added +10\.0\.0\.2:80/);
    watching.signal("SIGINT");
    assert.equal(await watching.exited, 130);
    await again.close();
  });
});
