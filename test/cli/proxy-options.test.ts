// What each option of `connect-lb proxy` does.
import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import * as connectWeb from "@connectrpc/connect-web";
import { Simple } from "../../gen/simple_pb.ts";
import { etcdNaming } from "../../src/etcd.ts";
import { createHealth } from "../../src/server.ts";
import { failureOf } from "../support/balanced.ts";
import { eventually } from "../support/eventually.ts";
import * as tls from "../support/tls.ts";
import { type ServedEtcd, serveMemoryEtcd } from "./memory-etcd.ts";
import { backend, codeOf, metricsOf, pem, simple } from "./proxy-support.ts";
import { run, start } from "./support.ts";

describe("the options of connect-lb proxy", () => {
  let etcd: ServedEtcd;
  before(async () => void (etcd = await serveMemoryEtcd()));
  after(() => etcd.close());

  async function serve(t: TestContext, args: readonly string[]) {
    const proxy = start(["proxy", "--listen", "0", ...args], { env: { CONNECT_LB_ETCD: etcd.url } });
    t.after(async () => {
      proxy.signal("SIGTERM");
      await proxy.exited;
    });
    const address = await eventually("it listens", () => /^\S+:\d+$/m.exec(proxy.stdout)?.[0]);
    return { proxy, address };
  }

  it("--health grpc: calls go to servers alone that say SERVING", async (t) => {
    const sick = createHealth();
    sick.setStatus("", "NOT_SERVING");
    await backend(t, { etcd, service: "checked" }, { says: "sick", health: sick });
    await backend(t, { etcd, service: "checked" }, { says: "well", health: true });
    const client = simple(t, (await serve(t, ["--service", "checked", "--health", "grpc"])).address);
    const answers = async () => {
      const values = new Set<string>();
      for (let i = 0; i < 6; i++) values.add((await client.route({ data: "a" })).value);
      return [...values].sort();
    };
    assert.deepEqual(await answers(), ["well a"]);
    sick.setStatus("", "SERVING");
    await eventually("both answer", async () => (await answers()).length === 2);
    // Without it, both get calls whatever they say.
    sick.setStatus("", "NOT_SERVING");
    const unchecked = simple(t, (await serve(t, ["--service", "checked"])).address);
    await eventually("both answer", async () => (await unchecked.route({ data: "a" })).value === "sick a");
  });

  it("--cors and --json: pages of an origin may call, and JSON is passed on; elsewhere it is refused with 415", async (t) => {
    await backend(t, { etcd, service: "web" });
    const origin = "https://app.example";
    const post = (address: string, from = origin) =>
      fetch(`http://${address}/proto.Simple/Route`, {
        method: "POST",
        headers: { "content-type": "application/json", origin: from },
        body: '{"data":"a"}',
      });
    const allowed = ({ headers }: Response) => headers.get("access-control-allow-origin");
    const web = await serve(t, ["--service", "web", "--json", "--cors", origin]);
    const asked = { origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type" };
    const preflight = await fetch(`http://${web.address}/proto.Simple/Route`, { method: "OPTIONS", headers: asked });
    assert.equal(allowed(preflight), origin);
    const answer = await post(web.address);
    assert.deepEqual([answer.status, allowed(answer)], [200, origin]);
    assert.deepEqual(await answer.json(), { value: "web a" });
    const other = await post(web.address, "https://other.example");
    assert.equal(allowed(other), null);
    await other.body?.cancel();
    const plain = await serve(t, ["--service", "web"]);
    const refused = await post(plain.address);
    assert.deepEqual([refused.status, allowed(refused)], [415, null]);
    assert.match(await refused.text(), /takes binary messages/);
    const binary = connectWeb.createConnectTransport({ baseUrl: `http://${plain.address}`, useBinaryFormat: true });
    assert.equal((await createClient(Simple, binary).route({ data: "b" })).value, "web b");
  });

  it("--tls…: servers are verified by a CA and a name, and see a certificate", async (t) => {
    await backend(t, { etcd, service: "secure" }, { tls: { ...tls.server, ca: tls.ca } });
    const own = ["--tls-cert", pem("client"), "--tls-key", pem("client-key")];
    const answer = async (...args: readonly string[]) => {
      const client = simple(t, (await serve(t, ["--service", "secure", ...args])).address);
      return (await client.route({ data: "a" }, { timeoutMs: 20_000 })).value;
    };
    assert.equal(await answer("--tls-ca", pem("ca"), "--tls-name", "simple.test", ...own), "secure a");
    assert.equal(await answer("--tls-skip-verify", ...own), "secure a");
    for (
      const wrong of [
        ["--tls-ca", pem("ca"), "--tls-name", "other.test", ...own],
        ["--tls-ca", pem("ca")],
        ["--tls", ...own],
        [],
      ]
    ) assert.equal(await codeOf(answer(...wrong)), Code.Unavailable, wrong.join(" "));
  });

  it("--listen-ca, --layout and --prefix: clients show a certificate, and etcd's keys are read as they are", async (t) => {
    await backend(t, { etcd, service: "layout" }, { layout: etcdNaming({ prefix: "/team" }) });
    const { address } = await serve(t, [
      ...["--service", "layout", "--layout", "etcdNaming", "--prefix", "/team"],
      ...["--listen-cert", pem("server"), "--listen-key", pem("server-key"), "--listen-ca", pem("ca")],
    ]);
    const client = simple(t, address, { tls: { ca: tls.ca, ...tls.client } });
    assert.equal((await client.route({ data: "a" })).value, "layout a");
  });

  it("--idempotent: its methods are repeated although a server may have processed the call", async (t) => {
    const servers = [await backend(t, { etcd, service: "again" }), await backend(t, { etcd, service: "again" })];
    /** How many attempts a call has whose servers lose the connection. */
    const attempts = async (...args: readonly string[]) => {
      const client = simple(t, (await serve(t, ["--service", "again", ...args])).address);
      // Both are connected.
      await eventually("both answer", async () => {
        await client.route({ data: "a" });
        return servers.every(({ calls }) => calls.length > 0);
      });
      for (const { calls } of servers) calls.length = 0;
      assert.equal(await codeOf(client.route({ data: "lose" })), Code.Unavailable);
      const all = servers.flatMap(({ calls }) => calls.splice(0));
      return all.length;
    };
    assert.equal(await attempts(), 1);
    for (const listed of ["/proto.Simple/Route", "/proto.Simple"]) {
      assert.ok(await attempts("--idempotent", listed) > 1, listed);
    }
  });

  it("--policy: a call goes to the server that it picks", async (t) => {
    const servers = [await backend(t, { etcd, service: "picked" }), await backend(t, { etcd, service: "picked" })];
    const client = simple(t, (await serve(t, ["--service", "picked", "--policy", "pickFirst"])).address);
    for (let i = 0; i < 4; i++) await client.route({ data: "a" });
    assert.deepEqual(servers.map(({ calls }) => calls.length).sort(), [0, 4]);
  });

  it("--drain: calls that take longer after SIGTERM are ended, which it says", async (t) => {
    const { held } = await backend(t, { etcd, service: "slow" });
    const { address, proxy } = await serve(t, ["--service", "slow", "--drain", "50ms"]);
    const call = failureOf(simple(t, address).route({ data: "wait" }));
    await eventually("the call is there", () => held.length === 1);
    proxy.signal("SIGTERM");
    await call;
    assert.equal(await proxy.exited, 0);
    assert.match(proxy.stderr, /calls that took longer than 50ms were ended/);
  });

  it("--admin: /metrics counts calls, and what is refused", async (t) => {
    await backend(t, { etcd, service: "counted" });
    const { address, proxy } = await serve(t, ["--route", "path=/proto.Simple,service=counted", "--admin", "0"]);
    const admin = await eventually("its admin port is open", () => /admin at http:\/\/(\S+)\//.exec(proxy.stderr)?.[1]);
    const client = simple(t, address);
    await client.route({ data: "a" });
    // A method that the server doesn't have.
    await failureOf(client.routeServerStream({ data: "a" })[Symbol.asyncIterator]().next());
    const post = async (path: string, type: string) => {
      const sent = { method: "POST", headers: { "content-type": type }, body: "{}" };
      const answer = await fetch(`http://${address}${path}`, sent);
      await answer.body?.cancel();
      return answer.status;
    };
    assert.equal(await post("/other.Service/Method", "application/proto"), 404);
    assert.equal(await post("/proto.Simple/Route", "application/json"), 415);
    assert.equal(await post("/proto.Simple/Route", "text/plain"), 415);
    const metrics = await metricsOf(admin);
    const ended = (result: string) => metrics[`connect_lb_proxy_calls_total{connect_lb_result="${result}"}`];
    assert.deepEqual([ended("succeeded"), ended("failed"), metrics["connect_lb_proxy_calls_in_flight"]], [1, 1, 0]);
    assert.ok(metrics["connect_lb_proxy_connections"]! > 0);
    const reasons = [
      ...["no_route", "unsupported", "max_header_list_bytes", "max_concurrent_streams", "max_buffered_bytes"],
      ...["max_connections", "flood"],
    ];
    const refused = reasons.map((reason) => metrics[`connect_lb_proxy_refused_total{connect_lb_reason="${reason}"}`]);
    assert.deepEqual(refused, [1, 2, 0, 0, 0, 0, 0]);
  });

  it("that can't go together are refused before it listens", async () => {
    for (
      const [args, said] of [
        [["--service", "a", "--listen", "9000", "--listen", "127.0.0.1:9000"], /--listen has 127\.0\.0\.1:9000 twice/],
        [["--service", "a", "--listen", "9000", "--admin", "9000"], /--admin and --listen are both 127\.0\.0\.1:9000/],
        [["--listen", "9000", "--route", "port=9001,service=a"], /for port 9001, and the proxy listens on 127.*:9000/],
        [["--service", "a", "--route", "service=b"], /two routes for any authority \//],
        [["--service", "a", "--tls-cert", "x"], /--tls-cert and --tls-key belong together/],
        [["--service", "a", "--listen-ca", "x"], /both --listen-cert and --listen-key/],
        [["--service", "a", "--health", "http"], /--health/],
        [["--service", "a", "--policy", "best"], /--policy/],
        [["--service", "a", "simple_grpc"], /simple_grpc/],
      ] as const
    ) {
      const { code, stderr, stdout } = await run(["proxy", ...args]);
      assert.deepEqual([code, stdout], [2, ""], `${args.join(" ")}: ${stderr}`);
      assert.match(stderr, said);
    }
  });
});
