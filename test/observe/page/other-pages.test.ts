import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { it, type TestContext } from "node:test";
import { requestListener } from "../../../src/node.ts";
import { observe, type PageState } from "../../../src/page.ts";
import { eventually } from "../../support/eventually.ts";
import { endpoint, FakeTransport } from "./fakes.ts";

type Named = [id: string, row: PageState["services"][string]];

async function serve(t: TestContext, handler: (request: Request) => Response): Promise<string> {
  const server = createServer(requestListener(handler));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

/** What a page that shows others' says as soon as `done`. */
async function shown(pages: readonly string[], done: (state: PageState) => boolean): Promise<PageState> {
  const page = observe({ transports: [new FakeTransport()], pages });
  return await eventually("the others are shown", async () => {
    const state = await page.handler(new Request("http://localhost/snapshot")).json() as PageState;
    return done(state) ? state : undefined;
  });
}

it("a page shows the pages of other programs, with their names", async (t) => {
  const transport = new FakeTransport();
  transport.target = "theirs";
  transport.endpoints = [endpoint("10.9.9.9:1", { picks: 3 })];
  const url = await serve(t, observe({ transports: [transport] }).handler);
  const { services, endpoints } = await shown([url], (state) => Object.keys(state.services).length === 2);
  const [[ours, own], [theirs, other]] = Object.entries(services) as [Named, Named];
  assert.deepEqual([own, other].map(({ target, program }) => [target, program]), [
    ["simple_grpc", null],
    ["theirs", url],
  ]);
  const [, , row] = Object.values(endpoints);
  assert.deepEqual([row?.service, row?.address, row?.attempts], [theirs, "10.9.9.9:1", 3]);
  assert.notEqual(ours, theirs);
});

it("a page says which other page can't be read, and why", async (t) => {
  const gone = await serve(t, () => new Response("no", { status: 500 }));
  const { services } = await shown([gone], (state) => Object.keys(state.services).length === 2);
  const row = Object.values(services)[1];
  assert.deepEqual([row?.program, row?.problem], [gone, "can't be read: HTTP 500"]);
});

it("a page takes nothing of another as it is", async (t) => {
  const hostile = {
    nowMs: 1,
    services: { a: { target: { toString: "x" }, waiting: "many", stale: 7, program: "http://elsewhere/", more: 1 } },
    endpoints: { b: { service: "a", address: "x\u202ey".repeat(1_000), attempts: NaN, state: ["ready"] } },
    servers: "none",
    registrations: [1, null],
    calls: { c: { service: "a", attempts: [null, { address: 5 }], method: "m", latencyMs: "long" } },
    events: Object.fromEntries(Array.from({ length: 6_000 }, (_, i) => [`e${i}`, { level: "<b>", text: "t" }])),
  };
  const url = await serve(t, () => Response.json(hostile));
  const state = await shown([url], (state) => Object.keys(state.services).length === 2);
  const last = <T>(rows: Readonly<Record<string, T>>) => Object.values(rows).at(-1)!;
  const { target, waiting, stale, program } = last(state.services);
  assert.deepEqual([target, waiting, stale, program], ["", 0, "", url]);
  assert.equal(Object.keys(last(state.services)).includes("more"), false);
  const { address, attempts, state: connection } = last(state.endpoints);
  assert.match(address, /^x\\u202ey/);
  assert.ok(address.length <= 600);
  assert.deepEqual([attempts, connection], [0, ""]);
  assert.deepEqual(last(state.calls).attempts.map(({ address }) => address), ["", ""]);
  assert.equal(Object.keys(state.events).length, 5_000);
  assert.equal(last(state.events).level, "note");
});

it("a page refuses URLs of other pages that name users or no page", () => {
  for (const url of ["http://user:secret@127.0.0.1/", "file:///etc/passwd", "127.0.0.1:9901"]) {
    assert.throws(() => observe({ pages: [url] }), TypeError);
  }
});
