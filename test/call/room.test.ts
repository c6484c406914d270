import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createRouterTransport, type Transport } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { markAttempt } from "../../src/connection/mark.ts";
import { note } from "../../src/connection/note.ts";
import type { Policy } from "../../src/policy/policy.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { balanced, failureOf } from "../support/balanced.ts";
import { settled } from "../support/manual-clock.ts";
import { manualResolver } from "../support/manual-resolver.ts";
import { simpleRoutes } from "../support/simple.ts";

/** A link's transport that declines calls while it is full; `asked` counts them all. */
function declining() {
  const inner = createRouterTransport(simpleRoutes({ name: "a:1" }));
  const state = { full: true, asked: 0 };
  const transport: Transport = {
    ...inner,
    unary: (...args) => {
      state.asked++;
      // A busy loop would never let the test fail.
      if (!state.full || state.asked > 1_000) return inner.unary(...args);
      return Promise.reject(note(markAttempt(new ConnectError("no room", Code.Unavailable), "not-sent"), "full"));
    },
  };
  return { transport, state };
}

describe("calls that wait for a link that has no room", () => {
  it("wait beyond waitTimeoutMs while it is there, and as long as that once it is lost", async () => {
    const { client, clock, links, transport } = balanced({ resolver: staticResolver(["a:1"]), links: { auto: false } });
    const connected = transport.connect();
    await settled();
    const link = links.get("a:1")!;
    link.ready();
    await connected;
    link.room = 0;
    let failure: unknown;
    void failureOf(client.route({ data: "x" })).then((error) => failure = error);
    await clock.advance(25_000);
    assert.deepEqual([failure, transport.snapshot().waiting], [undefined, 1]);
    link.events.lost();
    await clock.advance(9_990);
    assert.deepEqual([failure, transport.snapshot().waiting], [undefined, 1]);
    await clock.advance(10);
    assert.ok(failure instanceof ConnectError);
    assert.equal(failure.code, Code.Unavailable);
    assert.match(failure.message, /no connection within 10000 ms/);
    await transport.close();
  });

  it("wait exactly as long once it is lost, or until their deadline if that comes no later", async () => {
    for (
      const [lostAfterMs, options, code] of [
        [1, {}, Code.Unavailable],
        [0.5, {}, Code.Unavailable],
        [1, { timeoutMs: 10_001 }, Code.DeadlineExceeded],
      ] as const
    ) {
      const { client, clock, links, transport } = balanced({
        resolver: staticResolver(["a:1"]),
        links: { auto: false },
      });
      const connected = transport.connect();
      await settled();
      const link = links.get("a:1")!;
      link.ready();
      await connected;
      await client.route({});
      link.room = 0;
      const failed = failureOf(client.route({}, options));
      await clock.advance(lostAfterMs);
      link.events.lost();
      await clock.advance(10_000 - lostAfterMs);
      assert.equal(transport.snapshot().waiting, 1);
      await clock.advance(lostAfterMs);
      assert.equal(transport.snapshot().waiting, 0);
      const failure = await failed;
      assert.ok(failure instanceof ConnectError);
      assert.equal(failure.code, code);
      await transport.close();
    }
  });

  it("are given to the link that has room first, in the order in which they came", async () => {
    const { client, links, ready, transport } = balanced({ resolver: staticResolver(["a:1", "b:1"]) });
    await ready();
    const a = links.get("a:1")!, b = links.get("b:1")!;
    a.room = b.room = 0;
    const order: string[] = [];
    for (const data of ["1", "2", "3"]) void client.route({ data }).then(({ value }) => order.push(value));
    await settled();
    assert.deepEqual([order, transport.snapshot().waiting], [[], 3]);
    // The fake's room stays as it is, so that each call makes room for the next.
    b.room = 1;
    b.events.room!();
    await settled();
    assert.deepEqual(order, ["1", "2", "3"].map((data) => `b:1: hello ${data}`));
    await transport.close();
  });

  it("are given the room that comes, not a call that begins just then", async () => {
    const order: unknown[] = [];
    const inner = createRouterTransport(simpleRoutes({ name: "a:1" }));
    const link: Transport = {
      ...inner,
      unary(method, signal, timeoutMs, header, input, contextValues) {
        order.push((input as { data: string }).data);
        return inner.unary(method, signal, timeoutMs, header, input, contextValues);
      },
    };
    const { clock, links, ready, transport } = balanced({
      resolver: staticResolver(["a:1"]),
      links: { auto: true, transport: () => link },
    });
    await ready();
    const a = links.get("a:1")!;
    const call = (data: string) => transport.unary(Simple.method.route, undefined, undefined, undefined, { data });
    a.room = 0;
    const first = call("first");
    await clock.advance(50);
    a.room = 1;
    a.events.room!();
    await Promise.all([first, call("second")]);
    assert.deepEqual(order, ["first", "second"]);
    await transport.close();
  });

  it("come before those that were never given one, when a link declines them, which is no attempt", async () => {
    const { transport: link, state } = declining();
    const ends: string[] = [];
    const { client, links, ready, transport } = balanced({
      resolver: staticResolver(["a:1"]),
      links: { auto: true, transport: () => link },
      onAttempt: ({ end, number }) => void ends.push(`${number} ${end}`),
    });
    await ready();
    const a = links.get("a:1")!;
    const order: string[] = [];
    const call = (data: string) => void client.route({ data }).then(() => order.push(data));
    call("declined");
    a.room = 0;
    call("later");
    await settled();
    const { waiting, endpoints } = transport.snapshot();
    assert.deepEqual([waiting, endpoints![0]!.inFlight, endpoints![0]!.picks], [2, 0, 0]);
    state.full = false;
    a.room = 1;
    a.events.room!();
    await settled();
    assert.deepEqual([order, ends], [["declined", "later"], ["1 answered", "1 answered"]]);
    await transport.close();
  });

  it("ask a link that declines them and hides its room now and then, not in a busy loop", async () => {
    const { transport: link, state } = declining();
    const { client, clock, ready, transport } = balanced({
      resolver: staticResolver(["a:1"]),
      links: { auto: true, transport: () => link },
    });
    await ready();
    let answer: string | undefined;
    void client.route({ data: "x" }).then(({ value }) => answer = value);
    await settled();
    assert.deepEqual([state.asked, transport.snapshot().waiting], [2, 1]);
    await clock.advance(1_000);
    assert.deepEqual([state.asked < 100, answer], [true, undefined]);
    state.full = false;
    await clock.advance(2_000);
    assert.equal(answer, "a:1: hello x");
    await transport.close();
  });

  it("are given to a link that becomes ready before the next picker, and no later call overtakes them", async () => {
    const resolver = manualResolver();
    const { client, clock, links, transport } = balanced({ resolver, links: { auto: false } });
    const told = (...addresses: string[]) => resolver.tell({ endpoints: addresses.map((address) => ({ address })) });
    const connected = transport.connect();
    told("a:1");
    await settled();
    links.get("a:1")!.ready();
    await connected;
    links.get("a:1")!.room = 0;
    await clock.advance(100);
    told("a:1", "b:1");
    await settled();
    const order: string[] = [];
    const call = (data: string) => void client.route({ data }).then(({ value }) => order.push(value));
    call("first");
    await settled();
    assert.equal(transport.snapshot().waiting, 1);
    // At the same moment: a picker every 20 ms is the most.
    links.get("b:1")!.ready();
    await settled();
    call("second");
    await settled();
    assert.deepEqual([order, clock.now()], [["b:1: hello first", "b:1: hello second"], 100]);
    await transport.close();
  });

  it("wait also where the policy does not look whether a connection is available, and nobody takes their place", async () => {
    const heedless: Policy = (connections) => {
      for (const connection of connections) connection.connect();
      return { pick: () => connections[0]! };
    };
    const { client, links, ready, transport } = balanced({ resolver: staticResolver(["a:1"]), policy: heedless });
    await ready();
    const a = links.get("a:1")!;
    a.room = 0;
    const order: string[] = [];
    const call = (data: string) => void client.route({ data }).then(({ value }) => order.push(value));
    call("first");
    await settled();
    const { waiting, endpoints } = transport.snapshot();
    assert.deepEqual([order, waiting, endpoints![0]!.picks], [[], 1, 0]);
    a.room = 1;
    a.events.room!();
    // The place is kept for the first call, which is on its way to it.
    await Promise.resolve();
    call("second");
    await settled();
    assert.deepEqual(order, ["a:1: hello first", "a:1: hello second"]);
    await transport.close();
  });
});
