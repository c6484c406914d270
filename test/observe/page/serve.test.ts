// The page over the runtime's own server: its events flow, and a browser that leaves makes room for another.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { it, type TestContext } from "node:test";
import { requestListener } from "../../../src/node.ts";
import { observe } from "../../../src/page.ts";
import { eventually } from "../../support/eventually.ts";
import { FakeTransport } from "./fakes.ts";
import { EventReader } from "./read-events.ts";

type Handler = (request: Request) => Response;

/** The runtimes' servers, as far as this test needs them. */
interface Globals {
  readonly Bun?: {
    serve(options: { port: number; hostname: string; fetch: Handler }): { port: number; stop(now: boolean): unknown };
  };
  readonly Deno?: {
    serve(
      options: { port: number; hostname: string; onListen(): void },
      handler: Handler,
    ): { addr: { port: number }; shutdown(): Promise<void> };
  };
}
const { Bun, Deno } = globalThis as unknown as Globals;

const SERVERS: Record<string, ((t: TestContext, handler: Handler) => Promise<number> | number) | undefined> = {
  "node:http": async (t, handler) => {
    const server = createServer(requestListener(handler));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => {
      server.close();
      server.closeAllConnections();
    });
    return (server.address() as AddressInfo).port;
  },
  "Bun.serve": Bun && ((t, handler) => {
    const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: handler });
    t.after(() => server.stop(true));
    return server.port;
  }),
  "Deno.serve": Deno && ((t, handler) => {
    const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, handler);
    t.after(() => server.shutdown());
    return server.addr.port;
  }),
};

for (const [name, serve] of Object.entries(SERVERS)) {
  it(`the page's events flow over ${name}, and a viewer that leaves makes room`, { skip: !serve }, async (t) => {
    const transport = new FakeTransport();
    const page = observe({ transports: [transport], intervalMs: 250, maxViewers: 1 });
    t.after(() => page.close());
    const port = await serve!(t, page.handler);
    const url = `http://127.0.0.1:${port}/lb/`;
    assert.match(await (await fetch(url)).text(), /<h1>connect-lb<\/h1>/);

    for (const _ of [1, 2]) {
      const left = new AbortController();
      const response = await eventually("there is room", async () => {
        const response = await fetch(`${url}events`, { signal: left.signal });
        if (response.status === 200) return response;
        await response.body?.cancel();
        return undefined;
      });
      const events = new EventReader(response);
      assert.deepEqual([(await events.next())?.event, (await events.next())?.event], ["state", "change"]);
      const refused = await fetch(`${url}events`);
      assert.equal(refused.status, 503);
      await refused.body?.cancel();
      left.abort();
    }
  });
}
