import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { grpcConnector } from "../../src/node/grpc-connector.ts";
import { type Direct, direct } from "../support/direct.ts";
import { ca, client as identity } from "../support/tls.ts";
import { itServesCalls } from "./calls.ts";
import { type Peer, PEERS, startPeer } from "./peer.ts";
import { peersSkipped } from "./programs.ts";
import { type Proxy, startHaproxy, startNginx, startOwn } from "./proxies.ts";

const PROXIES = [
  // nginx as it comes takes 128 streams at once, so that calls beyond wait for a place; HAProxy is told to take more.
  { name: "nginx", start: startNginx, traits: { openStreams: 100 }, skip: peersSkipped },
  { name: "HAProxy", start: startHaproxy, traits: {}, skip: peersSkipped },
  // As any server of this library: 1,000 streams at once on a connection.
  { name: "createProxy()", start: startOwn, traits: { openStreams: 1_000 }, skip: false },
];

for (const { name, start, traits, skip } of PROXIES) {
  describe(`through ${name} to grpc-js`, { skip }, () => {
    let peer: Peer, proxy: Proxy, plain: Direct, tls: Direct, mtls: Direct;
    before(async () => {
      peer = await startPeer(PEERS[0]!);
      proxy = await start(peer.address);
      plain = direct(grpcConnector({ readMaxBytes: 2 ** 24 }), proxy.plain);
      tls = direct(grpcConnector({ readMaxBytes: 2 ** 24, tls: { ca } }), proxy.tls);
      mtls = direct(grpcConnector({ readMaxBytes: 2 ** 24, tls: { ca, ...identity } }), proxy.mtls);
    });
    after(async () => {
      await Promise.all([plain, tls, mtls].map((client) => client.close()));
      await proxy.stop();
      await peer.stop();
    });

    describe("in plaintext", () => itServesCalls(() => plain.transport, traits));
    describe("over TLS", () => itServesCalls(() => tls.transport, traits));

    it("takes a client's certificate", async () => {
      const { value } = await createClient(Simple, mtls.transport).route({ data: "mine" });
      assert.equal(value, "mine");
    });

    it("takes no client without a certificate", async () => {
      const anonymous = direct(grpcConnector({ readMaxBytes: 2 ** 24, tls: { ca } }), proxy.mtls);
      // nginx lets the handshake pass and answers with a page; HAProxy ends the connection.
      await assert.rejects(createClient(Simple, anonymous.transport).route({ data: "mine" }));
      await anonymous.close();
    });
  });
}
