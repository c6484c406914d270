// `connect-lb proxy` as a process, with much of what it can do at once.
import assert from "node:assert/strict";
import http from "node:http";
import { it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/grpc/health/v1/health_pb.ts";
import { grpcConnector } from "../../src/node.ts";
import { direct } from "../support/direct.ts";
import { freePorts } from "../support/etcd.ts";
import { eventually } from "../support/eventually.ts";
import { runtime, startScript } from "../support/process.ts";
import * as tls from "../support/tls.ts";
import { serveMemoryEtcd } from "./memory-etcd.ts";
import { backend, metricsOf, pem, simple } from "./proxy-support.ts";

it("connect-lb proxy routes by port, authority and path, over TLS to servers that are well, and drains", async (t) => {
  const etcd = await serveMemoryEtcd();
  t.after(() => etcd.close());
  const env = { CONNECT_LB_ETCD: etcd.url };
  const services = ["everything", "named", "internal"].map((service) => {
    return backend(t, { etcd, service }, { tls: { ...tls.server, ca: tls.ca }, health: true });
  });
  const [{ held }] = await Promise.all(services) as [Awaited<(typeof services)[number]>];
  const [own, other] = await freePorts(2);
  const proxy = startScript(runtime, "src/cli.ts", [
    ...["proxy", "--listen", `${own}`, "--listen", `127.0.0.1:${other}`, "--admin", "0", "--service", "everything"],
    ...["--route", "path=/proto.Simple,authority=api.example,service=named"],
    ...["--route", `port=${other},service=internal`],
    ...["--health", "grpc", "--policy", "leastRequest", "--cors", "*", "--json", "--drain", "20s"],
    ...["--tls-ca", pem("ca"), "--tls-name", "simple.test", "--tls-cert", pem("client")],
    ...["--tls-key", pem("client-key")],
  ], { env });
  t.after(() => proxy.stop());
  const [, admin] = await proxy.line(/admin at http:\/\/(\S+)\//);
  const addresses = proxy.lines.filter((line) => /^127\.0\.0\.1:\d+$/.test(line));
  assert.deepEqual(addresses, [`127.0.0.1:${own}`, `127.0.0.1:${other}`]);

  const client = simple(t, addresses[0]!);
  assert.equal((await client.route({ data: "a" })).value, "everything a");
  // A route with a port is the most specific one.
  for (const host of ["127.0.0.1", "api.example"]) {
    assert.deepEqual(await postJson(addresses[1]!, host), { value: "internal b" });
  }
  assert.deepEqual(await postJson(addresses[0]!, "api.example:80"), { value: "named b" });
  const { transport, close } = direct(grpcConnector(), admin!);
  t.after(() => close());
  const health = createClient(Health, transport);
  for (const service of ["", "everything", "named", "internal"]) {
    assert.equal((await health.check({ service })).status, Status.SERVING, service);
  }
  assert.equal((await metricsOf(admin!))['connect_lb_proxy_calls_total{connect_lb_result="succeeded"}'], 4);

  const call = client.route({ data: "wait" });
  await eventually("the call is there", () => held.length === 1);
  proxy.signal("SIGTERM");
  await eventually("it doesn't listen any more", () => isClosed(addresses[1]!));
  held[0]!();
  assert.equal((await call).value, "everything wait");
  assert.equal((await proxy.exited).code, 0, proxy.lines.join("\n"));

  const wrong = startScript(runtime, "src/cli.ts", ["proxy", "--route", "port=9001,service=a"], { env });
  assert.equal((await wrong.exited).code, 2);
  assert.deepEqual(wrong.lines, [
    "connect-lb proxy: a route is for port 9001, and the proxy listens on 127.0.0.1:9000",
    "  add --listen 9001",
  ]);
});

/** Calls over HTTP/1.1, whose clients can say any host. */
function postJson(address: string, host: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const headers = { host, "content-type": "application/json" };
    const request = http.request(`http://${address}/proto.Simple/Route`, { method: "POST", headers, agent: false });
    request.on("error", reject).on("response", (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece: string) => (text += piece));
      response.on("end", () => resolve(JSON.parse(text)));
    });
    request.end('{"data":"b"}');
  });
}

/** Whether nothing listens at an address. */
function isClosed(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = http.get(`http://${address}/`, { agent: false }, (response) => {
      response.resume();
      resolve(false);
    });
    request.on("error", () => resolve(true));
  });
}
