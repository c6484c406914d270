import assert from "node:assert/strict";
import { it } from "node:test";
import { roundRobin } from "../../src/policy/round-robin.ts";
import { untrustedServiceConfig } from "../../src/service-config/untrusted.ts";
import { allBlocks } from "./blocks.ts";

it("docs/usage.md puts a valid service config under the key that its example reads", () => {
  const [example, command] = allBlocks().filter(({ name }) => {
    return name.startsWith("docs/usage.md: A service config in etcd, live");
  });
  const [, key, json] = /^etcdctl put (\S+) '([^']*)'\n$/.exec(command!.text)!;
  assert.ok(example!.text.includes(`registry.serviceConfig("${key}")`));
  const policy = roundRobin();
  assert.deepEqual(untrustedServiceConfig(json!, { policies: { round_robin: policy } }), {
    policy,
    config: { methods: { "proto.Simple": { timeoutMs: 500 } }, untrusted: true },
  });
});
