import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { createBalancedTransport, staticResolver } from "../../src/index.ts";
import { grpcConnector, shutdown } from "../../src/node.ts";
import { eventually } from "../support/eventually.ts";
import { startSimpleServer } from "../support/servers/simple.ts";

async function slowServer() {
  const release: (() => void)[] = [];
  const server = await startSimpleServer({
    methods: {
      async route({ data }) {
        await new Promise<void>((resolve) => release.push(resolve));
        return { value: data };
      },
    },
  });
  const transport = createBalancedTransport({
    resolver: staticResolver([server.address]),
    connector: grpcConnector(),
  });
  return { server, release, transport, simple: createClient(Simple, transport) };
}

describe("shutdown", () => {
  it("deregisters first, then stops listening, and lets calls in flight finish", async (t) => {
    const { server, release, transport, simple } = await slowServer();
    t.after(() => transport.close());
    const call = simple.route({ data: "kept" });
    await eventually("the call runs", () => release.length === 1);
    let deregistered = false;
    const registration = {
      async close() {
        assert.equal(server.server.listening, true);
        await new Promise((resolve) => setTimeout(resolve, 1));
        deregistered = true;
      },
    };
    const over = shutdown(server.server, { registration, settleMs: 1 });
    await eventually("it stops listening", () => !server.server.listening);
    assert.equal(deregistered, true);
    release.pop()?.();
    assert.equal((await call).value, "kept");
    assert.equal(await over, true);
  });

  it("gives up on calls that take longer than drainMs, and says so", async (t) => {
    const { server, release, transport, simple } = await slowServer();
    t.after(async () => {
      release.pop()?.();
      await transport.close();
      await server.close().catch(() => {});
    });
    const call = simple.route({}).catch(() => {});
    await eventually("the call runs", () => release.length === 1);
    assert.equal(await shutdown(server.server, { drainMs: 20 }), false);
    release.pop()?.();
    await call;
  });

  it("goes on when the registration can't be closed", async () => {
    const server = await startSimpleServer();
    const registration = { close: () => Promise.reject(new Error("etcd is away")) };
    assert.equal(await shutdown(server.server, { registration, settleMs: 0 }), true);
    assert.equal(server.server.listening, false);
  });
});

describe("shutdown with what it can't end", () => {
  it("rejects at once, and leaves no timer behind", async () => {
    await assert.rejects(
      shutdown(undefined as unknown as Parameters<typeof shutdown>[0]),
      /takes a server of node:http2/,
    );
    const server = { close: () => assert.fail("nothing is ended") };
    const registration = {} as unknown as { close(): Promise<void> };
    await assert.rejects(shutdown(server, { registration }), /option registration/);
  });
});
