import { after, before, describe } from "node:test";
import { grpcConnector } from "../../src/node/grpc-connector.ts";
import { type Direct, direct } from "../support/direct.ts";
import { itServesCalls } from "./calls.ts";
import { type Peer, PEERS, startPeer } from "./peer.ts";

for (const kind of PEERS) {
  describe(`against ${kind.name}`, () => {
    let peer: Peer, client: Direct;
    before(async () => {
      peer = await startPeer(kind);
      client = direct(grpcConnector({ readMaxBytes: 2 ** 24 }), peer.address);
    });
    after(async () => {
      await client.close();
      await peer.stop();
    });
    itServesCalls(() => client.transport);
  });
}
