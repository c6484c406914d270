import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import { Code, type Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { readMark } from "../../src/connection/mark.ts";
import { grpcConnector } from "../../src/node/grpc-connector.ts";
import { direct } from "../support/direct.ts";
import { startRawServer } from "../support/raw-http2/server.ts";
import type { Behaviour } from "./behaviour.ts";
import { ANSWERS } from "./behaviour/answers.ts";
import { FRAMING } from "./behaviour/framing.ts";
import { HTTP } from "./behaviour/http.ts";
import { HTTP2 } from "./behaviour/http2.ts";
import { METADATA } from "./behaviour/metadata.ts";
import { STATUS } from "./behaviour/status.ts";
import { observe, type Outcome } from "./outcome.ts";

const GROUPS: Readonly<Record<string, readonly Behaviour[]>> = {
  "right answers": ANSWERS,
  "gRPC status": STATUS,
  "HTTP responses": HTTP,
  "messages and envelopes": FRAMING,
  metadata: METADATA,
  "HTTP/2": HTTP2,
};

interface Opened {
  readonly transport: Transport;
  close(): void | Promise<void>;
}
type Open = (address: string, behaviour: Behaviour) => Opened;

const ours: Open = (address, { readMaxBytes }) => direct(grpcConnector({ readMaxBytes }), address);

const connectNode: Open = (address, { readMaxBytes }) => {
  const sessionManager = new Http2SessionManager(`http://${address}`);
  const options = { baseUrl: `http://${address}`, sessionManager, ...(readMaxBytes !== undefined && { readMaxBytes }) };
  return { transport: createGrpcTransport(options), close: () => sessionManager.abort() };
};

/** Plays a behaviour to a transport, on a server of its own. */
async function play(open: Open, behaviour: Behaviour, onError?: (error: unknown) => void): Promise<Outcome> {
  const abort = new AbortController();
  const server = await startRawServer(async (session) => {
    await behaviour.play(session);
    if (behaviour.abort) abort.abort();
  });
  const { transport, close } = open(server.address, behaviour);
  try {
    return await observe(transport, behaviour, abort.signal, onError);
  } finally {
    await close();
    await server.close();
  }
}

/** Differences are shown on one runtime: they are about connect-node, which does them differently on each. */
const onNode = process.release.name === "node" && !("Bun" in globalThis) && !("Deno" in globalThis);

for (const [group, behaviours] of Object.entries(GROUPS)) {
  describe(`as connect-node: ${group}`, () => {
    for (const behaviour of behaviours) {
      const { name, differs } = behaviour;
      if (differs === undefined) {
        it(name, async () => {
          assert.deepEqual(await play(ours, behaviour), await play(connectNode, behaviour));
        });
        continue;
      }
      it(`${name} (differs)`, async () => {
        let error: unknown;
        const outcome = await play(ours, behaviour, (thrown) => error = thrown);
        assert.equal(outcome.error?.code, differs.code && Code[differs.code], JSON.stringify(outcome));
        assert.deepEqual(outcome.messages, differs.messages ?? (differs.code === undefined ? ["hello"] : []));
        if (differs.message !== undefined) assert.match(outcome.error?.message ?? "", differs.message);
        if (differs.mark !== undefined) assert.equal(readMark(error), differs.mark ?? undefined);
        // A difference that has gone should go from the list.
        if (onNode && !differs.unsteady) assert.notDeepEqual(await play(connectNode, behaviour), outcome);
      });
    }
  });
}

it("plays more than 100 behaviours, each under a name of its own", () => {
  const names = Object.values(GROUPS).flatMap((behaviours) => behaviours.map(({ name }) => name));
  assert.ok(names.length > 100);
  assert.equal(new Set(names).size, names.length);
});
