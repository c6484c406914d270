import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { StreamResponse } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { StreamEnd, trackResponse } from "../../src/call/stream-end.ts";

type Method = typeof Simple.method.routeServerStream;

/** A response whose messages are `iterator`'s, with the end that is reported. */
function tracked(iterator: Partial<AsyncIterator<unknown>> & object) {
  const reported: unknown[][] = [];
  const abort = new AbortController();
  const end = new StreamEnd(abort, (...how) => {
    reported.push(how);
    return how[0] === undefined ? undefined : new Error("for the caller", { cause: how[0] });
  });
  const method: Method = Simple.method.routeServerStream;
  const inner = {
    stream: true,
    service: method.parent,
    method,
    header: new Headers({ a: "1" }),
    trailer: new Headers({ b: "2" }),
    message: { [Symbol.asyncIterator]: () => iterator },
  } as unknown as StreamResponse<Method["input"], Method["output"]>;
  const response = trackResponse(inner, end);
  return { inner, response, end, reported, abort, reader: response.message[Symbol.asyncIterator]() };
}

describe("a response stream whose end is reported", () => {
  it("is otherwise the same", () => {
    const { inner, response } = tracked({});
    for (const name of ["stream", "service", "method", "header", "trailer"] as const) {
      assert.equal(response[name], inner[name], name);
    }
  });

  it("is cancelled at the server when its reader leaves", async () => {
    let returned = 0;
    const { reader, reported, abort } = tracked({
      return() {
        returned++;
        return Promise.resolve({ done: true, value: undefined });
      },
    });
    for (let i = 0; i < 2; i++) assert.deepEqual(await reader.return!(), { done: true, value: undefined });
    assert.deepEqual([reported, returned], [[[undefined, true]], 2]);
    assert.equal(abort.signal.aborted, true);
  });

  it("has ended with its last message, and is not cancelled then", async () => {
    const { reader, reported, abort } = tracked({ next: () => Promise.resolve({ done: true, value: undefined }) });
    assert.equal((await reader.next()).done, true);
    await reader.return!();
    assert.deepEqual([reported, abort.signal.aborted], [[[undefined, false]], false]);
  });

  it("fails each read with what the first one failed with once its caller aborted", async () => {
    const { reader, reported, end } = tracked({ next: () => Promise.resolve({ done: false, value: 1 }) });
    assert.equal((await reader.next()).value, 1);
    const reason = new Error("left");
    end.aborted(reason);
    end.aborted(new Error("again"));
    for (let i = 0; i < 2; i++) await assert.rejects(reader.next(), { message: "for the caller", cause: reason });
    assert.equal(reported.length, 1);
  });

  it("is asked for no more messages once its caller aborted", async () => {
    let asked = 0;
    const { reader, end } = tracked({
      next() {
        asked++;
        return new Promise(() => {});
      },
    });
    end.aborted(new Error("left"));
    const read = reader.next();
    assert.equal(asked, 0);
    await assert.rejects(read, { message: "for the caller" });
  });

  it("fails a read that was under way when its caller aborted", async () => {
    const { promise, resolve } = Promise.withResolvers<IteratorResult<unknown>>();
    const { reader, end } = tracked({ next: () => promise });
    const read = reader.next();
    end.aborted(new Error("left"));
    resolve({ done: false, value: 1 });
    await assert.rejects(read, { message: "for the caller" });
  });

  it("fails with the error itself when it failed after its end", async () => {
    const error = new Error("late");
    const { reader, end } = tracked({ next: () => Promise.reject(error) });
    end.finished();
    await assert.rejects(reader.next(), error);
  });

  it("is reported by messages that can do so themselves", async () => {
    for (const error of [undefined, new Error("reset")]) {
      let report = (_: unknown): unknown => undefined;
      const { reader, reported, end } = tracked({
        reportEndTo: (listener: (error: unknown) => unknown) => void (report = listener),
        next: () => Promise.resolve({ done: false, value: 1 }),
      } as never);
      await reader.next();
      assert.deepEqual(reported, []);
      const seen = report(error);
      assert.equal((seen as Error | undefined)?.message, error === undefined ? undefined : "for the caller");
      assert.deepEqual(reported, [[error, false]]);
      end.aborted(new Error("too late"));
      assert.equal((await reader.next()).value, 1);
    }
    const { reader, end } = tracked({
      reportEndTo() {},
      next: () => Promise.resolve({ done: false, value: 1 }),
    } as never);
    end.aborted(new Error("left"));
    await assert.rejects(reader.next(), { message: "for the caller" });
  });

  it("is not taken to report its end for a field of that name", async () => {
    const { reader, reported } = tracked({
      reportEndTo: true,
      next: () => Promise.resolve({ done: true, value: undefined }),
    } as never);
    await reader.next();
    assert.deepEqual(reported, [[undefined, false]]);
  });
});
