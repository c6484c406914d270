import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { createBalancedTransport, staticResolver } from "../../src/index.ts";
import { grpcConnector } from "../../src/node/own-grpc-link.ts";
import { eventually } from "../support/eventually.ts";
import { PEERS, startPeer } from "./peer.ts";
import { COUNTED } from "./servers/answers.ts";

const IN_FLIGHT = 16;
/** What the calls of one stretch must have been before the next thing happens to a server. */
const CALLS_BETWEEN = 300;

for (const kind of PEERS) {
  describe(`while servers on ${kind.name} end one after the other`, () => {
    it("answers every call, and none is processed twice", async () => {
      const peers = await Promise.all([startPeer(kind), startPeer(kind), startPeer(kind)]);
      const transport = createBalancedTransport({
        resolver: staticResolver(peers.map(({ address }) => address)),
        connector: grpcConnector(),
      });
      await transport.connect();
      const client = createClient(Simple, transport);

      let calls = 0, stopped = false;
      const failures: unknown[] = [];
      // Client streams are not idempotent: only what a server never took may be sent again.
      const worker = async () => {
        while (!stopped) {
          const data = `${COUNTED}${calls++}`;
          const { value } = await client.routeClientStream(slowly(data)).catch((error) => {
            failures.push(error);
            return { value: "" };
          });
          if (value !== `2 ${2 * data.length}`) failures.push(value);
        }
      };
      const workers = Array.from({ length: IN_FLIGHT }, worker);
      try {
        await more(() => calls);
        for (const peer of peers.slice(1)) {
          await peer.stop();
          await more(() => calls);
        }
      } finally {
        stopped = true;
        await Promise.all(workers);
        await transport.close();
        await Promise.all(peers.map((peer) => peer.stop()));
      }
      assert.deepEqual(failures, []);
      const taken = peers.flatMap(({ child }) => child.lines.filter((line) => line.startsWith("took ")));
      assert.ok(taken.length > 0);
      assert.equal(new Set(taken).size, taken.length, "a call was processed twice");
    });
  });
}

/** Two messages with a moment between them, so that there is always a call that a server has to let finish. */
async function* slowly(data: string) {
  yield { data };
  await sleep(5);
  yield { data };
}

/** Waits for more calls. */
function more(calls: () => number): Promise<true> {
  const wanted = calls() + CALLS_BETWEEN;
  return eventually("calls go on", () => calls() >= wanted);
}
