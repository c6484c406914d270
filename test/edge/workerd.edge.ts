// Runs in `npm run test:edge`, on Node: workerd is what is tested here, not the runtime of the test.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Peer, PEERS, startPeer } from "../peers/peer.ts";
import { FAILURE } from "../peers/servers/answers.ts";
import type { Report } from "./worker.ts";
import { startTlsTerminator } from "./tls-terminator.ts";
import { startWorkerd, type Workerd } from "./workerd.ts";

describe("in workerd", () => {
  let workerd: Workerd, peers: Peer[], secure: { port: number; stop(): Promise<void> };
  before(async () => {
    [workerd, ...peers] = await Promise.all([
      startWorkerd("test/edge/worker.ts"),
      startPeer(PEERS[0]!),
      startPeer(PEERS[0]!),
    ]);
    secure = await startTlsTerminator(peers[0]!.address);
  });
  after(async () => {
    await Promise.all([workerd, secure, ...peers].map((started) => started.stop()));
  });

  async function report(query: string): Promise<Report> {
    const response = await fetch(`${workerd.url}/?${query}`);
    const text = await response.text();
    assert.equal(response.status, 200, `${text}\n${workerd.child.lines.join("\n")}`);
    return JSON.parse(text) as Report;
  }

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

  it("notices at once that the sockets of another request can't be used, and goes on with new ones", async () => {
    const addresses = peers.map(({ address }) => address).join();
    for (let request = 0; request < 4; request++) {
      const ends = await report(`addresses=${addresses}&shared`) as unknown as string[];
      // A call that was on its way when its socket refused may have been sent; those after it are answered.
      const failed = ends.filter((end) => end !== "answered");
      assert.ok(failed.length <= peers.length && failed.every((end) => end === "Unavailable"), `${request}: ${ends}`);
    }
  });

  it("makes them over TLS", async () => {
    assert.deepEqual(await report(`addresses=localhost:${secure.port}&calls=200&secure`), expected(200));
  });

  it("says that a server can't be reached which insists on negotiating the protocol (ALPN)", async () => {
    const insisting = await startPeer(PEERS[0]!, "--tls");
    try {
      const port = insisting.address.split(":")[1];
      const response = await fetch(`${workerd.url}/?addresses=localhost:${port}&calls=1&secure`);
      assert.equal(response.status, 500);
      assert.match(await response.text(), /unavailable/);
    } finally {
      await insisting.stop();
    }
  });
});
