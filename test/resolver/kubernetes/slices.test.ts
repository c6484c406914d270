import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readSlice } from "../../../src/resolver/kubernetes/endpoint-slice.ts";
import { Slices, type SliceSelection } from "../../../src/resolver/kubernetes/slices.ts";
import { type Slice, slice } from "./slice.ts";

function joined(slices: readonly Slice[], selection: Partial<SliceSelection> = {}) {
  const all = new Slices("simple", { port: undefined, addressType: undefined, zone: undefined, ...selection });
  all.replace(slices.map((given) => readSlice(given)!));
  return all;
}
const endpointsOf = (slices: readonly Slice[], selection?: Partial<SliceSelection>) => {
  return [...joined(slices, selection).endpoints].sort((a, b) => a.address < b.address ? -1 : 1);
};
const addressesOf = (slices: readonly Slice[], selection?: Partial<SliceSelection>) => {
  return endpointsOf(slices, selection).map(({ address }) => address);
};
const at = (host: string, conditions: object, more: object = {}) => ({ addresses: [host], conditions, ...more });

describe("the EndpointSlices of a service", () => {
  it("are joined, with an address that is in two of them once", () => {
    assert.deepEqual(addressesOf([slice("a", ["10.0.0.1", "10.0.0.2"]), slice("b", ["10.0.0.2", "10.0.0.3"])]), [
      "10.0.0.1:8000",
      "10.0.0.2:8000",
      "10.0.0.3:8000",
    ]);
  });

  it("count an address as ready that is ready in one of two", () => {
    const ready = slice("a", [at("10.0.0.1", { ready: true })]), not = slice("b", [at("10.0.0.1", { ready: false })]);
    assert.deepEqual(addressesOf([ready, not]), ["10.0.0.1:8000"]);
    assert.deepEqual(addressesOf([not, ready]), ["10.0.0.1:8000"]);
  });

  it("have the ready ones, and those of which nothing is known", () => {
    const known = slice("a", [
      at("10.0.0.1", { ready: true, serving: true, terminating: false }),
      at("10.0.0.2", { ready: false, serving: false, terminating: false }),
      at("10.0.0.3", {}),
      { addresses: ["10.0.0.4"] },
      at("10.0.0.5", { ready: false, serving: true, terminating: true }),
    ]);
    assert.deepEqual(addressesOf([known]), ["10.0.0.1:8000", "10.0.0.3:8000", "10.0.0.4:8000"]);
  });

  it("have those that still serve while they terminate only if no other is ready", () => {
    const last = slice("a", [
      at("10.0.0.1", { ready: false, serving: true, terminating: true }),
      at("10.0.0.2", { ready: false, serving: false, terminating: true }),
    ]);
    assert.deepEqual(addressesOf([last]), ["10.0.0.1:8000"]);
    assert.deepEqual(addressesOf([last, slice("b", ["10.0.0.3"])]), ["10.0.0.3:8000"]);
  });

  it("put IPv6 addresses into brackets", () => {
    assert.deepEqual(addressesOf([slice("a", ["fd00::1"], { type: "IPv6" })]), ["[fd00::1]:8000"]);
  });

  it("have each pod of a dual-stack service once", () => {
    const both = [slice("a", ["fd00::1"], { type: "IPv6" }), slice("b", ["10.0.0.1"])];
    assert.deepEqual(addressesOf(both), ["10.0.0.1:8000"]);
    assert.deepEqual(addressesOf(both, { addressType: "IPv6" }), ["[fd00::1]:8000"]);
  });

  it("use the other addresses of a dual-stack service if no IPv4 address is ready", () => {
    const both = [slice("a", [at("10.0.0.1", { ready: false })]), slice("b", ["fd00::1"], { type: "IPv6" })];
    assert.deepEqual(addressesOf(both), ["[fd00::1]:8000"]);
  });

  it("have a port by name, also where its number differs between pods", () => {
    const of = (port: number) => [{ name: "metrics", port: 9000 }, { name: "grpc", port }];
    const slices = [slice("a", ["10.0.0.1"], { ports: of(8000) }), slice("b", ["10.0.0.2"], { ports: of(8001) })];
    assert.deepEqual(addressesOf(slices, { port: "grpc" }), ["10.0.0.1:8000", "10.0.0.2:8001"]);
    assert.deepEqual(addressesOf(slices, { port: 8001 }), ["10.0.0.2:8001"]);
  });

  it("need no name for the only TCP port", () => {
    const ports = [{ port: 8000 }, { name: "dns", protocol: "UDP", port: 53 }];
    assert.deepEqual(addressesOf([slice("a", ["10.0.0.1"], { ports })]), ["10.0.0.1:8000"]);
  });

  it("say which ports there are if it is not clear which one is meant", () => {
    const two = [slice("a", ["10.0.0.1"], { ports: [{ name: "grpc", port: 8000 }, { name: "web", port: 80 }] })];
    assert.throws(
      () => joined(two).endpoints,
      /service simple has several ports, grpc, web: name one with the option port/,
    );
    assert.throws(() => joined(two, { port: "gprc" }).endpoints, /service simple has no port gprc: it has grpc, web/);
  });

  it("are empty for a service without pods, whose slice has neither ports nor endpoints", () => {
    const placeholder = { ...slice("a", []), ports: null, endpoints: null };
    assert.deepEqual(addressesOf([placeholder], { port: "grpc" }), []);
    assert.deepEqual(addressesOf([]), []);
  });

  it("give each endpoint the zone of its node, its pod and the pod's uid", () => {
    const pod = { kind: "Pod", name: "simple-7d9f", uid: "u1" };
    const known = slice("a", [at("10.0.0.1", {}, { zone: "eu-1a", nodeName: "n1", targetRef: pod })]);
    assert.deepEqual(endpointsOf([known]), [{
      address: "10.0.0.1:8000",
      zone: "eu-1a",
      incarnation: "u1",
      metadata: { pod: "simple-7d9f", node: "n1" },
    }]);
  });

  describe("with hints", () => {
    const hinted = (host: string, zone: string, ...zones: string[]) => {
      return at(host, {}, { zone, hints: { forZones: zones.map((name) => ({ name })) } });
    };
    const zonesOf = (slices: readonly Slice[], zone?: string) => endpointsOf(slices, { zone }).map(({ zone }) => zone);

    it("count the endpoints for the client's zone as being in it", () => {
      const all = slice("a", [
        hinted("10.0.0.1", "a", "a"),
        hinted("10.0.0.2", "a", "b"),
        hinted("10.0.0.3", "c", "b", "c"),
      ]);
      assert.deepEqual(zonesOf([all], "b"), ["a", "b", "b"]);
      assert.deepEqual(zonesOf([all], "c"), ["a", "b", "c"]);
      assert.deepEqual(zonesOf([all]), ["a", "a", "c"]);
    });

    it("ignore them unless all endpoints have some, and one of them is for the client's zone", () => {
      const some = slice("a", [hinted("10.0.0.1", "a", "b"), hinted("10.0.0.2", "a")]);
      assert.deepEqual(zonesOf([some], "b"), ["a", "a"]);
      assert.deepEqual(zonesOf([slice("a", [hinted("10.0.0.1", "a", "b")])], "x"), ["a"]);
    });
  });

  it("survive anything in JSON", () => {
    for (const value of [undefined, null, 1, "x", [], {}, { metadata: 1 }, { metadata: { name: 1 } }]) {
      assert.equal(readSlice(value), undefined);
    }
    const junk = { metadata: { name: "a" }, addressType: "X", ports: "x", endpoints: [1, null, { addresses: 1 }] };
    const all = new Slices("simple", { port: undefined, addressType: undefined, zone: undefined });
    all.replace([readSlice(junk)!, readSlice({ ...junk, addressType: "IPv4", ports: [1, {}], endpoints: {} })!]);
    assert.deepEqual(all.endpoints, []);
  });
});
