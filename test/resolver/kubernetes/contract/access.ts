import assert from "node:assert/strict";
import { it } from "node:test";
import { ManualClock } from "../../../support/manual-clock.ts";
import { eventually } from "../../../support/eventually.ts";
import type { Setting } from "../backend.ts";
import { slice } from "../slice.ts";

/** What holds for tokens and Roles. */
export function accessStatements(setting: () => Setting): void {
  it("asks for the token at each request", async () => {
    const at = setting(), { server } = at;
    await server.put(slice("a", ["10.0.0.1"]));
    const consumer = at.consumer(at.resolverWith(async () => `${await server.token("watcher")}\n`));
    await consumer.has("10.0.0.1:8000");
    await at.watching();
    at.cut();
    await at.watching(2);
    await server.put(slice("a", ["10.0.0.2"]));
    await consumer.has("10.0.0.2:8000");
    const tokens = at.sent.map(({ token }) => token);
    assert.ok(tokens.length >= 3 && new Set(tokens).size === tokens.length);
  });

  it("says that the token is not accepted, and shows it nowhere", async () => {
    const at = setting();
    const cause = await at.consumer(at.resolverWith(() => "no-such-token")).wasStale(/401/);
    assert.match(cause.message, /answered 401: Unauthorized \(the token is missing or not accepted\)/);
    assert.doesNotMatch(cause.message, /no-such-token/);
  });

  it("says which Role is missing when it is refused, and tries again after a while", async () => {
    const at = setting(), clock = new ManualClock();
    const consumer = at.consumer(await at.resolver({ clock }, "other"));
    const { message } = await consumer.wasStale(/403/);
    assert.match(message, /is forbidden: User "system:serviceaccount:default:other" cannot list resource/);
    assert.match(message, /Role in the namespace default that allows get, list and watch on endpointslices/);
    assert.equal(consumer.last!.endpoints, undefined);
    await eventually("it waits", () => clock.pending.includes(30_000));
  });

  it("keeps its set when the Role is taken away, and goes on when it is given back", async () => {
    const at = setting(), clock = new ManualClock(), { server } = at;
    await server.put(slice("a", ["10.0.0.1"]));
    const consumer = at.consumer(await at.resolver({ clock }));
    await consumer.has("10.0.0.1:8000");
    await at.watching();
    const release = at.hold();
    await server.allow(false);
    release();
    await eventually("it is refused", async () => {
      // The server learns of it by a watch of its own: it may take another request.
      if (consumer.last!.stale === undefined) at.cut();
      await clock.advance(100);
      return consumer.last!.stale !== undefined && /403/.test(consumer.last!.stale.cause.message);
    });
    assert.equal(consumer.addresses, "10.0.0.1:8000");
    await server.allow(true);
    await server.put(slice("a", ["10.0.0.2"]));
    await eventually("it has the new set", async () => {
      await clock.advance(1_000);
      return consumer.addresses === "10.0.0.2:8000" && consumer.last!.stale === undefined;
    });
  });
}
