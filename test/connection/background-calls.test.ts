import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createClient, createRouterTransport, type Transport } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { BackgroundCalls } from "../../src/connection/background-calls.ts";
import { failureOf } from "../support/balanced.ts";
import { countListeners } from "../support/count-listeners.ts";
import { simpleRoutes } from "../support/simple.ts";

/** Answers nothing, and fails when the call's signal aborts. */
const silent: Pick<Transport, "unary"> = {
  unary: (_method, signal) =>
    new Promise((_, reject) => {
      const abort = () => reject(ConnectError.from(signal!.reason, Code.Canceled));
      if (signal!.aborted) abort();
      signal!.addEventListener("abort", abort);
    }),
};

const router = createRouterTransport(simpleRoutes({ name: "s" }));

describe("background calls over any transport", () => {
  it("are answered as others are", async () => {
    const client = createClient(Simple, new BackgroundCalls(router));
    assert.equal((await client.route({ data: "x" })).value, "s: hello x");
    const values: string[] = [];
    for await (const { value } of client.routeServerStream({ data: "x" })) values.push(value);
    assert.deepEqual(values, ["s: hello x 0", "s: hello x 1", "s: hello x 2"]);
  });

  it("end when they are ended, and others may follow", async () => {
    const calls = new BackgroundCalls({ ...router, ...silent });
    const client = createClient(Simple, calls);
    const waiting = [client.route({}), client.route({})].map(failureOf);
    calls.end();
    for (const error of await Promise.all(waiting)) {
      assert.equal((error as ConnectError).code, Code.Unavailable);
      assert.match(String(error), /no longer ready/);
    }
    let more = () => {};
    const streaming = new BackgroundCalls(createRouterTransport(({ service }) =>
      service(Simple, {
        async *routeServerStream(_, { signal }) {
          yield { value: "first" };
          await new Promise<void>((resolve) => {
            more = resolve;
            signal.addEventListener("abort", () => resolve());
          });
          yield { value: "second" };
        },
      })
    ));
    const messages = createClient(Simple, streaming).routeServerStream({})[Symbol.asyncIterator]();
    assert.equal((await messages.next()).value.value, "first");
    const next = failureOf(messages.next());
    streaming.end();
    assert.equal((await next as ConnectError).code, Code.Unavailable);
    more();
    const again = createClient(Simple, streaming).routeServerStream({})[Symbol.asyncIterator]();
    assert.equal((await again.next()).value.value, "first");
    streaming.end();
  });

  it("end with their callers' signals, of which nothing remains", async () => {
    const calls = new BackgroundCalls({ ...router, ...silent });
    const abort = new AbortController();
    const listeners = countListeners(abort.signal);
    const call = failureOf(calls.unary(Simple.method.route, abort.signal, undefined, undefined, {}));
    assert.equal(listeners(), 1);
    abort.abort(new ConnectError("enough", Code.Aborted));
    assert.equal((await call as ConnectError).code, Code.Aborted);
    assert.equal(listeners(), 0);
    const late = failureOf(calls.unary(Simple.method.route, abort.signal, undefined, undefined, {}));
    assert.equal((await late as ConnectError).code, Code.Aborted);
    const other = new AbortController();
    const others = countListeners(other.signal);
    const through = new BackgroundCalls(router);
    const { message } = await through.stream(
      Simple.method.routeServerStream,
      other.signal,
      undefined,
      undefined,
      one(),
    );
    assert.equal(others() > 0, true);
    for await (const _ of message) { /* to its end */ }
    assert.equal(others(), 0);
    const unknown = createRouterTransport(({ rpc }) => rpc(Simple.method.route, () => ({})));
    const failing = new BackgroundCalls(unknown);
    const failed = failing.stream(Simple.method.routeServerStream, other.signal, undefined, undefined, one());
    await failureOf(failed.then(async ({ message }) => await message[Symbol.asyncIterator]().next()));
    assert.equal(others(), 0);
  });
});

async function* one() {
  yield { data: "x" };
}
