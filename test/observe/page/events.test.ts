import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Difference } from "../../../src/observe/page/difference.ts";
import { observe, type ObserveOptions, type PageState } from "../../../src/page.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { endpoint, FakeTransport } from "./fakes.ts";
import { EventReader } from "./read-events.ts";

function setUp(options: ObserveOptions = {}) {
  const clock = new ManualClock(), transport = new FakeTransport(clock);
  const page = observe({ transports: [transport], clock, ...options });
  const open = () => page.handler(new Request("http://localhost/events"));
  return { clock, transport, page, open };
}

const only = <T>(table: Readonly<Record<string, T>> | undefined): T => {
  const rows = Object.values(table ?? {});
  assert.equal(rows.length, 1);
  return rows[0]!;
};

describe("the page's events", () => {
  it("are the whole state first, then what changed, as often as options say", async () => {
    const { clock, transport, page, open } = setUp({ intervalMs: 250 });
    const response = open();
    assert.equal(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
    const events = new EventReader(response);
    const first = await events.next<PageState>();
    assert.equal(first?.event, "state");
    assert.equal(Object.keys(first!.data.endpoints).length, 2);

    transport.change("10.0.0.2:8000", { picks: 5, inFlight: 1 });
    await clock.advance(250);
    const change = await events.next<Difference>();
    assert.equal(change?.event, "change");
    assert.deepEqual(only(change!.data.changed?.endpoints), { attempts: 5, inFlight: 1 });

    await clock.advance(250);
    assert.deepEqual((await events.next<Difference>())?.data, { nowMs: 500 });

    transport.endpoints = [endpoint("10.0.0.1:8000"), endpoint("10.0.0.3:8000")];
    await clock.advance(250);
    const { data: { changed, gone } } = (await events.next<Difference>())!;
    assert.equal((only(changed?.endpoints) as { address: string }).address, "10.0.0.3:8000");
    assert.deepEqual(gone?.endpoints?.length, 1);
    page.close();
  });

  it("cost nothing while nobody looks: no timer, and no snapshot is taken", async () => {
    const { clock, transport, open } = setUp();
    await clock.advance(60_000);
    assert.deepEqual([clock.pending.length, transport.reads], [0, 0]);

    const reader = new EventReader(open());
    await reader.next();
    assert.deepEqual([clock.pending, clock.held], [[500], 0]);
    await reader.cancel();
    assert.deepEqual(clock.pending, []);
    const { reads } = transport;
    await clock.advance(60_000);
    assert.equal(transport.reads, reads);
  });

  it("are read once for all viewers", async () => {
    const { clock, transport, page, open } = setUp();
    const viewers = [1, 2, 3, 4].map(() => new EventReader(open()));
    for (const viewer of viewers) await viewer.next();
    assert.equal(transport.reads, 1);
    await clock.advance(500);
    for (const viewer of viewers) await viewer.next();
    assert.equal(transport.reads, 2);
    page.close();
  });

  it("go to as many viewers as options say; one that leaves makes room", async () => {
    const { page, open } = setUp({ maxViewers: 2 });
    const first = new EventReader(open()), second = open();
    assert.equal(second.status, 200);
    assert.equal(open().status, 503);
    assert.equal(open().headers.get("retry-after"), "5");
    await first.cancel();
    assert.equal(open().status, 200);
    assert.equal(open().status, 503);
    await second.body?.cancel();
    assert.equal(open().status, 200);
    page.close();
  });

  it("wait for a viewer that doesn't read, who then gets one difference; one that is stuck is let go", async () => {
    const { clock, transport, open } = setUp({ maxViewers: 1 });
    const response = open();
    for (let i = 1; i <= 20; i++) {
      transport.change("10.0.0.1:8000", { picks: i });
      await clock.advance(500);
    }
    const events = new EventReader(response);
    await events.next();
    await events.next();
    await clock.advance(500);
    const { data } = (await events.next<Difference>())!;
    assert.deepEqual(only(data.changed?.endpoints), { attempts: 20 });
    await events.cancel();

    const stuck = open();
    assert.equal(stuck.status, 200);
    await clock.advance(40_000);
    assert.deepEqual(clock.pending, []);
    assert.equal(open().status, 200);
  });

  it("end when the page is closed", async () => {
    const { clock, page, open } = setUp();
    const events = new EventReader(open());
    await events.next();
    page.close();
    assert.equal(await events.next(), undefined);
    assert.deepEqual(clock.pending, []);
  });
});
