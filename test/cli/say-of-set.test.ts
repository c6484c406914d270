import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sayOfSet } from "../../src/cli/say-of-set.ts";
import type { WatchSnapshot } from "../../src/etcd.ts";

function said(...watches: readonly WatchSnapshot[]): string {
  const lines: string[] = [], registry = { snapshot: () => ({ nowMs: 0, registrations: [], watches }) };
  const event = { type: "set-stale", service: "orders", cause: new Error("refused") } as const;
  sayOfSet({ say: (line) => void lines.push(line) }, registry, event);
  return lines.join("\n");
}

describe("what commands say of a service's set", () => {
  it("is that the last one stays in use while etcd can't be reached, if there was one", () => {
    const other = { service: "other", endpoints: 1, stale: undefined }, service = "orders";
    const kept = "etcd can't be reached, the last set stays in use: refused";
    assert.equal(said(other, { service, endpoints: 0, stale: undefined }), kept);
    const none = "etcd can't be reached, nothing is known of orders yet: refused";
    assert.equal(said(other, { service, endpoints: undefined, stale: undefined }), none);
    assert.equal(said(other), none);
  });
});
