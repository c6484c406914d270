import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseEtcdEndpoints, parseGatewayEndpoint } from "../../src/etcd/endpoints.ts";

/** What is wrong with them, up to what is expected. */
function refusal(endpoints: unknown, parse?: typeof parseGatewayEndpoint): string {
  try {
    parseEtcdEndpoints(endpoints, parse);
  } catch (error) {
    assert.ok(error instanceof Error);
    const [, said] = /^(.*): expected (?:an array with )?a URL such as "http:\/\/127\.0\.0\.1:2379" or .*$/s
      .exec(error.message) ?? [];
    assert.ok(said !== undefined, error.message);
    return `${error.name}: ${said}`;
  }
  return assert.fail("it was accepted");
}

describe("the endpoints of etcd", () => {
  it("are URLs or host:port, each once; without a scheme it is not said whether they use TLS", () => {
    const endpoints = ["http://a:1", "https://a:1/", "a:1", "HTTPS://[::1]:2379", "HTTP://a:1", "a:1/"];
    assert.deepEqual(parseEtcdEndpoints(endpoints), [
      { address: "a:1", secure: false },
      { address: "a:1", secure: true },
      { address: "a:1" },
      { address: "[::1]:2379", secure: true },
    ]);
  });

  it("have the zone of an address escaped in a URL, and not without one", () => {
    const endpoints = ["http://[fe80::1%25eth0]:1", "[fe80::1%eth0]:1", "[fe80::1%25eth0]:1"];
    assert.deepEqual(parseEtcdEndpoints(endpoints).map(({ address }) => address), [
      "[fe80::1%eth0]:1",
      "[fe80::1%eth0]:1",
      "[fe80::1%25eth0]:1",
    ]);
  });

  it("are refused with what is wrong", () => {
    assert.equal(refusal([]), "TypeError: option endpoints is an empty array");
    assert.equal(refusal("a:1"), 'TypeError: option endpoints is "a:1"');
    assert.equal(refusal(undefined), "TypeError: option endpoints is undefined");
    assert.equal(refusal([5]), "TypeError: etcd endpoint 5 is not a string");
    assert.equal(refusal(["ftp://a:1"]), 'TypeError: etcd endpoint "ftp://a:1" has the scheme "ftp"');
    assert.match(refusal(["a:99999"]), /^RangeError: etcd endpoint "a:99999": /);
    assert.match(refusal(["http://a:1/v3"]), /^TypeError: etcd endpoint "http:\/\/a:1\/v3": /);
  });
});

describe("the endpoints of etcd's JSON gateway", () => {
  it("may have their scheme's port, and a path, which is part of the address", () => {
    const endpoints = [
      "http://a",
      "https://a/",
      "https://a:8443/etcd/v3/",
      "HTTP://[::1]/x",
      "http://a:2379",
      "a:2379",
    ];
    assert.deepEqual(parseEtcdEndpoints(endpoints, parseGatewayEndpoint), [
      { address: "a:80", secure: false },
      { address: "a:443", secure: true },
      { address: "a:8443/etcd/v3", secure: true },
      { address: "[::1]:80/x", secure: false },
      { address: "a:2379", secure: false },
      { address: "a:2379" },
    ]);
  });

  it("are refused with what is wrong", () => {
    const refused = (endpoint: unknown) => refusal([endpoint], parseGatewayEndpoint);
    assert.equal(refused(5), "TypeError: etcd endpoint 5 is not a string");
    assert.equal(refused(new URL("http://a:1")), "TypeError: etcd endpoint an object (URL) is not a string");
    assert.equal(refused("ftp://a/x"), 'TypeError: etcd endpoint "ftp://a/x" has the scheme "ftp"');
    for (const endpoint of ["http://a/x?y", "http://a/x#y", "http://a:99999/x", "http://", "a"]) {
      assert.ok(refused(endpoint).includes(`etcd endpoint "${endpoint}"`), refused(endpoint));
    }
    assert.match(refused("http://u@a/x"), /^TypeError: etcd endpoint "http:\/\/u@a:80": /);
  });
});
