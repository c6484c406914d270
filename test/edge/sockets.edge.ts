import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createEtcdRegistry } from "../../src/etcd.ts";
import { type Peer, PEERS, startPeer } from "../peers/peer.ts";
import { FAILURE } from "../peers/servers/answers.ts";
import { type Etcd, etcdSkipped, startEtcd } from "../support/etcd.ts";
import { eventually } from "../support/eventually.ts";
import type { Report } from "./four-kinds.ts";
import { startTlsTerminator } from "./tls-terminator.ts";
import { startWorkerd, type Workerd } from "./workerd.ts";

describe("in workerd, with cloudflare:sockets and without nodejs_compat", () => {
  let workerd: Workerd, etcd: Etcd | undefined, peers: Peer[], secure: { port: number; stop(): Promise<void> };
  before(async () => {
    etcd = etcdSkipped === false ? await startEtcd() : undefined;
    [workerd, ...peers] = await Promise.all([
      startWorkerd("test/edge/sockets-worker.ts", { vars: { ETCD: etcd?.url ?? "http://127.0.0.1:2379" } }),
      startPeer(PEERS[0]!),
      startPeer(PEERS[0]!),
    ]);
    secure = await startTlsTerminator(peers[0]!.address);
  });
  after(async () => {
    await Promise.all([workerd, secure, etcd, ...peers].map((started) => started?.stop()));
  });

  const expected = (calls: number): Report => ({
    unary: calls,
    serverStream: 100_000,
    clientStream: "100 10000",
    bidi: ["a", "b"],
    failure: `FailedPrecondition ${FAILURE.message}`,
  });
  const addresses = () => peers.map(({ address }) => address).join();

  it("makes the four kinds of calls, 2,000 unary ones after another", async () => {
    assert.deepEqual(await workerd.json(`/calls?addresses=${addresses()}&calls=2000`), expected(2_000));
  });

  it("makes them in several requests at once", async () => {
    const paths = Array.from({ length: 5 }, () => `/calls?addresses=${addresses()}&calls=50`);
    const reports = await Promise.all(paths.map((path) => workerd.json(path)));
    for (const report of reports) assert.deepEqual(report, expected(50));
  });

  it("makes them with a worker's transport, in several requests at once", async () => {
    const paths = Array.from({ length: 5 }, () => `/calls?addresses=${addresses()}&calls=50&worker`);
    const reports = await Promise.all(paths.map((path) => workerd.json(path)));
    for (const report of reports) assert.deepEqual(report, expected(50));
  });

  it("makes them over TLS", async () => {
    const path = `/calls?addresses=localhost:${secure.port}&calls=200&secure`;
    assert.deepEqual(await workerd.json(path), expected(200));
    assert.deepEqual(await workerd.json(`${path}&worker`), expected(200));
  });

  it("makes them over TLS to a server whose certificate has another name than is dialled", async () => {
    const path = `/calls?addresses=127.0.0.1:${secure.port}&calls=20&secure`;
    assert.deepEqual(await workerd.json(`${path}&authority=localhost`), expected(20));
    await assert.rejects(workerd.json(`${path}&authority=elsewhere.test`), /Unavailable: .*can't connect/);
  });

  it("says what to do about a server that insists on negotiating the protocol (ALPN)", async () => {
    const insisting = await startPeer(PEERS[0]!, "--tls");
    try {
      const port = insisting.address.split(":")[1];
      await assert.rejects(
        workerd.json(`/calls?addresses=localhost:${port}&calls=1&secure`),
        /Unavailable: .*can't negotiate HTTP\/2 \(ALPN\).*TLS terminator/,
      );
    } finally {
      await insisting.stop();
    }
  });

  it("says so about a server that can't be reached", async () => {
    await assert.rejects(workerd.json(`/calls?addresses=127.0.0.1:1&calls=1`), /can't connect to 127\.0\.0\.1:1: /);
  });

  it("fails at once, saying what to do, on the sockets of another request", async () => {
    for (let request = 0; request < 4; request++) {
      const ends = await workerd.json<string[]>(`/shared?addresses=${addresses()}`);
      const failed = ends.filter((end) => end !== "answered");
      assert.ok(failed.length <= peers.length && (failed.length > 0) === (request > 0), `${request}: ${ends}`);
      for (const end of failed) {
        assert.match(
          end,
          /^FailedPrecondition: .*another request: use createWorkerTransport with forRequest\(ctx\).*createBalancerObject/,
        );
      }
    }
  });

  describe("a registry in etcd at module scope", { skip: etcdSkipped }, () => {
    it("reads a service in each request, also in several at once", async () => {
      const registry = createEtcdRegistry({ endpoints: [etcd!.url] });
      try {
        assert.deepEqual(await workerd.json("/list"), []);
        for (const port of [1, 2]) {
          await registry.register({ service: "simple_grpc", address: `10.0.0.9:${port}` }).ready;
          const lists = await Promise.all(Array.from({ length: 5 }, () => workerd.json<string[]>("/list")));
          for (const list of lists) assert.equal(list.length, port);
        }
      } finally {
        await registry.close();
      }
      assert.deepEqual(await eventually("the keys are gone", () => workerd.json("/list")), []);
    });

    it("refuses what would end with the request, saying what to do", async () => {
      const object = "Object \\(createBalancerObject\\); only there, createObjectEtcdRegistry";
      await assert.rejects(workerd.json("/register"), RegExp(`FailedPrecondition: .*renew\\(\\).*${object}`));
      await assert.rejects(workerd.json("/watch"), RegExp(`FailedPrecondition: .*createWorkerTransport.*${object}`));
    });
  });
});
