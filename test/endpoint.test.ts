import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { checkEndpointAddress, endpointIdentity, isWildcardHost, parseAddress, unixPath } from "../src/endpoint.ts";

describe("parseAddress", () => {
  for (
    const [address, host, port] of [
      ["localhost:8000", "localhost", 8000],
      ["10.0.0.5:1", "10.0.0.5", 1],
      ["[::1]:65535", "::1", 65535],
      ["[fe80::1:2]:80", "fe80::1:2", 80],
      ["[fe80::1%eth0]:8000", "fe80::1%eth0", 8000],
      ["[fe80::1%br-1.20]:8000", "fe80::1%br-1.20", 8000],
      ["[fe80::1%3]:8000", "fe80::1%3", 8000],
      ["my_svc.default.svc.cluster.local.:443", "my_svc.default.svc.cluster.local.", 443],
    ] as const
  ) {
    it(`takes ${address}`, () => assert.deepEqual(parseAddress(address), { host, port }));
  }

  for (
    const [address, why] of [
      ["", /is empty/],
      ["localhost", /has no port/],
      ["http://localhost:8000", /is a URL/],
      ["local host:8000", /has a space/],
      [" localhost:8000", /has a space/],
      ["localhost:8000\r\n", /control character/],
      ["localhost\u0000:8000", /control character/],
      ["localhost:8000/path", /has a path/],
      ["unix:/run/api.sock", /is a Unix socket/],
      ["evil.example/@host:1", /has a path/],
      ["user@host:1", /user information/],
      ["host?x:1", /has a path, a query/],
      ["host#x:1", /has a path, a query/],
      ["::1:8000", /IPv6 host without brackets/],
      ["[::1]", /has no port/],
      ["[::1]8000", /has no port/],
      ["[::1", /no IPv6 address between its brackets/],
      ["[::g]:80", /no IPv6 address between its brackets/],
      ["[localhost]:80", /no IPv6 address between its brackets/],
      ["[localhost%eth0]:80", /no IPv6 address between its brackets/],
      ["[10.0.0.1%eth0]:80", /no IPv6 address between its brackets/],
      ["[fe80::1%]:80", /no IPv6 address between its brackets/],
      ["[fe80::1%a%b]:80", /no IPv6 address between its brackets/],
      ["[fe80::1%a:b]:80", /no IPv6 address between its brackets/],
      ["[fe80::1%a\\b]:80", /no IPv6 address between its brackets/],
      ["host%eth0:80", /neither a name nor an IP address/],
      [":8000", /has no host/],
      ["-x:80", /neither a name nor an IP address/],
      ["hö.example:80", /neither a name nor an IP address/],
      ["a..b:80", /neither a name nor an IP address/],
      ["localhost:http", /has no numeric port/],
      ["localhost:", /has no numeric port/],
      ["localhost:1e3", /has no numeric port/],
    ] as const
  ) {
    it(`refuses ${JSON.stringify(address)}`, () => {
      assert.throws(() => parseAddress(address), (error) => {
        assert.ok(error instanceof TypeError);
        assert.match(error.message, why);
        assert.ok(error.message.includes(JSON.stringify(address)), "names the value");
        assert.match(error.message, /expected "host:port"/);
        return true;
      });
    });
  }

  for (const address of ["host:0", "host:65536", "host:99999", "host:080"]) {
    it(`refuses the port of ${address}`, () => assert.throws(() => parseAddress(address), RangeError));
  }

  it("refuses anything but a string", () => {
    for (const value of [undefined, null, 8000, {}, ["a:1"]]) {
      assert.throws(() => parseAddress(value as unknown as string), TypeError);
    }
  });

  it("never gives a host that could mean another place in a URL", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.webUrl(), fc.ipV6().map((ip) => `[${ip}]:80`)), (address) => {
        let parsed;
        try {
          parsed = parseAddress(address);
        } catch (error) {
          assert.ok(error instanceof TypeError || error instanceof RangeError);
          return;
        }
        const url = new URL(`http://${address}/p`);
        assert.equal(Number(url.port || 80), parsed.port);
        assert.equal(url.pathname + url.username + url.search + url.hash, "/p");
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("addresses", () => {
  it("knows the hosts that mean every interface", () => {
    for (const host of ["0.0.0.0", "::", "0:0:0:0:0:0:0:0", "0", "::0", "::%lo"]) {
      assert.equal(isWildcardHost(host), true, host);
    }
    for (const host of ["127.0.0.1", "::1", "localhost", "10.0.0.0", "zero"]) assert.equal(isWildcardHost(host), false);
  });

  it("takes Unix sockets from the program itself", () => {
    assert.equal(unixPath("unix:/run/a.sock"), "/run/a.sock");
    assert.equal(unixPath("unix:"), undefined);
    checkEndpointAddress("unix:/run/a.sock");
    assert.throws(() => checkEndpointAddress("unix:"), TypeError);
  });

  it("distinguishes endpoints by address, secure and authority only", () => {
    assert.equal(endpointIdentity({ address: "a:1", weight: 1 }), endpointIdentity({ address: "a:1", zone: "z" }));
    assert.notEqual(endpointIdentity({ address: "a:1" }), endpointIdentity({ address: "a:1", secure: true }));
    assert.notEqual(endpointIdentity({ address: "a:1" }), endpointIdentity({ address: "a:1", authority: "x" }));
  });
});
