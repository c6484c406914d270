import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Resolver } from "../../src/resolver/resolver.ts";
import { parseTarget } from "../../src/service-config.ts";

/** Resolvers of two schemes, and what they were asked. */
function recording() {
  const asked: (readonly [string, string, string])[] = [];
  const of = (scheme: string) => (name: string, authority: string): Resolver => {
    asked.push([scheme, name, authority]);
    return { target: name, async *resolve() {} };
  };
  return { asked, resolvers: { etcd: of("etcd"), dns: of("dns") } };
}

async function addressesOf(target: string): Promise<string[]> {
  const resolver = parseTarget(target);
  const { endpoints = [] } = await resolver.list?.(new AbortController().signal) ?? {};
  return endpoints.map(({ address }) => address);
}

describe("parseTarget", () => {
  it("gives the resolver of the scheme the name, and the authority", () => {
    const targets = {
      "etcd:///simple_grpc": ["etcd", "simple_grpc", ""],
      "etcd:simple_grpc": ["etcd", "simple_grpc", ""],
      "ETCD:///a/b": ["etcd", "a/b", ""],
      "etcd:////a": ["etcd", "/a", ""],
      "etcd:///a%2Fb%20c": ["etcd", "a/b c", ""],
      "dns:///api.example.com:8000": ["dns", "api.example.com:8000", ""],
      "dns://10.0.0.53:53/api.example.com": ["dns", "api.example.com", "10.0.0.53:53"],
      "dns:[::1]:8000": ["dns", "[::1]:8000", ""],
      "localhost:8000": ["dns", "localhost:8000", ""],
      "api.example.com": ["dns", "api.example.com", ""],
      "[::1]:8000": ["dns", "[::1]:8000", ""],
      "10.0.0.5:8000": ["dns", "10.0.0.5:8000", ""],
      "etcd:8000": ["etcd", "8000", ""],
    };
    for (const [target, expected] of Object.entries(targets)) {
      const { asked, resolvers } = recording();
      assert.equal(typeof parseTarget(target, resolvers).resolve, "function");
      assert.deepEqual(asked, [expected], target);
    }
  });

  it("needs no resolver for addresses", async () => {
    assert.deepEqual(await addressesOf("ipv4:10.0.0.1:8000,10.0.0.2:8001,10.0.0.3"), [
      "10.0.0.1:8000",
      "10.0.0.2:8001",
      "10.0.0.3:443",
    ]);
    assert.deepEqual(await addressesOf("ipv4:///10.0.0.1:8000"), ["10.0.0.1:8000"]);
    assert.deepEqual(await addressesOf("ipv6:[2001:db8::1]:8000,[2001:db8::2],2001:db8::3"), [
      "[2001:db8::1]:8000",
      "[2001:db8::2]:443",
      "[2001:db8::3]:443",
    ]);
    assert.deepEqual(await addressesOf("unix:/run/a.sock"), ["unix:/run/a.sock"]);
    assert.deepEqual(await addressesOf("unix:///run/a.sock"), ["unix:/run/a.sock"]);
    const { asked, resolvers } = recording();
    parseTarget("ipv4:x", { ...resolvers, ipv4: resolvers.etcd });
    assert.deepEqual(asked, [["etcd", "x", ""]], "the program's own come first");
  });

  it("says which schemes there are", () => {
    const { resolvers } = recording();
    const said = 'target "zk:///a" has the scheme "zk", which has no resolver: there are etcd, dns, ipv4, ipv6, unix';
    assert.throws(() => parseTarget("zk:///a", resolvers), { name: "TypeError", message: said });
    assert.throws(() => parseTarget("constructor:///a", resolvers), TypeError);
    assert.throws(() => parseTarget("localhost:8000"), /has the scheme "dns", which has no resolver: there are ipv4/);
  });

  it("rejects what names nothing", () => {
    const { resolvers } = recording();
    for (
      const target of [
        "",
        "etcd:",
        "etcd:///",
        "etcd://authority",
        "etcd:///a?b",
        "etcd:///a#b",
        "etcd:///a b",
        "etcd:///%zz",
      ]
    ) {
      assert.throws(() => parseTarget(target, resolvers), TypeError, target);
    }
    assert.throws(() => parseTarget(1 as never, resolvers), /target 1 is not a target/);
    assert.throws(() => parseTarget("etcd:///a", null as never), /takes resolvers by scheme, not null/);
    assert.throws(() => parseTarget("etcd:///a", { etcd: () => ({}) as Resolver }), /returned \{\}, not a resolver/);
    assert.throws(() => parseTarget("ipv4:10.0.0.1:x"), TypeError);
  });
});
