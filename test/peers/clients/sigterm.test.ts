// A server of this library, on the runtime of the test, that is told to end while streams are open.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { Simple } from "../../../gen/simple_pb.ts";
import { grpcConnector } from "../../../src/node/grpc-connector.ts";
import { direct } from "../../support/direct.ts";
import { runtime } from "../../support/process.ts";
import { type PeerKind, startPeer } from "../peer.ts";
import { SILENT } from "../servers/answers.ts";

const SERVER: PeerKind = { name: "connect-lb", script: "connect-lb", on: runtime };

describe("a server that SIGTERM ends", () => {
  it("lets a stream go on that ends in time, and then ends its process", async () => {
    const peer = await startPeer(SERVER);
    const link = direct(grpcConnector(), peer.address);
    const client = createClient(Simple, link.transport);
    let release = () => {};
    const told = new Promise<void>((resolve) => release = resolve);
    async function* requests() {
      yield { data: "before" };
      await told;
      yield { data: "after" };
    }
    const values: string[] = [];
    for await (const { value } of client.routeBidiStream(requests())) {
      values.push(value);
      if (value !== "before") continue;
      peer.child.signal("SIGTERM");
      // Told to go elsewhere: new calls don't reach it any more, and this one goes on.
      release();
    }
    assert.deepEqual(values, ["before", "after"]);
    assert.deepEqual(await peer.child.exited, { code: 0, signal: null });
    assert.equal(peer.child.lines.at(-1), "drained");
    await link.close();
  });

  it("ends streams by the deadline, and then its process", async () => {
    const peer = await startPeer(SERVER, "--drain-ms", "200");
    const link = direct(grpcConnector(), peer.address);
    const client = createClient(Simple, link.transport);
    async function* never() {
      yield { data: "one" };
      await new Promise(() => {});
    }
    const failures: unknown[] = [];
    const stream = async (answers: AsyncIterable<{ value: string }>) => {
      try {
        for await (const _ of answers) begun();
      } catch (error) {
        failures.push(error);
      }
    };
    let open = 0, begun = () => {};
    const all = new Promise<void>((resolve) => begun = () => void (++open === 4 && resolve()));
    const streams = [
      stream(client.routeBidiStream(never())),
      stream(client.routeBidiStream(never())),
      stream(client.routeServerStream({ data: SILENT })),
      stream(client.routeServerStream({ data: SILENT })),
    ];
    await all;
    peer.child.signal("SIGTERM");
    await Promise.all(streams);
    assert.equal(failures.length, 4);
    for (const error of failures) {
      assert.ok(error instanceof ConnectError);
      assert.equal(error.code, Code.Unavailable, String(error));
    }
    assert.deepEqual(await peer.child.exited, { code: 0, signal: null });
    assert.equal(peer.child.lines.at(-1), "cut");
    await link.close();
  });
});
