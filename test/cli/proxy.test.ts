import assert from "node:assert/strict";
import http from "node:http";
import { after, before, describe, it, type TestContext } from "node:test";
import { Code, type ConnectError, createClient } from "@connectrpc/connect";
import * as connectWeb from "@connectrpc/connect-web";
import { Channelz } from "../../gen/grpc/channelz/v1/channelz_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/grpc/health/v1/health_pb.ts";
import { Simple } from "../../gen/simple_pb.ts";
import { exposition } from "../../src/cli/proxy/exposition.ts";
import { grpcConnector } from "../../src/node.ts";
import { createGrpcServer } from "../../src/server.ts";
import { failureOf } from "../support/balanced.ts";
import { direct } from "../support/direct.ts";
import { freePorts } from "../support/etcd.ts";
import { eventually } from "../support/eventually.ts";
import * as tls from "../support/tls.ts";
import { type ServedEtcd, serveMemoryEtcd } from "./memory-etcd.ts";
import { backend as registered, pem, simple } from "./proxy-support.ts";
import { run, type Running, start } from "./support.ts";

describe("connect-lb proxy", () => {
  let etcd: ServedEtcd;
  before(async () => void (etcd = await serveMemoryEtcd()));
  after(() => etcd.close());

  async function serve(t: TestContext, args: readonly string[], etcdUrl = etcd.url) {
    const proxy = start(["proxy", "--listen", "0", ...args], { env: { CONNECT_LB_ETCD: etcdUrl } });
    t.after(async () => {
      proxy.signal("SIGTERM");
      await proxy.exited;
    });
    const address = await eventually("it listens", () => /^\S+:\d+$/m.exec(proxy.stdout)?.[0]);
    return { proxy, address };
  }

  /** A server of the demo service that is registered under a name. */
  const backend = (t: TestContext, service: string) => registered(t, { etcd, service });

  const adminOf = (proxy: Running) =>
    eventually("its admin port is open", () => /admin at http:\/\/(\S+)\//.exec(proxy.stderr)?.[1]);

  it("takes calls on one address, and sends them where their routes say", async (t) => {
    await backend(t, "one");
    await backend(t, "two");
    const { address } = await serve(t, ["--service", "one", "--route", "path=/proto.Simple/Route,service=two"]);
    assert.equal((await simple(t, address).route({ data: "a" })).value, "two a");
    const web = createClient(Simple, connectWeb.createGrpcWebTransport({ baseUrl: `http://${address}` }));
    assert.equal((await web.route({ data: "b" })).value, "two b");
    const error = await failureOf(web.routeServerStream({ data: "c" })[Symbol.asyncIterator]().next());
    assert.equal((error as ConnectError).code, Code.Unimplemented); // By "one", which has no such method.
  });

  it("refuses arguments that can't be, before it listens", async () => {
    for (
      const [args, said] of [
        [[], /no service for calls to go to/],
        [["--route", "service"], /expected service=…, authority=…, path=…, port=…, separated by commas/],
        [["--route", "path=/a"], /says no service/],
        [["--route", "service=a,service=b"], /two of service/],
        [["--route", "port=x,service=a"], /port/],
        [["--route", "path=a,service=a"], /path/],
        [["--service", "a", "--cors", "app"], /origin/],
        [["--service", "a", "--idempotent", "Route"], /idempotent/],
        [["--service", "a", "--listen-cert", "x"], /both --listen-cert and --listen-key/],
        [["--service", "a", "--drain", "x"], /--drain/],
      ] as const
    ) {
      const { code, stderr, stdout } = await run(["proxy", "--listen", "0", ...args]);
      assert.deepEqual([code, stdout], [2, ""], stderr);
      assert.match(stderr, said);
    }
  });

  it("listens while etcd can't be reached, and says so", async (t) => {
    const [port] = await freePorts(1), url = `http://127.0.0.1:${port}`;
    const { address, proxy } = await serve(t, ["--service", "later", "--timeout", "300ms"], url);
    await eventually("it says so", () => /can't reach etcd.*tried again/.test(proxy.stderr));
    const client = simple(t, address);
    const late = await serveMemoryEtcd(port);
    t.after(() => late.close());
    const server = createGrpcServer({ routes: (router) => router.service(Simple, { route: () => ({ value: "up" }) }) });
    t.after(async () => {
      server.closeAllConnections();
      await server.close();
    });
    await late.register({ service: "later", address: (await server.listen({ host: "127.0.0.1", port: 0 })).address });
    await eventually(
      "calls succeed",
      () => client.route({ data: "a" }).then(({ value }) => value === "up", () => false),
    );
  });

  it("says that a service has no servers yet", async (t) => {
    const { proxy } = await serve(t, ["--service", "nobody"]);
    await eventually("it says so", () => /no server of nobody is registered yet/.test(proxy.stderr));
  });

  it("lets calls finish after SIGTERM, and then ends with 0", async (t) => {
    const { held } = await backend(t, "drained");
    const { address, proxy } = await serve(t, ["--service", "drained"]);
    const client = simple(t, address), call = client.route({ data: "wait" });
    await eventually("the call is there", () => held.length === 1);
    proxy.signal("SIGTERM");
    await failureOf(simple(t, address).route({ data: "late" }));
    held[0]!();
    assert.equal((await call).value, "drained wait");
    assert.equal(await proxy.exited, 0);
  });

  it("speaks TLS to clients, with their certificates if it is to", async (t) => {
    await backend(t, "secure");
    const own = ["--listen-cert", pem("server"), "--listen-key", pem("server-key")];
    const { address } = await serve(t, ["--service", "secure", ...own]);
    assert.equal((await simple(t, address, { tls: { ca: tls.ca } }).route({ data: "a" })).value, "secure a");
    const mutual = await serve(t, ["--service", "secure", ...own, "--listen-ca", pem("ca")]);
    await failureOf(simple(t, mutual.address, { tls: { ca: tls.ca } }).route({ data: "a" }, { timeoutMs: 2_000 }));
  });

  it("shows its state on an admin port alone", async (t) => {
    await backend(t, "seen");
    const { address, proxy } = await serve(t, ["--service", "seen", "--admin", "0", "--health", "none"]);
    assert.equal((await simple(t, address).route({ data: "a" })).value, "seen a");
    const admin = await adminOf(proxy);
    const { transport, close } = direct(grpcConnector(), admin);
    t.after(() => close());
    const health = createClient(Health, transport);
    assert.equal((await health.check({})).status, Status.SERVING);
    assert.equal((await health.check({ service: "seen" })).status, Status.SERVING);
    const { channel } = await createClient(Channelz, transport).getTopChannels({});
    assert.equal(channel.length, 1);
    const metrics = await fetch(`http://${admin}/metrics`);
    assert.match(metrics.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
    assert.match(
      await metrics.text(),
      /grpc_client_attempt_duration_seconds_count\{[^}]*grpc_method="proto\.Simple\/Route"[^}]*grpc_status="OK"[^}]*\} 1\n/,
    );
    assert.match(await (await fetch(`http://${admin}/`)).text(), /<html/);
    // Not even for pages whose own name resolves to this machine.
    for (const path of ["/", "/metrics"]) assert.equal(await statusFor(admin, path, "evil.example"), 403);
    // Nothing of it where clients call.
    const open = direct(grpcConnector(), address);
    t.after(() => open.close());
    const refused = await failureOf(createClient(Channelz, open.transport).getServers({}));
    assert.match(String(refused), /unimplemented/);
    assert.equal((await fetch(`http://${address}/metrics`)).status, 415);
  });
});

/** The status of a GET request that says another host. */
function statusFor(address: string, path: string, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const request = http.get(`http://${address}${path}`, { headers: { host }, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on("error", reject);
  });
}

describe("the exposition of metrics", () => {
  it("is Prometheus's text", () => {
    const at = { startTime: [0, 0] as [number, number], endTime: [1, 0] as [number, number] };
    const about = { description: "How\nlong", valueType: 1 } as const;
    const text = exposition([
      {
        descriptor: { ...about, name: "grpc.call.duration", unit: "s" },
        aggregationTemporality: 1,
        dataPointType: 0,
        dataPoints: [{
          ...at,
          attributes: { "grpc.method": 'a"b\\' },
          value: { buckets: { boundaries: [0.5, 1], counts: [1, 2, 3] }, count: 6, sum: 9, min: 0, max: 4 },
        }],
      },
      {
        descriptor: { ...about, name: "calls", unit: "{call}" },
        aggregationTemporality: 1,
        dataPointType: 3,
        isMonotonic: true,
        dataPoints: [{ ...at, attributes: {}, value: 7 }],
      },
    ]);
    assert.equal(
      text,
      [
        "# HELP grpc_call_duration_seconds How\\nlong",
        "# TYPE grpc_call_duration_seconds histogram",
        'grpc_call_duration_seconds_bucket{grpc_method="a\\"b\\\\",le="0.5"} 1',
        'grpc_call_duration_seconds_bucket{grpc_method="a\\"b\\\\",le="1"} 3',
        'grpc_call_duration_seconds_bucket{grpc_method="a\\"b\\\\",le="+Inf"} 6',
        'grpc_call_duration_seconds_sum{grpc_method="a\\"b\\\\"} 9',
        'grpc_call_duration_seconds_count{grpc_method="a\\"b\\\\"} 6',
        "# HELP calls_total How\\nlong",
        "# TYPE calls_total counter",
        "calls_total 7",
        "",
      ].join("\n"),
    );
  });
});
