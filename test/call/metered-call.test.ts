import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import type { CallEnvironment } from "../../src/call/environment.ts";
import { Meter, type UsualCalls } from "../../src/call/meter.ts";
import { MeteredCall } from "../../src/call/metered-call.ts";
import type { CallWatch } from "../../src/call/observer.ts";
import { balanced, failureOf } from "../support/balanced.ts";
import { heldLinks } from "../support/held-links.ts";

/** A meter that writes down what it hears. */
class Notes extends Meter<CallEnvironment> implements UsualCalls {
  readonly unaryCall = MeteredCall;
  readonly lines: string[] = [];

  usual(): UsualCalls {
    return this;
  }

  began(): void {
    this.lines.push("began");
  }

  succeeded(latencyMs: number, sentBytes: number | undefined): void {
    this.lines.push(`succeeded after ${latencyMs} with ${sentBytes}`);
  }

  watch(): CallWatch {
    return {
      attemptStarted: ({ number }) => void this.lines.push(`attempt ${number}`),
      attemptEnded: ({ number, latencyMs, end }) => void this.lines.push(`${number} ${end} after ${latencyMs}`),
      ended: ({ latencyMs, attempts }) => void this.lines.push(`ended after ${latencyMs} and ${attempts}`),
    };
  }

  callStarted(): CallWatch {
    this.lines.push("observed");
    return {};
  }
}

describe("a meter", () => {
  it("hears of a call that succeeds in one call, and of another's later events", async () => {
    const meter = new Notes(), { sent, transport: links } = heldLinks();
    const { client, clock, ready, transport } = balanced({
      observers: [meter],
      ejectOutliers: false,
      retry: false,
      links: { transport: links },
    });
    await ready();
    const answered = client.route({});
    await clock.advance(70);
    sent[0]!.answer();
    await answered;
    assert.deepEqual(meter.lines.splice(0), ["began", "succeeded after 70 with undefined"]);
    const failed = failureOf(client.route({}));
    await clock.advance(30);
    sent[1]!.fail(new ConnectError("no", Code.NotFound));
    await failed;
    assert.deepEqual(meter.lines.splice(0), ["began", "1 maybe-processed after 30", "ended after 30 and 1"]);
    await transport.close();
  });

  it("observes calls as others do beside another observer, and those that wait", async () => {
    const beside = new Notes(), alone = new Notes();
    for (const observers of [[beside, { callStarted() {} }], [alone]]) {
      const { client, clock, transport } = balanced({ observers, ejectOutliers: false });
      const call = client.route({});
      await clock.advance(100);
      await call;
      assert.deepEqual((observers[0] as Notes).lines.splice(0), ["observed"]);
      const next = client.route({});
      await clock.advance(10);
      await next;
      await transport.close();
    }
    assert.deepEqual(beside.lines, ["observed"]);
    assert.deepEqual(alone.lines, ["began", "succeeded after 0 with undefined"]);
  });

  it("may hear of nothing, as one does whose metrics nobody collects", async (t) => {
    const printed = t.mock.method(console, "error", () => {});
    const meter = new Notes(), { sent, transport: links } = heldLinks();
    meter.usual = () => undefined as never;
    meter.callStarted = () => undefined as never;
    const { client, clock, ready, transport } = balanced({
      observers: [meter],
      ejectOutliers: false,
      retry: false,
      links: { transport: links },
    });
    await ready();
    const answered = client.route({}), failed = failureOf(client.route({}));
    await clock.advance(10);
    sent[0]!.answer();
    sent[1]!.fail(new ConnectError("no", Code.NotFound));
    await answered;
    assert.equal(String(await failed), "ConnectError: [not_found] proto.Simple/Route: the attempt, on b:1, failed: no");
    assert.deepEqual(transport.snapshot().endpoints!.map(({ inFlight }) => inFlight), [0, 0, 0]);
    assert.equal(printed.mock.callCount(), 0);
    await transport.close();
  });

  for (const broken of ["usual", "began", "succeeded"] as const) {
    it(`changes no call when its ${broken} throws, which is printed`, async (t) => {
      const printed = t.mock.method(console, "error", () => {});
      const meter = new Notes();
      meter[broken] = () => {
        throw new Error("broken");
      };
      const { client, ready, transport } = balanced({ observers: [meter], ejectOutliers: false });
      await ready();
      assert.match((await client.route({})).value, /^[abc]:1/);
      const { calls, endpoints } = transport.snapshot();
      assert.deepEqual([calls.started, calls.succeeded, calls.failed], [1, 1, 0]);
      assert.deepEqual(endpoints!.map(({ inFlight }) => inFlight), [0, 0, 0]);
      assert.equal(printed.mock.callCount(), 1);
      await transport.close();
    });
  }
});
