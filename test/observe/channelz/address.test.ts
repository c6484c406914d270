import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { addressMessage } from "../../../src/observe/channelz/address.ts";

const bytesOf = (address: string) => {
  const { address: message } = addressMessage(address);
  assert.equal(message?.case, "tcpipAddress");
  const { ipAddress, port } = message!.value as { ipAddress: Uint8Array; port: number };
  return [Buffer.from(ipAddress).toString("hex"), port];
};

describe("an address in channelz", () => {
  it("has four bytes for IPv4, and sixteen for IPv6", () => {
    assert.deepEqual(bytesOf("10.0.0.255:8000"), ["0a0000ff", 8_000]);
    assert.deepEqual(bytesOf("[::1]:80"), [`${"0".repeat(31)}1`, 80]);
    assert.deepEqual(bytesOf("[::]:65535"), ["0".repeat(32), 65_535]);
    assert.deepEqual(bytesOf("[2001:db8::1:0:ff]:1"), ["20010db800000000000000010000" + "00ff", 1]);
    assert.deepEqual(bytesOf("[1:2:3:4:5:6:7:8]:1"), ["00010002000300040005000600070008", 1]);
    assert.deepEqual(bytesOf("[::ffff:127.0.0.1]:1"), ["00000000000000000000ffff7f000001", 1]);
    assert.deepEqual(bytesOf("[fe80::1%eth0]:1"), ["fe800000000000000000000000000001", 1]);
  });

  it("has the path of a Unix domain socket", () => {
    assert.deepEqual(addressMessage("unix:/run/app.sock"), {
      address: { case: "udsAddress", value: { filename: "/run/app.sock" } },
    });
  });

  it("is a name if it is anything else, cut and escaped", () => {
    const named = (name: string) => ({ address: { case: "otherAddress", value: { name } } });
    assert.deepEqual(addressMessage(undefined), named("unknown"));
    for (const name of ["localhost:80", "256.0.0.1:80", "1.2.3:4", "[zz]:80", "10.0.0.1", ""]) {
      assert.deepEqual(addressMessage(name), named(name));
    }
    assert.deepEqual(addressMessage("a\n:80"), named("a\\u000a:80"));
  });
});
