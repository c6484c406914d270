// Prepared faults, each found by `connect-lb doctor` alone, with a real etcd, real servers and real certificates.
import { createServer as createTcpServer } from "node:net";
import assert from "node:assert/strict";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import {
  createEtcdRegistry,
  dubboApplication,
  dubboInterface,
  etcdNaming,
  goMicro,
  type Layout,
  type Registry,
} from "../../src/etcd.ts";
import { createGrpcServer, createHealth, type GrpcServer } from "../../src/server.ts";
import { Simple } from "../../gen/simple_pb.ts";
import { type Etcd, etcdctl, etcdSkipped, freePorts, startEtcd } from "../support/etcd.ts";
import { expired, server as identity } from "../support/tls.ts";
import { doctor, hasFinding, hasNothing } from "./doctor-report.ts";
import { run } from "./support.ts";

const caFile = fileURLToPath(new URL("../support/tls/ca.pem", import.meta.url));
const expiredFile = (name: string) => fileURLToPath(new URL(`../support/tls/expired/${name}.pem`, import.meta.url));

describe("connect-lb doctor", { skip: etcdSkipped }, () => {
  let etcd: Etcd;
  const registries: Registry[] = [];
  const servers: GrpcServer[] = [];

  before(async () => {
    const files = { cert: fileURLToPath(new URL("../support/tls/server.pem", import.meta.url)) };
    const key = fileURLToPath(new URL("../support/tls/server-key.pem", import.meta.url));
    etcd = await startEtcd({ tls: { ...files, key } });
  });
  after(async () => {
    await Promise.all(registries.map((registry) => registry.close()));
    await Promise.all(servers.map((server) => (server.closeAllConnections(), server.close())));
    await etcd?.stop();
  });

  async function serve(tls?: { cert: string; key: string }): Promise<string> {
    const health = createHealth();
    const server = createGrpcServer({
      health,
      routes: (router) => router.service(Simple, {}),
      ...tls !== undefined && { tls },
    });
    servers.push(server);
    return (await server.listen({ host: "127.0.0.1", port: 0 })).address;
  }

  async function register(service: string, address: string, layout?: Layout): Promise<void> {
    const registry = createEtcdRegistry({ endpoints: [etcd.url], ...layout !== undefined && { layout } });
    registries.push(registry);
    await registry.register({ service, address, ttlSeconds: 60 }).ready;
  }

  it("finds nothing where nothing is wrong, and shows what it saw", async () => {
    const address = await serve();
    await register("sound", address);
    const report = await doctor(etcd.url, ["sound"]);
    hasNothing(report);
    assert.equal(report.endpoints[0]?.address, address);
    assert.equal(report.endpoints[0]?.limitsPings, true);
    assert.equal(report.endpoints[0]?.health, "SERVING");
    const { code, stdout } = await run(["doctor", "sound", "--endpoints", etcd.url]);
    const slow = /answers slowly/.test(stdout);
    assert.equal(code, slow ? 1 : 0);
    assert.match(stdout, slow ? /\n1 warning\n$/ : /\nnothing wrong found\n$/);
    assert.match(stdout, new RegExp(`${address} +sound +answers`));
  });

  it("finds a wrong prefix, and says which one is right", async () => {
    await etcdctl(etcd, "put", "/wonamingv3/elsewhere/127.0.0.1:9", "127.0.0.1:9");
    const report = await doctor(etcd.url, ["elsewhere", "--layout", "grpclb"]);
    hasFinding(report, /no server of the service is registered where this layout looks/, /registered elsewhere/);
    hasFinding(report, /keys of the layout wonaming, as wonaming writes them/, /pass --layout wonaming;/);
    const [, flags = ""] = /pass (.*?);/.exec(report.findings.map(({ next }) => next).join()) ?? [];
    const right = await doctor(etcd.url, ["elsewhere", ...flags.split(" ")]);
    assert.doesNotMatch(JSON.stringify(right.findings), /registered where this layout looks/);
  });

  it("looks at a service by the layout that it recognises, whatever names the default one takes", async () => {
    await register("shop/micro", await serve(), goMicro());
    const { findings, endpoints } = await doctor(etcd.url, ["shop/micro"]);
    const found = findings.find(({ what }) => /registered in the layout goMicro, as go-micro/.test(what));
    assert.deepEqual(found?.where, ["goMicro: 1 key of shop/micro"]);
    assert.equal(endpoints.length, 1);
    const { code, stderr } = await run(["doctor", "shop/nowhere", "--endpoints", etcd.url]);
    assert.equal(code, 2);
    assert.match(stderr, /service name "shop\/nowhere" contains a "\/", which this layout does not support/);
  });

  it("doesn't take a server that is registered in two layouts for one that is registered twice", async () => {
    const address = await serve();
    await register("of.Both", address, dubboApplication());
    await register("of.Both", address, dubboInterface());
    const report = await doctor(etcd.url, ["of.Both"]);
    hasFinding(report, /the service is registered in several layouts/, /--layout looks at one alone/);
    assert.deepEqual(report.findings.filter(({ what }) => /under several keys/.test(what)), []);
  });

  it("finds a wrong layout, and says which one is right", async () => {
    await register("named", await serve(), etcdNaming({ prefix: "company/services" }));
    const unasked = await doctor(etcd.url, ["named"]);
    assert.deepEqual(unasked.findings.map(({ severity, what, where }) => [severity, what, ...where]), [[
      "note",
      "servers are registered in the layout etcdNaming company/services, as etcd's client/v3/naming writes it",
      "etcdNaming company/services: 1 key of named",
    ]]);
    assert.match(
      unasked.findings[0]!.next,
      /createEtcdRegistry\(\{ layout: etcdNaming\(\{ prefix: "company\/services" \}/,
    );
    assert.deepEqual([unasked.code, unasked.endpoints.length], [0, 1]);
    const report = await doctor(etcd.url, ["named", "--layout", "grpclb"]);
    hasFinding(
      report,
      /keys of the layout etcdNaming below company\/services, as etcd's client\/v3\/naming writes them/,
      /pass --layout etcdNaming --prefix company\/services;/,
      /^1 key of named$/,
    );
    hasNothing(await doctor(etcd.url, ["named", "--layout", "etcdNaming", "--prefix", "company/services"]));
  });

  it("finds a dead endpoint", async () => {
    const [port] = await freePorts(1);
    await register("dead", `127.0.0.1:${port}`);
    const report = await doctor(etcd.url, ["dead"]);
    hasFinding(report, /nothing listens at a registered address/, /start the server, or.*etcdctl del KEY/, /of dead$/);
  });

  it("finds TLS at the server only, and finds nothing with the options that it names", async () => {
    await register("secure", await serve(identity));
    const report = await doctor(etcd.url, ["secure"]);
    hasFinding(report, /TLS is on at one end only: the server speaks TLS/, /--tls with --tls-ca FILE/, /of secure$/);
    hasNothing(await doctor(etcd.url, ["secure", "--tls-ca", caFile]));
    hasFinding(await doctor(etcd.url, ["secure", "--tls"]), /not signed by a CA that is trusted/, /--tls-ca FILE/);
  });

  it("finds TLS at the client only", async () => {
    await register("plain", await serve());
    const report = await doctor(etcd.url, ["plain", "--tls-ca", caFile]);
    hasFinding(report, /TLS is on at one end only: clients would call the server with TLS/, /leaving out --tls/);
  });

  it("finds TLS at etcd only, and at its client only", async () => {
    const [, port] = /:(\d+)$/.exec(etcd.secureUrl)!;
    const report = await doctor(`http://127.0.0.1:${port}`, ["sound"]);
    hasFinding(report, /TLS is on at one end only: etcd speaks TLS/, /https:\/\/, and --cacert FILE/);
    const other = await doctor(etcd.url.replace("http:", "https:"), ["sound", "--cacert", caFile]);
    hasFinding(other, /TLS is on at one end only: etcd was called with TLS/, /with http:\/\//);
    hasNothing(await doctor(etcd.secureUrl, ["sound", "--cacert", caFile]));
    hasFinding(await doctor(etcd.secureUrl, ["sound"]), /etcd was not signed by a CA that is trusted/, /--cacert FILE/);
  });

  it("finds an expired CA, of servers and of etcd", async () => {
    await register("old", await serve(expired.server));
    const report = await doctor(etcd.url, ["old", "--tls-ca", expiredFile("ca")]);
    hasFinding(
      report,
      /CA certificate has expired: it was valid until 2021-01-01/,
      /renew it/,
      /--tls-ca: CN=connect-lb/,
    );
    hasNothing(await doctor(etcd.url, ["old", "--tls-ca", expiredFile("ca-valid")]));
    const other = await doctor(etcd.secureUrl, ["old", "--cacert", expiredFile("ca")]);
    hasFinding(other, /CA certificate has expired/, /renew it/, /--cacert/);
  });

  it("finds a server's certificate that has expired", async () => {
    await register("older", await serve(expired.old));
    const report = await doctor(etcd.url, ["older", "--tls-ca", expiredFile("ca-valid")]);
    hasFinding(report, /the certificate of the server has expired/, /renew the certificate/, /of older$/);
  });

  it("finds a certificate for another name", async () => {
    await register("renamed", await serve(identity));
    const report = await doctor(etcd.url, ["renamed", "--tls-ca", caFile, "--tls-name", "other.test"]);
    hasFinding(report, /the certificate of the server is for another name/, /--tls-name/);
  });

  it("finds an address that is registered twice", async () => {
    const address = await serve();
    await register("twice", address);
    await etcdctl(etcd, "put", `/grpclb/twice/second`, address);
    const report = await doctor(etcd.url, ["twice"]);
    hasFinding(
      report,
      /registered under several keys of one service/,
      /register each server once/,
      /twice\/second \(the/,
    );
    hasFinding(report, /a key has no lease/, /etcdctl del KEY/, /^\/grpclb\/twice\/second$/);
  });

  it("finds a wildcard host", async () => {
    await etcdctl(etcd, "put", "/grpclb/wild/0.0.0.0:8000", "0.0.0.0:8000");
    await etcdctl(etcd, "put", "/grpclb/wild/[::]:8000", "[::]:8000");
    const report = await doctor(etcd.url, ["wild"]);
    for (const where of [/^\/grpclb\/wild\/0\.0\.0\.0:8000/, /^\/grpclb\/wild\/\[::\]:8000/]) {
      hasFinding(report, /registered a wildcard host/, /register the host by which clients reach the server/, where);
    }
  });

  it("finds a server that speaks HTTP/1.1", async () => {
    const server = createHttpServer((_, response) => void response.end("hello"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    await etcdctl(etcd, "put", "/grpclb/http1/key", `127.0.0.1:${(server.address() as AddressInfo).port}`);
    const report = await doctor(etcd.url, ["http1"]);
    hasFinding(report, /answers HTTP\/1\.1, and gRPC needs HTTP\/2/, /createGrpcServer.*grpc_pass.*fetchConnector/);
    await new Promise((resolve) => server.close(resolve));
  });

  it("finds an entry that can't be read", async () => {
    await etcdctl(etcd, "put", "/grpclb/odd/key", "neither\u202e an address");
    const report = await doctor(etcd.url, ["odd"]);
    hasFinding(report, /an entry can't be read/, /pass the --layout it uses/, /^\/grpclb\/odd\/key$/);
    assert.doesNotMatch(JSON.stringify(report.findings), /\u202e/);
  });

  it("finds a name that is almost right", async () => {
    const report = await doctor(etcd.url, ["soundd"]);
    hasFinding(report, /no server of the service is registered/, /did you mean sound\?/);
  });

  it("finds a server that says it is not serving, and one that allows few calls", async () => {
    const health = createHealth();
    health.setStatus("", "NOT_SERVING");
    const server = createGrpcServer({ health, routes: () => {}, limits: { maxConcurrentStreams: 7 } });
    servers.push(server);
    await register("unwell", (await server.listen({ host: "127.0.0.1", port: 0 })).address);
    const report = await doctor(etcd.url, ["unwell"]);
    hasFinding(report, /says NOT_SERVING/, /look at its log/);
    hasFinding(report, /allows each client 7 calls at a time/, /maxConcurrentStreams/);
  });

  it("finds all of it without being told a service", async () => {
    const report = await doctor(etcd.url, []);
    for (
      const [what, where] of [
        [/nothing listens/, /of dead$/],
        [/the server speaks TLS/, /of secure$/],
        [/several keys of one service/, /of twice/],
        [/wildcard host/, /wild/],
        [/answers HTTP\/1\.1|nothing listens/, /of http1$/],
        [/can't be read/, /odd/],
        [/registered in the layout wonaming, as wonaming/, /elsewhere/],
        [/registered in the layout etcdNaming company\/services/, /named/],
        [/NOT_SERVING/, /:/],
      ] as const
    ) hasFinding(report, what, /./, where);
  });

  it("finds a server of HTTP/1.0, which answers with a page and no status", async () => {
    const old = createTcpServer((socket) => {
      socket.on("error", () => {}).once("data", (data) => {
        const known = /^(GET|HEAD) /.test(data.toString("latin1"));
        socket.end(known ? "HTTP/1.0 200 OK\r\n\r\n" : "<!DOCTYPE HTML>\n<html>Error code: 505</html>");
      });
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => old.once("listening", resolve));
    await register("http10", `127.0.0.1:${(old.address() as AddressInfo).port}`);
    const report = await doctor(etcd.url, ["http10"]);
    hasFinding(report, /answers HTTP\/1\.1, and gRPC needs HTTP\/2/, /createGrpcServer/, /of http10$/);
    old.close();
  });

  it("finds that what was given as etcd is another gRPC server", async () => {
    const report = await doctor(`http://${await serve()}`, []);
    hasFinding(report, /a gRPC server, and not etcd/, /--endpoints HOST:2379/);
    assert.equal(report.etcd[0]?.trouble, "not-etcd");
  });

  it("prints addresses and keys alone as names, and says of a key without a lease that nothing removes it", async () => {
    const [port] = await freePorts(1), address = `127.0.0.1:${port}`;
    await etcdctl(etcd, "put", `/grpclb/leaseless/${address}`, address);
    hasFinding(await doctor(etcd.url, ["leaseless"]), /nothing listens/, /it has no lease, so nothing else removes it/);
    const { stdout } = await run(["doctor", "leaseless", "-o", "name", "--endpoints", etcd.url]);
    assert.deepEqual(stdout, `${address}\n/grpclb/leaseless/${address}\n`);
  });

  it("finds an etcd that isn't there", async () => {
    const [port] = await freePorts(1);
    const report = await doctor(`http://127.0.0.1:${port}`, []);
    hasFinding(report, /etcd can't be reached: the connection is refused/, /--endpoints HOST:2379 or CONNECT_LB_ETCD/);
    const both = await doctor(`http://127.0.0.1:${port},${etcd.url}`, ["sound"]);
    assert.equal(both.findings.find(({ what }) => /can't be reached/.test(what))?.severity, "warning");
  });
});
