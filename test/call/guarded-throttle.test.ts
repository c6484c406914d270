import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { balanced, failureOf } from "../support/balanced.ts";

describe("a throttle that throws", () => {
  it("fails the call that it was asked about, and says so", async () => {
    const throttle = () => ({
      refuses(): string | undefined {
        throw new Error("no table");
      },
      ended() {},
    });
    const { client, ready, transport } = balanced({ throttle });
    await ready();
    const error = await failureOf(client.route({}));
    assert.ok(error instanceof ConnectError);
    assert.equal(error.code, Code.Internal);
    assert.match(error.message, /proto\.Simple\/Route: the transport's throttle threw: no table$/);
    await transport.close();
  });

  it("at a call's end changes nothing for its caller, and is printed", async (t) => {
    const printed = t.mock.method(console, "error", () => {});
    const throttle = () => ({
      refuses: () => undefined,
      ended(): void {
        throw new Error("no table");
      },
    });
    const { client, ready, transport } = balanced({ throttle });
    await ready();
    assert.match((await client.route({ data: "x" })).value, /x/);
    for await (const { value } of client.routeServerStream({ data: "x" })) assert.ok(value);
    assert.ok(transport.snapshot().endpoints?.every(({ inFlight }) => inFlight === 0));
    assert.match(String(printed.mock.calls[0]?.arguments[0]), /ended of a throttle threw/);
    await transport.close();
  });
});
