import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { runtime, startScript } from "../support/process.ts";

const wrong: readonly [file: string, env: Record<string, string>, expected: RegExp][] = [
  ["server", { ADDRESS: "localhost" }, /^TypeError: ADDRESS="localhost": expected "host:port"/],
  ["server", { ADDRESS: "http://localhost:80" }, /^TypeError: ADDRESS="http:\/\/localhost:80": expected/],
  ["server", { ADDRESS: "localhost:65536" }, /^RangeError: ADDRESS="localhost:65536" has a port above 65535/],
  ["server", { ADDRESS: "0.0.0.0:0" }, /^TypeError: ADDRESS="0\.0\.0\.0:\d+": .*wildcard/],
  ["server", { SERVICE: "a/b" }, /^TypeError: SERVICE="a\/b": .*expected a name such as "simple_grpc"/],
  ["server", { ETCD_ENDPOINTS: "ftp://x:1" }, /^TypeError: ETCD_ENDPOINTS="ftp:\/\/x:1": .*expected a URL/],
  ["client", { ETCD_ENDPOINTS: "http://a:1,,b:2" }, /^TypeError: ETCD_ENDPOINTS="http:\/\/a:1,,b:2": /],
  ["client", { SERVICE: "two words" }, /^TypeError: SERVICE="two words": .*white space/],
  ["client", { CALLS: "many" }, /^TypeError: CALLS="many": expected a whole number from 0/],
  ["client", { CALLS: "-1" }, /^RangeError: CALLS="-1": expected a whole number from 0/],
  ["client", { INTERVAL_MS: "0.5" }, /^TypeError: INTERVAL_MS="0\.5": expected a whole number/],
  ["client", { INTERVAL_MS: "2147483648" }, /^RangeError: INTERVAL_MS="2147483648": expected .* to 2147483647/],
];

describe("the examples", () => {
  for (const [file, env, expected] of wrong) {
    it(`examples/${file}.ts with ${JSON.stringify(env)} exits with 2 and says why`, async (t) => {
      const child = startScript(runtime, `examples/${file}.ts`, [], { env: { ADDRESS: "127.0.0.1:0", ...env } });
      t.after(() => child.kill());
      assert.deepEqual(await child.exited, { code: 2, signal: null });
      assert.ok(child.lines.some((line) => expected.test(line)), child.lines.join("\n"));
    });
  }
});
