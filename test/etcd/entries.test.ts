// The keys of one service, and the set of endpoints that they make up.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { KeyValue } from "../../src/etcd/driver/driver.ts";
import { Entries } from "../../src/etcd/watch/entries.ts";
import { goZero } from "../../src/registry/layout/go-zero.ts";
import type { Layout } from "../../src/registry/layout/layout.ts";

const bytes = new TextEncoder();

/** A key, numbered, with the address of a server and a weight. */
function kv(key: string | Uint8Array, value: string | Uint8Array, more: Partial<KeyValue> = {}): KeyValue {
  const encode = (text: string | Uint8Array) => typeof text === "string" ? bytes.encode(text) : text;
  return { key: encode(key), value: encode(value), createRevision: 1n, modRevision: 1n, lease: 5n, ...more };
}
const server = (host: number, weight = 1) => `{"Addr":"10.0.0.${host}:80","Metadata":{"weight":${weight}}}`;

function setUp(layout: Layout = goZero()) {
  const skipped: string[] = [];
  const entries = new Entries(layout, "a", (key, cause) => skipped.push(`${key}: ${cause.message}`));
  const set = () => entries.endpoints.map(({ address, weight }) => `${address} ${weight}`);
  return { entries, skipped, set };
}

/** A layout that takes any text for the same server. */
const lenient: Layout = { ...goZero(), read: () => ({ address: "10.0.0.1:80" }) };

describe("the entries of a service", () => {
  it("change with a list that adds, changes or lacks one key, and with no other", () => {
    const { entries, set } = setUp();
    const [one, two] = [kv("a/1", server(1)), kv("a/2", server(2))];
    assert.equal(entries.replace([]), false);
    assert.equal(entries.replace([one]), true);
    assert.equal(entries.replace([one, two]), true);
    assert.equal(entries.replace([two, one]), false);
    assert.equal(entries.replace([kv("a/1", server(1, 7), { modRevision: 2n }), two]), true);
    assert.deepEqual(set(), ["10.0.0.2:80 1", "10.0.0.1:80 7"]);
    assert.equal(entries.replace([two]), true);
    assert.deepEqual(set(), ["10.0.0.2:80 1"]);
    assert.equal(entries.replace([]), true);
    assert.deepEqual(set(), []);
  });

  it("know nothing more of a key that was deleted", () => {
    const { entries, set } = setUp();
    const one = kv("a/1", server(1), { modRevision: 5n });
    entries.replace([one]);
    assert.equal(entries.apply([{ type: "delete", kv: kv("a/1", "", { modRevision: 6n }) }]), true);
    assert.equal(entries.apply([{ type: "delete", kv: kv("a/1", "", { modRevision: 7n }) }]), false);
    assert.equal(entries.replace([]), false);
    assert.equal(entries.replace([one]), true);
    assert.deepEqual(set(), ["10.0.0.1:80 1"]);
  });

  it("give an endpoint the attributes of its newest key, in whichever order the keys are listed", () => {
    const { entries, set } = setUp();
    const older = kv("a/2", server(1, 2), { modRevision: 4n }), newer = kv("a/1", server(1, 9), { modRevision: 6n });
    entries.replace([newer, older]);
    assert.deepEqual(set(), ["10.0.0.1:80 9"]);
    entries.apply([{ type: "put", kv: kv("a/3", server(1, 5), { modRevision: 5n }) }]);
    assert.deepEqual(set(), ["10.0.0.1:80 9"]);
    entries.apply([{ type: "delete", kv: kv("a/1", "", { modRevision: 7n }) }]);
    assert.deepEqual(set(), ["10.0.0.1:80 5"]);
    entries.apply([{ type: "delete", kv: kv("a/3", "", { modRevision: 8n }) }]);
    assert.deepEqual(set(), ["10.0.0.1:80 2"]);
  });

  it("that one transaction wrote for the same endpoint: the first one counts", () => {
    const { entries, set } = setUp();
    entries.replace([kv("a/1", server(1, 1)), kv("a/2", server(1, 2))]);
    assert.deepEqual(set(), ["10.0.0.1:80 1"]);
  });

  it("are skipped, and reported once, when the value is larger than 64 KiB or not UTF-8", () => {
    const { entries, skipped, set } = setUp(lenient);
    const values = ["x".repeat(65_536), "x".repeat(65_537), new Uint8Array([0xff])];
    const kvs = values.map((value, n) => kv(`a/${n}`, value));
    entries.replace(kvs);
    entries.replace(kvs);
    assert.equal(set().length, 1);
    assert.equal(skipped.length, 2, skipped.join());
    assert.equal(skipped[0], "a/1: its value has 65537 bytes, more than 65536");
    assert.match(skipped[1]!, /^a\/2: /);
  });

  it("are told apart by keys that are not UTF-8, and these are reported byte by byte", () => {
    const { entries, skipped } = setUp();
    const keys = [0xff, 0xfe].map((byte) => new Uint8Array([97, 47, byte]));
    entries.replace(keys.map((key) => kv(key, "no server")));
    assert.deepEqual(skipped.map((text) => text.slice(0, 4)), ["a/ÿ:", "a/þ:"]);
  });
});
