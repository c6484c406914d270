// The doctor's checks that need neither etcd nor servers.
import assert from "node:assert/strict";
import { type AddressInfo, createServer } from "node:net";
import process from "node:process";
import { describe, it } from "node:test";
import { certificateExpiry } from "../../src/cli/doctor/certificate-expiry.ts";
import { endpointLatency } from "../../src/cli/doctor/endpoint-latency.ts";
import { endpointSettings } from "../../src/cli/doctor/endpoint-settings.ts";
import { etcdClock } from "../../src/cli/doctor/etcd-clock.ts";
import { etcdCompaction } from "../../src/cli/doctor/etcd-compaction.ts";
import { etcdQuorum } from "../../src/cli/doctor/etcd-quorum.ts";
import type { EtcdMember } from "../../src/cli/doctor/etcd-members.ts";
import { groupFindings } from "../../src/cli/doctor/finding.ts";
import { loopbackHosts } from "../../src/cli/doctor/loopback-hosts.ts";
import { recognisedLayouts } from "../../src/cli/doctor/recognised-layouts.ts";
import { otherLayouts } from "../../src/cli/doctor/other-layouts.ts";
import { probe, ProbeTimeout } from "../../src/cli/doctor/probing.ts";
import { foundLayouts } from "../../src/cli/found-layouts.ts";
import { recogniseEntry } from "../../src/cli/recognised-layout.ts";
import { registeredKeys } from "../../src/cli/doctor/registered-keys.ts";
import { createConnectDriver } from "../../src/etcd/driver/connect/connect-driver.ts";
import type { EtcdStatus } from "../../src/etcd/driver/driver.ts";
import { dubboApplication, dubboInterface, goMicro, grpclb, kratos, wonaming, wwcdGrpcLb } from "../../src/etcd.ts";
import { grpcConnector } from "../../src/node.ts";
import { PeerSettings } from "../../src/http2/wire/settings.ts";
import { createGrpcServer } from "../../src/server.ts";
import { serveMemoryEtcd } from "./memory-etcd.ts";
import { run } from "./support.ts";

const member = (address: string, status: Partial<EtcdStatus> = {}, clockAheadMs?: number): EtcdMember => ({
  endpoint: { address },
  status: {
    header: { clusterId: 1n, revision: 5n, raftTerm: 1n },
    version: "3.4.23",
    memberId: 1n,
    leaderId: 1n,
    dbSizeBytes: 20_000n,
    raftIndex: 10n,
    ...status,
  },
  ...clockAheadMs !== undefined && { clockAheadMs },
});
const whats = (findings: readonly { readonly what: string }[]) => findings.map(({ what }) => what).join("\n");
const key = (name: string, value: string) => ({
  key: new TextEncoder().encode(name),
  value: new TextEncoder().encode(value),
  createRevision: 1n,
  modRevision: 1n,
  lease: 1n,
});
const answering = (address: string, pingMs: number, settings: Partial<PeerSettings> = {}, connectMs = pingMs) => ({
  endpoint: { address },
  services: ["s"],
  leased: true,
  greeting: { connectMs, pingMs, settings: Object.assign(new PeerSettings(), settings), limitsPings: false },
});

describe("the doctor's checks of etcd", () => {
  it("find members without a leader, behind the others, and of other clusters", () => {
    assert.match(whats(etcdQuorum([member("a:1", { leaderId: 0n })])), /no quorum/);
    assert.match(
      whats(etcdQuorum([member("a:1", { raftIndex: 50_000n }), member("b:1")])),
      /entries behind the others/,
    );
    const other = member("b:1", { header: { clusterId: 2n, revision: 1n, raftTerm: 1n } });
    assert.match(whats(etcdQuorum([member("a:1"), other])), /different etcd clusters/);
    assert.deepEqual(etcdQuorum([member("a:1"), member("b:1")]), []);
  });

  it("find clocks that differ by more than the measurement can be wrong", () => {
    assert.deepEqual(etcdClock([member("a:1", {}, 1_500), member("b:1")]), []);
    assert.match(whats(etcdClock([member("a:1", {}, 61_000)])), /61 s ahead of this machine's/);
    assert.match(whats(etcdClock([member("a:1", {}, -3_600_000)])), /3600 s behind/);
  });

  it("find stores that are never compacted, and those near their quota", () => {
    const old = member("a:1", { header: { clusterId: 1n, revision: 200_000n, raftTerm: 1n } });
    assert.match(whats(etcdCompaction({ member: old, hasFirstRevision: true })), /never compacted/);
    assert.deepEqual(etcdCompaction({ member: old, hasFirstRevision: false }), []);
    assert.deepEqual(etcdCompaction({ member: old, hasFirstRevision: undefined }), []);
    assert.deepEqual(etcdCompaction({ member: member("a:1"), hasFirstRevision: true }), []);
    const large = member("a:1", { dbSizeBytes: 1_900_000_000n });
    assert.match(whats(etcdCompaction({ member: large, hasFirstRevision: false })), /1\.8 GiB; at its quota/);
  });
});

describe("the doctor's checks of entries", () => {
  const recognised = (name: string, value: string, service?: string) => {
    const { writer: _, ...entry } = recogniseEntry(name, value, service) ?? { writer: "" };
    return entry;
  };

  it("recognise what each project writes", () => {
    const address = "10.0.0.5:9000";
    assert.deepEqual(recognised(`/ours/hello/${address}`, address), {
      layout: "grpclb",
      prefix: "/ours",
      service: "hello",
    });
    const naming = `{"Op":0,"Addr":"${address}","Metadata":null}`;
    assert.deepEqual(recognised(`hello/${address}`, naming), { layout: "etcdNaming", service: "hello" });
    assert.deepEqual(recognised(`a/b/c/${address}`, naming, "b/c"), {
      layout: "etcdNaming",
      prefix: "a",
      service: "b/c",
    });
    assert.deepEqual(recognised("/service/hello.rpc/7587869123", address), {
      layout: "goZero",
      service: "/service/hello.rpc",
    });
    const kratosValue = `{"id":"1","name":"hello","endpoints":["grpc://${address}"]}`;
    assert.deepEqual(recognised("/microservices/hello/1", kratosValue), { layout: "kratos", service: "hello" });
    const kitexValue = `{"network":"tcp","address":"${address}","weight":10,"tags":null}`;
    assert.deepEqual(recognised(`kitex/registry-etcd/hello/${address}`, kitexValue), {
      layout: "kitex",
      service: "hello",
    });
    const micro = recogniseEntry("/micro/registry/hello/node-1", `{"name":"hello","nodes":[{"address":"${address}"}]}`);
    assert.deepEqual([micro?.layout, micro?.prefix, micro?.writer], ["goMicro", undefined, "go-micro"]);
    for (
      const [layout, name] of [
        [goMicro(), "goMicro"],
        [dubboApplication(), "dubboApplication"],
        [
          dubboInterface(),
          "dubboInterface",
        ],
        [wonaming(), "wonaming"],
        [wwcdGrpcLb(), "wwcdGrpcLb"],
      ] as const
    ) {
      const { key: written, value } = layout.write({ service: "hello", address, lease: 1n });
      assert.deepEqual(recognised(written, value), { layout: name, service: "hello" });
    }
    assert.equal(recogniseEntry("/services/hello/config", '{"color":"red"}'), undefined);
    assert.equal(recogniseEntry("/dubbo/hello/consumers/consumer%3A%2F%2F10.0.0.5%2Fhello", ""), undefined);
    assert.equal(recogniseEntry("/config/feature", "on"), undefined);
    assert.equal(recogniseEntry("config", `{"Addr":"${address}"}`), undefined);
    assert.equal(recogniseEntry("/config/x", '{"color":"red"'), undefined);
  });

  it("find services in other layouts, also beside the one that is looked at", () => {
    const all = [
      key("/grpclb/hello/10.0.0.1:1", "10.0.0.1:1"),
      key("/microservices/hello/1", '{"id":"1","name":"hello","endpoints":["grpc://10.0.0.2:1"]}'),
      key("/microservices/other/1", '{"id":"1","name":"other","endpoints":["grpc://10.0.0.3:1"]}'),
    ];
    const asked = { all, layoutName: "grpclb", layout: grpclb() };
    const beside = otherLayouts({ ...asked, service: "hello", found: ["hello"] });
    assert.deepEqual(beside.map(({ severity }) => severity), ["warning"]);
    assert.match(whats(beside), /also registered in the layout kratos/);
    const everything = otherLayouts({ ...asked, service: undefined, found: ["hello"] });
    assert.deepEqual(everything.map(({ severity, where }) => [severity, where]), [["note", "2 keys of hello, other"]]);
    const missing = otherLayouts({ ...asked, service: "absent", found: ["hello"] });
    assert.match(missing[0]!.next, /see below/);
    assert.match(missing[1]!.where, /2 keys of hello, other/);
    const kratosOnly = { ...asked, layoutName: "kratos", layout: kratos(), service: "hello", found: ["hello"] };
    assert.match(whats(otherLayouts(kratosOnly)), /also registered in the layout grpclb:/);
    const forbidden = otherLayouts({ ...asked, all: undefined, service: "x", found: [] });
    assert.match(forbidden[0]!.next, /this user may not look elsewhere/);
  });

  it("recognise the layouts in use, and warn of a service that is in several", () => {
    const all = [
      key("/grpclb/hello/10.0.0.1:1", "10.0.0.1:1"),
      key("/grpclb/hello/json", '{"Addr":"10.0.0.4:1"}'),
      key("/grpclb/hello/broken", "?"),
      key("/microservices/hello/1", '{"id":"1","name":"hello","endpoints":["grpc://10.0.0.2:1"]}'),
      key("/microservices/other/1", '{"id":"1","name":"other","endpoints":["grpc://10.0.0.3:1"]}'),
      key("/config/feature", "on"),
    ];
    const both = foundLayouts(all, "hello");
    assert.deepEqual(both.map(({ name, keys }) => [name, keys.length]), [["grpclb", 3], ["kratos", 1]]);
    assert.deepEqual(recognisedLayouts(both, "hello").map(({ severity }) => severity), ["warning", "warning"]);
    const notes = recognisedLayouts(foundLayouts(all), undefined);
    assert.deepEqual(notes.map(({ severity, where }) => [severity, where]), [[
      "note",
      "kratos: 2 keys of hello, other",
    ]]);
    assert.deepEqual(foundLayouts(all, "absent"), []);
    assert.deepEqual(recognisedLayouts(foundLayouts(all.slice(0, 1)), undefined), []);
  });

  it("find loopback hosts, unless etcd is on this machine as well", () => {
    const keys = registeredKeys(
      ["127.0.0.1:1", "[::1]:1", "localhost:1", "10.0.0.5:1", "[2001:db8::1]:1"].map((address) => {
        return key(`/grpclb/s/${address}`, address);
      }),
      grpclb(),
    );
    assert.equal(loopbackHosts(keys, [{ address: "10.0.0.9:2379" }]).length, 3);
    assert.deepEqual(loopbackHosts(keys, [{ address: "127.0.0.1:2379" }]), []);
  });
});

describe("the doctor's checks of servers", () => {
  it("find those that are slow, by themselves or beside the others", () => {
    assert.deepEqual(endpointLatency([answering("a:1", 2), answering("b:1", 30)]), []);
    assert.match(endpointLatency([answering("a:1", 300)])[0]!.where, /^a:1: .* a PING took 300\.0 ms/);
    assert.match(endpointLatency([answering("a:1", 1, {}, 1_500)])[0]!.where, /connected after 1500 ms/);
    const fleet = [1, 2, 1, 3, 2].map((pingMs, i) => answering(`10.0.0.${i}:1`, pingMs));
    assert.equal(endpointLatency(fleet).length, 0);
    assert.match(endpointLatency([...fleet, answering("z:1", 40)])[0]!.where, /^z:1/);
  });

  it("find SETTINGS that leave calls little room", () => {
    assert.deepEqual(endpointSettings([answering("a:1", 1), answering("a:1", 1, { maxConcurrentStreams: 100 })]), []);
    assert.match(whats(endpointSettings([answering("a:1", 1, { maxConcurrentStreams: 0 })])), /accepts no calls/);
    assert.match(whats(endpointSettings([answering("a:1", 1, { maxConcurrentStreams: 10 })])), /10 calls at a time/);
    assert.match(whats(endpointSettings([answering("a:1", 1, { maxHeaderListSize: 4_096 })])), /4096 bytes of headers/);
  });

  it("find certificates that are about to expire", () => {
    const validTo = new Date("2030-01-10T00:00:00Z"), certificate = { name: "the certificate", where: "a:1", validTo };
    const on = (day: string) => certificateExpiry([certificate], Date.parse(`${day}T00:00:00Z`));
    assert.deepEqual(on("2029-12-01"), []);
    assert.deepEqual(on("2030-01-01").map(({ severity }) => severity), ["warning"]);
    assert.deepEqual(on("2030-01-11").map(({ severity }) => severity), ["error"]);
  });
});

describe("the doctor's findings", () => {
  it("are shown once for all places, the worst first", () => {
    const finding = (severity: "error" | "warning" | "note", where: string) => ({
      severity,
      what: "w",
      where,
      next: "n",
    });
    const grouped = groupFindings([
      finding("note", "a"),
      finding("warning", "b"),
      finding("error", "c"),
      finding("error", "d"),
      finding("error", "c"),
    ]);
    assert.deepEqual(grouped.map(({ severity, where }) => [severity, where]), [
      ["error", ["c", "d"]],
      ["warning", ["b"]],
      ["note", ["a"]],
    ]);
  });

  it("come in bounded time: a probe that gets no answer is ended", async () => {
    const limits = { timeoutMs: 20, signal: new AbortController().signal };
    let ended = false;
    await assert.rejects(
      probe(limits, (signal) => {
        signal.addEventListener("abort", () => ended = true);
        return new Promise(() => {});
      }),
      ProbeTimeout,
    );
    assert.ok(ended);
    const interrupted = new AbortController();
    interrupted.abort(new Error("enough"));
    await assert.rejects(probe({ timeoutMs: 20, signal: interrupted.signal }, () => Promise.resolve()), /enough/);
  });

  const skip = process.platform !== "linux" && "needs all of 127.0.0.0/8 to be this machine";
  it("are found in a fleet of 1,000 endpoints", { skip }, async () => {
    const etcd = await serveMemoryEtcd(), closed = await unusedPort();
    // One server answers at 990 addresses, and nothing at ten others.
    const server = createGrpcServer({ routes: () => {} });
    const { port } = await server.listen({ host: "0.0.0.0", port: 0 });
    const addresses = Array.from({ length: 1_000 }, (_, i) => {
      return `127.0.${i % 10}.${1 + Math.floor(i / 10)}:${i < 990 ? port : closed}`;
    });
    await putAll(etcd.url, addresses.map((address) => [`/grpclb/fleet/${address}`, address]));
    try {
      const { code, stdout } = await run(["doctor", "fleet", "-o", "json", "--endpoints", etcd.url]);
      assert.equal(code, 1);
      const { findings, endpoints } = JSON.parse(stdout);
      assert.equal(endpoints.length, 1_000);
      const dead = findings.find(({ what }: { what: string }) => /nothing listens/.test(what));
      assert.equal(dead.where.length, 10);
      const table = await run(["doctor", "fleet", "--endpoints", etcd.url]);
      assert.match(table.stdout, /^and \d+ more: -o json shows all$/m);
      // On a busy machine, servers that are slow come on top.
      assert.ok(table.stdout.split("\n").length < 250, "pages of text for a fleet");
    } finally {
      server.closeAllConnections();
      await server.close();
      await etcd.close();
    }
  });
});

/** Writes keys without a lease, a hundred at a time. */
async function putAll(url: string, entries: readonly (readonly [name: string, value: string])[]): Promise<void> {
  const driver = createConnectDriver(grpcConnector());
  const context = { endpoint: { address: new URL(url).host }, signal: AbortSignal.timeout(60_000) };
  for (let from = 0; from < entries.length; from += 100) {
    const some = entries.slice(from, from + 100).map(([name, value]) => ({ put: { ...key(name, value), lease: 0n } }));
    await driver.txn({ compare: [], success: some, failure: [] }, context);
  }
  await driver.close();
}

async function unusedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
