import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SetChanges } from "../../src/cli/set-changes.ts";
import { durationMs, listenAddress, positiveNumber, wholeNumber } from "../../src/cli/values.ts";

describe("the values of options", () => {
  it("are durations with a unit, or in seconds", () => {
    const read = (text: string) => durationMs(["--for", text]);
    assert.deepEqual(["500ms", "2s", "1.5m", "1h", "3", "0"].map(read), [500, 2_000, 90_000, 3_600_000, 3_000, 0]);
    for (const wrong of ["", "s", "1 s", "-1s", "1d", "1e3", "99999999h"]) {
      assert.throws(() => read(wrong), { name: "CliError", exitCode: 2 }, wrong);
    }
    assert.throws(() => durationMs(["--for", "0"], { least: 1 }), /--for is "0": expected from 1 ms/);
  });

  it("are numbers, in decimal", () => {
    assert.deepEqual([wholeNumber(["-n", "07"]), positiveNumber(["-w", "0.5"])], [7, 0.5]);
    for (const wrong of ["", "-1", "1.5", "0x10", "1e9", "9".repeat(30)]) {
      assert.throws(() => wholeNumber(["-n", wrong]), /-n is ".*": expected a whole number from 0/, wrong);
    }
    for (const wrong of ["0", "-1", "Infinity", "NaN", "1e3"]) {
      assert.throws(() => positiveNumber(["-w", wrong]), /expected a number above 0/, wrong);
    }
  });

  it("are addresses to listen on: a port of loopback, or a host and a port, of which 0 is any", () => {
    const read = (text: string) => {
      const { host, port } = listenAddress(["--listen", text]);
      return `${host} ${port}`;
    };
    assert.deepEqual(["0", ":8000", "127.0.0.1:0", "0.0.0.0:80", "[::1]:0", "ops.example:443"].map(read), [
      "127.0.0.1 0",
      "127.0.0.1 8000",
      "127.0.0.1 0",
      "0.0.0.0 80",
      "::1 0",
      "ops.example 443",
    ]);
    for (const wrong of ["", "host", "host:", "host:x", "1:2:3", "http://a:1", "70000"]) {
      assert.throws(() => read(wrong), { name: "CliError", exitCode: 2 }, wrong);
    }
  });
});

describe("the changes of a set", () => {
  const server = (address: string, more: object = {}) => ({ address, incarnation: "1.1", ...more });

  it("are what was removed, added, changed or restarted; all of the first set is present", () => {
    const changes = new SetChanges();
    const next = (...set: ReturnType<typeof server>[]) =>
      changes.next(set).map(({ change, endpoint, details, endpoints }) => {
        return [change, endpoint.address, ...details, endpoints].join(" ");
      });
    assert.deepEqual(next(server("a:1"), server("b:1")), ["present a:1 2", "present b:1 2"]);
    assert.deepEqual(next(server("a:1"), server("b:1")), []);
    assert.deepEqual(next(server("b:1", { weight: 2 }), server("c:1")), [
      "removed a:1 2",
      "changed b:1 weight none → 2 2",
      "added c:1 2",
    ]);
    assert.deepEqual(next(server("b:1", { weight: 2, incarnation: "2.1" }), server("c:1", { metadata: { v: 1 } })), [
      "restarted b:1 2",
      "changed c:1 metadata 2",
    ]);
    assert.deepEqual(next(), ["removed b:1 0", "removed c:1 0"]);
  });

  it("tell endpoints apart by address, TLS and authority", () => {
    const changes = new SetChanges();
    changes.next([server("a:1")]);
    const kinds = changes.next([server("a:1", { secure: true })]).map(({ change }) => change);
    assert.deepEqual(kinds, ["removed", "added"]);
  });
});
