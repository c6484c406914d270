import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { grpcConnector, type GrpcConnectorOptions } from "../../src/node/grpc-connector.ts";
import { direct } from "../support/direct.ts";
import { ca, client as identity } from "../support/tls.ts";
import { type Peer, PEERS, startPeer } from "./peer.ts";

async function* requests() {
  yield { data: "a" };
  yield { data: "b" };
}

/** One call of each kind, and a message that takes many TLS records. */
async function callAll(address: string, options: GrpcConnectorOptions): Promise<void> {
  const { transport, close } = direct(grpcConnector({ readMaxBytes: 2 ** 24, ...options }), address);
  try {
    const client = createClient(Simple, transport);
    const large = "x".repeat(2 ** 20);
    assert.equal((await client.route({ data: large })).value, large);
    const streamed: string[] = [], echoed: string[] = [];
    for await (const { value } of client.routeServerStream({ data: "3:1" })) streamed.push(value);
    for await (const { value } of client.routeBidiStream(requests())) echoed.push(value);
    assert.deepEqual(streamed, ["y", "y", "y"]);
    assert.deepEqual(echoed, ["a", "b"]);
    assert.equal((await client.routeClientStream(requests())).value, "2 2");
  } finally {
    await close();
  }
}

for (const kind of PEERS) {
  describe(`over TLS against ${kind.name}`, () => {
    let tls: Peer, mtls: Peer;
    before(async () => {
      [tls, mtls] = await Promise.all([startPeer(kind, "--tls"), startPeer(kind, "--mtls")]);
    });
    after(async () => {
      await Promise.all([tls.stop(), mtls.stop()]);
    });

    it("makes calls to a server with a private CA", () => callAll(tls.address, { tls: { ca } }));
    it("makes calls with a certificate of its own", () => callAll(mtls.address, { tls: { ca, ...identity } }));
    it("makes none to a server of an unknown CA", async () => {
      await assert.rejects(callAll(tls.address, { tls: {} }), unavailable);
    });
    it("makes none without the certificate that a server asks for", async () => {
      await assert.rejects(callAll(mtls.address, { tls: { ca } }), unavailable);
    });
    it("makes none in plaintext", async () => {
      await assert.rejects(callAll(tls.address, {}), unavailable);
    });
  });
}

function unavailable(error: unknown): true {
  assert.equal(ConnectError.from(error).code, Code.Unavailable, String(error));
  return true;
}
