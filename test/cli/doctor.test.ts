// Prepared faults, each found by `connect-lb doctor` alone, with a real etcd, real servers and real certificates.
import assert from "node:assert/strict";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { createEtcdRegistry, etcdNaming, type Layout, type Registry } from "../../src/etcd.ts";
import { createGrpcServer, createHealth, type GrpcServer } from "../../src/server.ts";
import { Simple } from "../../gen/simple_pb.ts";
import { type Etcd, etcdctl, etcdSkipped, freePorts, startEtcd, startEtcdCluster } from "../support/etcd.ts";
import { eventually } from "../support/eventually.ts";
import { expired, server as identity } from "../support/tls.ts";
import { run } from "./support.ts";

/** A finding, as `-o json` prints it. */
interface Finding {
  readonly severity: string;
  readonly what: string;
  readonly where: readonly string[];
  readonly next: string;
}

interface Report {
  readonly code: number;
  readonly findings: readonly Finding[];
  readonly etcd: readonly { readonly version?: string; readonly trouble?: string }[];
  readonly endpoints: readonly { readonly address: string; readonly limitsPings?: boolean; readonly health?: string }[];
}

async function doctor(
  url: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Report> {
  const { code, stdout, stderr } = await run(["doctor", "-o", "json", "--endpoints", url, ...args], { env });
  try {
    return { code, ...JSON.parse(stdout) as Omit<Report, "code"> };
  } catch {
    throw new Error(`no JSON: ${stdout}${stderr}`);
  }
}

/** Its findings include one with this text and this advice, here if a place is given. Fails with all of them if not. */
function hasFinding({ code, findings }: Report, what: RegExp, next: RegExp, where?: RegExp): void {
  const found = findings.some((finding) => {
    return what.test(finding.what) && next.test(finding.next) &&
      (where === undefined || finding.where.some((place) => where.test(place)));
  });
  assert.ok(found, `not found: ${what} ${next} ${where} in ${JSON.stringify(findings, null, 1)}`);
  assert.equal(code, 1);
}

/** It found nothing; what a busy machine makes slow doesn't count. */
function hasNothing({ findings }: Report): void {
  assert.deepEqual(findings.filter(({ what }) => !/answers slowly/.test(what)), []);
}

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
    const report = await doctor(etcd.url, ["elsewhere"]);
    hasFinding(report, /no server of the service is registered where this layout looks/, /registered elsewhere/);
    hasFinding(report, /keys of the layout grpclb below \/wonamingv3/, /pass --layout grpclb --prefix \/wonamingv3;/);
    const [, flags = ""] = /pass (.*?);/.exec(report.findings.map(({ next }) => next).join()) ?? [];
    const right = await doctor(etcd.url, ["elsewhere", ...flags.split(" ")]);
    assert.doesNotMatch(JSON.stringify(right.findings), /registered where this layout looks/);
  });

  it("finds a wrong layout, and says which one is right", async () => {
    await register("named", await serve(), etcdNaming({ prefix: "company/services" }));
    const report = await doctor(etcd.url, ["named"]);
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
        [/keys of the layout grpclb below \/wonamingv3/, /elsewhere/],
        [/keys of the layout etcdNaming below company\/services/, /named/],
        [/NOT_SERVING/, /:/],
      ] as const
    ) hasFinding(report, what, /./, where);
  });

  it("finds an etcd that isn't there", async () => {
    const [port] = await freePorts(1);
    const report = await doctor(`http://127.0.0.1:${port}`, []);
    hasFinding(report, /etcd can't be reached: the connection is refused/, /--endpoints HOST:2379 or CONNECT_LB_ETCD/);
    const both = await doctor(`http://127.0.0.1:${port},${etcd.url}`, ["sound"]);
    assert.equal(both.findings.find(({ what }) => /can't be reached/.test(what))?.severity, "warning");
  });
});

describe("connect-lb doctor, of an etcd with users", { skip: etcdSkipped }, () => {
  let etcd: Etcd;
  before(async () => {
    etcd = await startEtcd({ args: ["--bcrypt-cost=4"] });
    for (const [name, password] of [["root", "rootpw"], ["ann", "annpw"], ["bob", "bobpw"]] as const) {
      await etcdctl(etcd, "user", "add", `${name}:${password}`);
    }
    await etcdctl(etcd, "role", "add", "reader");
    await etcdctl(etcd, "role", "grant-permission", "reader", "--prefix=true", "read", "/grpclb/");
    await etcdctl(etcd, "user", "grant-role", "ann", "reader");
    await etcdctl(etcd, "user", "grant-role", "root", "root");
    await etcdctl(etcd, "put", "/grpclb/guarded/127.0.0.1:9", "127.0.0.1:9");
    await etcdctl(etcd, "auth", "enable");
  });
  after(() => etcd?.stop());

  it("finds a wrong password, a missing user and a missing permission", async () => {
    const wrong = await doctor(etcd.url, ["guarded"], { ETCDCTL_USER: "ann:secret" });
    hasFinding(wrong, /etcd does not accept the user ann with this password/, /ETCDCTL_USER=NAME:PASSWORD/);
    assert.doesNotMatch(JSON.stringify(wrong), /secret/);
    hasFinding(
      await doctor(etcd.url, ["guarded"]),
      /etcd requires a user, and none was given/,
      /ETCDCTL_USER=NAME:PASSWORD/,
    );
    const bob = await doctor(etcd.url, ["guarded"], { ETCDCTL_USER: "bob:bobpw" });
    hasFinding(bob, /the user bob may not read the keys below \/grpclb\/guarded\//, /grant-permission ROLE readwrite/);
  });

  it("reads what a user may read, although not all of etcd", async () => {
    const { findings } = await doctor(etcd.url, ["guarded"], { ETCDCTL_USER: "ann:annpw" });
    assert.doesNotMatch(JSON.stringify(findings), /may not read|does not accept/);
    assert.match(JSON.stringify(findings), /nothing listens/);
  });
});

describe("connect-lb doctor, of an etcd cluster", { skip: etcdSkipped }, () => {
  it("finds that it has lost its quorum", async () => {
    const members = await startEtcdCluster(3);
    try {
      const urls = members.map(({ url }) => url).join(",");
      assert.match(JSON.stringify(await doctor(urls, [])), /"version"/);
      await Promise.all(members.slice(1).map((member) => member.kill()));
      const [survivor] = members;
      // It knows of it after its election timeout.
      await eventually("it knows no leader", async () => {
        const report = await doctor(survivor!.url, ["--timeout", "500ms"]);
        hasFinding(report, /etcd has no quorum: this member knows no leader/, /start the other members again/);
        return true;
      });
      const all = await doctor(urls, ["--timeout", "500ms"]);
      hasFinding(all, /etcd has no quorum/, /etcdctl endpoint status --cluster/, /^etcd /);
      hasFinding(all, /etcd can't be reached/, /start etcd there/);
    } finally {
      await Promise.all(members.map((member) => member.stop()));
    }
  });
});
