// Hedged calls to servers that nobody here wrote: these see that attempts which lost are cancelled, and don't mind.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { fixedHedging } from "../../src/call/fixed-hedging.ts";
import { grpcConnector } from "../../src/node/grpc-connector.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { createBalancedTransport } from "../../src/transport/transport.ts";
import { eventually } from "../support/eventually.ts";
import { serveRoutes } from "../support/serve-routes.ts";
import { type Peer, PEERS, startPeer } from "./peer.ts";
import { SILENT } from "./servers/answers.ts";

/** As many as a connection may cancel in a burst. */
const CALLS = 100;

for (const kind of PEERS.filter(({ on }) => on === "node")) {
  describe(`hedging with ${kind.name}`, () => {
    let peer: Peer;
    before(async () => void (peer = await startPeer(kind)));
    after(async () => void await peer.stop());

    it("cancels the attempts that lost there, and its connection stays", async (t) => {
      const quick = await serveRoutes((router) => {
        router.service(Simple, { route: ({ data }) => ({ value: `quick ${data}` }) });
      });
      t.after(() => quick.close());
      const lost: unknown[] = [];
      const transport = createBalancedTransport({
        resolver: staticResolver([peer.address, `127.0.0.1:${quick.port}`]),
        connector: grpcConnector(),
        defaultServiceConfig: { methods: { "*": { hedging: fixedHedging({ maxAttempts: 2 }) } } },
        onEvent: (event) => void (event.type === "connection-state" && event.from === "ready" && lost.push(event)),
      });
      t.after(() => transport.close());
      await transport.connect();
      await eventually("both are ready", () => transport.snapshot().endpoints?.every(({ state }) => state === "ready"));
      const client = createClient(Simple, transport);
      for (let i = 0; i < CALLS; i++) {
        assert.equal((await client.route({ data: SILENT }, { timeoutMs: 30_000 })).value, `quick ${SILENT}`);
      }
      const count = (line: string) => peer.child.lines.filter((text) => text === line).length;
      await eventually("the server sees that they are cancelled", () => count("aborted") === CALLS);
      assert.equal(count("waits"), CALLS);
      assert.ok(transport.snapshot().endpoints!.every(({ inFlight, state }) => inFlight === 0 && state === "ready"));
      assert.deepEqual(lost, []);
    });
  });
}
