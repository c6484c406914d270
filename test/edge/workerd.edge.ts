// Runs in `npm run test:edge`, on Node: workerd is what is tested here, not the runtime of the test.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Peer, PEERS, startPeer } from "../peers/peer.ts";
import { FAILURE } from "../peers/servers/answers.ts";
import { etcdSkipped, startEtcd } from "../support/etcd.ts";
import { startSimpleServer } from "../support/servers/simple.ts";
import type { Report } from "./four-kinds.ts";
import { startTlsTerminator } from "./tls-terminator.ts";
import { startWorkerd, type Workerd } from "./workerd.ts";

describe("in workerd, with node:net", () => {
  let workerd: Workerd, peers: Peer[], secure: { port: number; stop(): Promise<void> };
  before(async () => {
    [workerd, ...peers] = await Promise.all([
      startWorkerd("test/edge/worker.ts", { nodeCompat: true }),
      startPeer(PEERS[0]!),
      startPeer(PEERS[0]!),
    ]);
    secure = await startTlsTerminator(peers[0]!.address);
  });
  after(async () => {
    await Promise.all([workerd, secure, ...peers].map((started) => started.stop()));
  });

  const report = (query: string) => workerd.json<Report>(`/?${query}`);

  const expected = (calls: number): Report => ({
    unary: calls,
    serverStream: 100_000,
    clientStream: "100 10000",
    bidi: ["a", "b"],
    failure: `FailedPrecondition ${FAILURE.message}`,
  });

  it("makes the four kinds of calls to two grpc-js servers, 2,000 unary ones after another", async () => {
    const addresses = peers.map(({ address }) => address).join();
    assert.deepEqual(await report(`addresses=${addresses}&calls=2000`), expected(2_000));
  });

  it("makes them in several requests at once", async () => {
    const query = `addresses=${peers[0]!.address}&calls=50`;
    const reports = await Promise.all(Array.from({ length: 5 }, () => report(query)));
    for (const each of reports) assert.deepEqual(each, expected(50));
  });

  it("fails at once, saying what to do, on the sockets of another request, and goes on with new ones", async () => {
    const addresses = peers.map(({ address }) => address).join();
    for (let request = 0; request < 4; request++) {
      const ends = await workerd.json<string[]>(`/?addresses=${addresses}&shared`);
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

  it("says what to do when a registry at module scope is used again", { skip: etcdSkipped }, async () => {
    const etcd = await startEtcd();
    try {
      const list = () => workerd.json<string>(`/?etcd=${encodeURIComponent(etcd.url)}`);
      assert.equal(await list(), "0 endpoints");
      assert.match(
        await list(),
        /etcd at .*\[failed_precondition\].*another request: .*createWorkerEtcdRegistry.*registry in a Durable Object/,
      );
    } finally {
      await etcd.stop();
    }
  });

  it("keeps deadlines in a request that follows one with an earlier deadline", async () => {
    const never = await startSimpleServer({ methods: { route: () => new Promise(() => {}) } });
    try {
      const address = peers[0]!.address;
      await report(`addresses=${address}&calls=1`);
      assert.equal(await workerd.json(`/?addresses=${address}&timeout=1000`), "answered");
      assert.equal(await workerd.json(`/?addresses=${never.address}&timeout=1500`), "DeadlineExceeded");
    } finally {
      await never.close();
    }
  });

  it("makes them over TLS", async () => {
    assert.deepEqual(await report(`addresses=localhost:${secure.port}&calls=200&secure`), expected(200));
  });

  it("makes them with a connector to which connect of node:net, or of node:tls, is passed", async () => {
    const { address } = peers[0]!;
    assert.deepEqual(await report(`addresses=${address}&calls=50&passed`), expected(50));
    assert.deepEqual(await report(`addresses=localhost:${secure.port}&calls=50&secure&passed`), expected(50));
  });

  it("says what to check when a server has no TLS, which the runtime doesn't tell from one that isn't there", async () => {
    const { address } = peers[0]!;
    await assert.rejects(
      workerd.json(`/?addresses=${address}&calls=1&secure`),
      /unavailable.*proxy request failed.*does a server listen there, with TLS/,
    );
  });

  it("says that a server can't be reached which insists on negotiating the protocol (ALPN)", async () => {
    const insisting = await startPeer(PEERS[0]!, "--tls");
    try {
      const port = insisting.address.split(":")[1];
      await assert.rejects(
        workerd.json(`/?addresses=localhost:${port}&calls=1&secure`),
        /unavailable.*can't negotiate HTTP\/2 \(ALPN\).*TLS terminator/,
      );
    } finally {
      await insisting.stop();
    }
  });
});
