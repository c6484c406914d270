import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { dnsResolver, type DnsResolverOptions } from "../../src/node/dns/resolver.ts";
import type { DnsLookup, SrvRecord } from "../../src/node/dns/lookup.ts";
import type { Resolution } from "../../src/resolver/resolver.ts";
import { startDnsServer } from "../support/dns-server.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";

/** A DNS whose answers a test sets, and when it was asked. */
function scripted(clock: ManualClock) {
  const dns = {
    addresses: {} as Record<string, readonly string[] | Error | Promise<readonly string[]>>,
    services: [] as readonly SrvRecord[],
    asked: [] as number[],
    names: [] as string[],
    lookup: undefined as unknown as DnsLookup,
  };
  const answer = async (host: string) => {
    const found = await (dns.addresses[host] ?? notFound(host));
    if (found instanceof Error) throw found;
    return found;
  };
  dns.lookup = {
    addresses(host) {
      dns.asked.push(clock.now());
      return answer(host);
    },
    services(name) {
      dns.names.push(name);
      return Promise.resolve(dns.services);
    },
  };
  return dns;
}

const notFound = (host: string) => Object.assign(new Error(`queryA ENOTFOUND ${host}`), { code: "ENOTFOUND" });

function open(target: string, options: DnsResolverOptions = {}) {
  const clock = new ManualClock();
  const dns = scripted(clock);
  const resolver = dnsResolver(target, { lookup: dns.lookup, clock, random: () => 0.5, ...options });
  const follow = () => {
    const stop = new AbortController();
    const seen: Resolution[] = [];
    const ended = (async () => {
      for await (const resolution of resolver.resolve(stop.signal)) seen.push(resolution);
    })();
    const end = () => {
      stop.abort();
      return ended;
    };
    return {
      seen,
      end,
      stale: () => seen.at(-1)?.stale,
      addresses: () => seen.at(-1)?.endpoints?.map(({ address }) => address),
    };
  };
  return { clock, dns, resolver, follow };
}

describe("the DNS resolver", () => {
  it("makes an endpoint of each address, called by the name, in order and once", async () => {
    const { clock, dns, follow } = open("api.test:8000");
    dns.addresses["api.test"] = ["2001:db8::1", "10.0.0.2", "10.0.0.1", "10.0.0.2"];
    const { seen, end } = follow();
    await clock.advance(0);
    assert.deepEqual(seen, [{
      endpoints: ["10.0.0.1:8000", "10.0.0.2:8000", "[2001:db8::1]:8000"].map((address) => ({
        address,
        authority: "api.test:8000",
      })),
    }]);
    await end();
  });

  it("does nothing until it is consumed, and nothing once nobody does any more", async () => {
    const { clock, dns, follow } = open("api.test:8000");
    await clock.advance(60_000);
    assert.deepEqual([dns.asked, clock.pending], [[], []]);
    dns.addresses["api.test"] = ["10.0.0.1"];
    const { end } = follow();
    await clock.advance(0);
    await end();
    await clock.advance(60_000);
    assert.deepEqual([dns.asked.length, clock.pending], [1, []]);
  });

  it("looks again at an interval, and yields only what changed", async () => {
    const { clock, dns, follow } = open("api.test:8000");
    dns.addresses["api.test"] = ["10.0.0.1", "10.0.0.2"];
    const { seen, end, addresses } = follow();
    await clock.advance(0);
    dns.addresses["api.test"] = ["10.0.0.2", "10.0.0.1"];
    await clock.advance(30_000);
    assert.deepEqual([dns.asked, seen.length], [[0, 30_000], 1]);
    dns.addresses["api.test"] = ["10.0.0.3"];
    await clock.advance(30_000);
    assert.deepEqual(addresses(), ["10.0.0.3:8000"]);
    await end();
  });

  it("looks sooner when asked to refresh, but never twice within 5 s", async () => {
    const { clock, dns, resolver, follow } = open("api.test:8000");
    dns.addresses["api.test"] = ["10.0.0.1"];
    const { end } = follow();
    await clock.advance(10_000);
    resolver.refresh!();
    await clock.advance(0);
    assert.deepEqual(dns.asked, [0, 10_000]);
    for (let n = 0; n < 4; n++) {
      resolver.refresh!();
      await clock.advance(1_000);
    }
    assert.equal(dns.asked.length, 2);
    await clock.advance(1_000);
    assert.deepEqual(dns.asked, [0, 10_000, 15_000]);
    await clock.advance(30_000);
    assert.deepEqual(dns.asked, [0, 10_000, 15_000, 45_000]);
    await end();
  });

  it("is shared by its consumers, and a new one soon after the last gets what is known", async () => {
    const { clock, dns, follow } = open("api.test:8000");
    dns.addresses["api.test"] = ["10.0.0.1"];
    const [first, second] = [follow(), follow()];
    await clock.advance(1_000);
    assert.deepEqual([first.addresses(), second.addresses()], [["10.0.0.1:8000"], ["10.0.0.1:8000"]]);
    await first.end();
    await second.end();
    const third = follow();
    await settled();
    assert.deepEqual([third.addresses(), dns.asked], [["10.0.0.1:8000"], [0]]);
    await clock.advance(4_000);
    assert.deepEqual(dns.asked, [0, 5_000]);
    await third.end();
  });

  it("keeps the last set as stale while the name can't be looked up, and backs off", async () => {
    const { clock, dns, follow } = open("api.test:8000");
    const { seen, end, stale, addresses } = follow();
    await clock.advance(0);
    assert.equal(seen[0]?.endpoints, undefined);
    assert.match(seen[0]?.stale?.cause.message ?? "", /^the DNS lookup of api\.test:8000 failed: .*ENOTFOUND/);
    dns.addresses["api.test"] = ["10.0.0.1"];
    await clock.advance(5_000);
    assert.deepEqual([addresses(), stale()], [["10.0.0.1:8000"], undefined]);
    dns.addresses["api.test"] = new Error("SERVFAIL");
    await clock.advance(30_000);
    assert.deepEqual([addresses(), stale()?.sinceMs], [["10.0.0.1:8000"], 35_000]);
    // A name without records: the servers that were there may be there still.
    dns.addresses["api.test"] = [];
    dns.asked.length = 0;
    await clock.advance(60_000);
    assert.deepEqual([addresses(), stale()?.sinceMs], [["10.0.0.1:8000"], 35_000]);
    assert.match(stale()?.cause.message ?? "", /no records/);
    const waits = dns.asked.map((atMs, i) => Math.round(atMs - (dns.asked[i - 1] ?? 35_000)));
    assert.deepEqual(waits, [5_000, 8_000, 12_800, 20_480]);
    dns.addresses["api.test"] = ["10.0.0.1"];
    await clock.advance(30_000);
    assert.deepEqual(seen.at(-1), { endpoints: [{ address: "10.0.0.1:8000", authority: "api.test:8000" }] });
    await end();
  });

  it("gives a lookup that hangs up after 10 s", async () => {
    const { clock, dns, follow } = open("api.test:8000");
    dns.addresses["api.test"] = new Promise(() => {});
    const { seen, end } = follow();
    await clock.advance(9_999);
    assert.equal(seen.length, 0);
    await clock.advance(1);
    assert.match(seen[0]?.stale?.cause.message ?? "", /no answer within 10000 ms/);
    await end();
  });

  it("can be left during a lookup", async () => {
    const { clock, dns, follow } = open("api.test:8000");
    dns.addresses["api.test"] = new Promise(() => {});
    const { end } = follow();
    await clock.advance(0);
    await end();
    await settled();
    assert.deepEqual(clock.pending, []);
  });

  it("reads the set once, or rejects with the reason", async () => {
    const { dns, resolver } = open("api.test:8000");
    const list = (signal = new AbortController().signal) => resolver.list!(signal);
    await assert.rejects(list(), /the DNS lookup of api\.test:8000 failed: .*ENOTFOUND/);
    dns.addresses["api.test"] = ["10.0.0.1"];
    assert.deepEqual(await list(), { endpoints: [{ address: "10.0.0.1:8000", authority: "api.test:8000" }] });
    dns.addresses["api.test"] = new Promise(() => {});
    const stop = new AbortController();
    const left = list(stop.signal);
    stop.abort(new Error("left"));
    await assert.rejects(left, /^Error: left$/);
  });

  it("takes SRV records of the lowest priority, with their ports and weights", async () => {
    const { clock, dns, follow } = open("api.test", { srv: true });
    dns.services = [
      { name: "backup.test", port: 1, priority: 20, weight: 1 },
      { name: "a.test", port: 8001, priority: 10, weight: 60 },
      { name: "b.test.", port: 8002, priority: 10, weight: 0 },
      { name: "gone.test", port: 8003, priority: 10, weight: 5 },
      { name: ".", port: 8004, priority: 10, weight: 5 },
      { name: "zero.test", port: 0, priority: 10, weight: 5 },
    ];
    dns.addresses = { "a.test": ["10.0.0.1", "10.0.0.2"], "b.test": ["::1"], "backup.test": ["10.0.0.9"] };
    const { seen, end, stale } = follow();
    await clock.advance(0);
    assert.deepEqual(dns.names, ["_grpc._tcp.api.test"]);
    assert.deepEqual(seen, [{
      endpoints: [
        { address: "10.0.0.1:8001", authority: "a.test:8001", weight: 30 },
        { address: "10.0.0.2:8001", authority: "a.test:8001", weight: 30 },
        { address: "[::1]:8002", authority: "b.test:8002", weight: 1 },
      ],
    }]);
    // A target that can't be looked up is not one that is gone.
    dns.addresses["a.test"] = new Error("SERVFAIL");
    await clock.advance(30_000);
    assert.deepEqual([seen.at(-1)?.endpoints, stale()?.sinceMs], [seen[0]?.endpoints, 30_000]);
    await end();
  });

  it("asks a real DNS server", async () => {
    const srv = [1, 2].map((n) => ({ priority: 1, weight: n, port: 8000 + n, name: `${n}.api.test` }));
    const server = await startDnsServer({
      "both.test": { a: ["10.0.0.1"], aaaa: ["2001:db8:0:0:0:0:0:1"] },
      "v4.test": { a: ["10.0.0.2", "10.0.0.1"] },
      "v6.test": { aaaa: ["2001:db8:0:0:0:0:0:2"] },
      "empty.test": {},
      "_connect._tcp.api.test": { srv },
      "1.api.test": { a: ["10.0.1.1"] },
      "2.api.test": { a: ["10.0.1.2"] },
    });
    const list = async (target: string, options: DnsResolverOptions = {}) => {
      const resolver = dnsResolver(target, { servers: [server.address], ...options });
      const { endpoints } = await resolver.list!(new AbortController().signal);
      return endpoints?.map(({ address, weight }) => (weight === undefined ? address : `${address} ${weight}`));
    };
    try {
      assert.deepEqual(await list("both.test:1"), ["10.0.0.1:1", "[2001:db8::1]:1"]);
      assert.deepEqual(await list("v4.test:1"), ["10.0.0.1:1", "10.0.0.2:1"]);
      assert.deepEqual(await list("v6.test:1"), ["[2001:db8::2]:1"]);
      assert.deepEqual(await list("10.9.9.9:1"), ["10.9.9.9:1"]);
      assert.deepEqual(await list("api.test", { srv: "_connect._tcp" }), ["10.0.1.1:8001 1", "10.0.1.2:8002 2"]);
      await assert.rejects(list("empty.test:1"), /empty\.test/);
      await assert.rejects(list("missing.test:1"), /missing\.test/);
      await assert.rejects(list("missing.test", { srv: true }), /missing\.test/);
      assert.ok(server.queries.includes("SRV _connect._tcp.api.test"));
    } finally {
      await server.close();
    }
  });

  it("asks the system, which knows localhost", async () => {
    const { endpoints } = await dnsResolver({ host: "localhost", port: 8000 }).list!(new AbortController().signal);
    assert.ok(endpoints?.some(({ address }) => address === "127.0.0.1:8000" || address === "[::1]:8000"));
    assert.ok(endpoints?.every(({ authority }) => authority === "localhost:8000"));
  });

  it("refuses invalid targets and options", () => {
    const refuses = (message: RegExp, target: unknown, options?: unknown) =>
      assert.throws(() => dnsResolver(target as string, options as DnsResolverOptions), message);
    refuses(/has no port/, "api.test");
    refuses(/is a URL/, "http://api.test:80");
    refuses(/port/, { host: "api.test" });
    refuses(/port/, undefined);
    refuses(/intervalMs is 4999: expected milliseconds, at least 5000/, "api.test:1", { intervalMs: 4_999 });
    refuses(/intervalMs/, "api.test:1", { intervalMs: "30s" });
    refuses(/name without a port/, "api.test:1", { srv: true });
    refuses(/srv is "grpc": expected true, false or a service/, "api.test", { srv: "grpc" });
    refuses(/a host that is neither a name/, "a b.test".replace(" ", "!"), { srv: true });
    refuses(/servers is \["not a server"\]: expected addresses/, "api.test:1", { servers: ["not a server"] });
  });
});
