import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { StreamTable } from "../../src/http2/stream-table.ts";
import { TestStream } from "./memory.ts";

const streamOf = (id: number) => Object.assign(new TestStream(), { id });

describe("the table of streams", () => {
  it("holds what was added and not deleted, by ascending id, as a map does", () => {
    // Each step opens some streams in order, then ends some of those that are there: the oldest, the newest, any.
    const step = fc.tuple(
      fc.nat(40),
      fc.array(fc.tuple(fc.constantFrom("oldest", "newest", "any"), fc.nat(1_000)), {
        maxLength: 40,
      }),
    );
    fc.assert(fc.property(fc.nat(2 ** 30 - 5_000), fc.array(step, { maxLength: 20 }), (first, steps) => {
      const table = new StreamTable();
      const expected = new Map<number, TestStream>();
      let id = 2 * first + 1;
      for (const [opened, ended] of steps) {
        for (let i = 0; i < opened; i++, id += 2) {
          const stream = streamOf(id);
          table.add(stream);
          expected.set(id, stream);
        }
        for (const [which, n] of ended) {
          const ids = [...expected.keys()];
          const gone = which === "oldest" ? ids[0] : which === "newest" ? ids.at(-1) : ids[n % ids.length];
          if (gone === undefined) break;
          table.delete(gone);
          table.delete(gone);
          expected.delete(gone);
        }
        assert.deepEqual([...table].map((stream) => stream.id), [...expected.keys()]);
        assert.equal(table.size, expected.size);
        for (const [id, stream] of expected) assert.equal(table.get(id), stream);
        assert.equal(table.get(id), undefined);
      }
      table.clear();
      assert.deepEqual([table.size, [...table]], [0, []]);
    }));
  });

  it("finds and deletes among many in flight as fast as among few", () => {
    // Counts the slots that are looked at: reads of ids.
    let looks = 0;
    class Counted extends TestStream {
      constructor(number: number) {
        super();
        Object.defineProperty(this, "id", { get: () => (looks++, number) });
      }
    }
    for (const inFlight of [10, 1_000, 20_000]) {
      const table = new StreamTable();
      let id = 1;
      for (; id < 2 * inFlight; id += 2) table.add(new Counted(id));
      looks = 0;
      for (let i = 0; i < 1_000; i++, id += 2) {
        table.add(new Counted(id));
        table.get(id - 2 * inFlight);
        table.delete(id - 2 * inFlight);
      }
      assert.ok(looks < 20_000, `${looks} looks for 1,000 streams with ${inFlight} in flight`);
    }
  });

  it("keeps its size while streams come and go beside some that stay", () => {
    const table = new StreamTable();
    for (let id = 1; id < 20; id += 2) table.add(streamOf(id));
    for (let id = 21; id < 2_000_000; id += 2) {
      table.add(streamOf(id));
      if (id > 100) table.delete(id - 64);
    }
    assert.equal(table.size, 10 + 32 + 8);
    for (let id = 1; id < 20; id += 2) assert.equal(table.get(id)?.id, id);
  });
});
