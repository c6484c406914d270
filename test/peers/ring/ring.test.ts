// Whether a ring of ours is one of grpc-go's: their clients and ours must agree on who serves a key.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { ringHash } from "../../../src/policy/ring-hash.ts";
import { type FakeConnection, fakeConnection, fakeEnvironment } from "../../support/fake-connections.ts";
import { builtWithGo, hasGo } from "../../support/go.ts";
import { GRPC_GO_VERSION } from "../../support/grpc-go.ts";
import { root } from "../../support/process.ts";
import { keyed } from "../../support/simulation.ts";

const SOURCE = "test/peers/ring/main.go";
const KEYS = 1_000;

interface Ring {
  readonly minRingSize: number;
  readonly maxRingSize: number;
  readonly endpoints: readonly { readonly weight?: number; readonly key?: string }[];
}

/** What grpc-go picks for `key 0`, `key 1` and so on. */
function theirs(ring: Ring): { readonly addresses: readonly string[]; readonly picks: readonly number[] } {
  const hash = createHash("sha256").update(GRPC_GO_VERSION).update(readFileSync(join(root, SOURCE)));
  const folder = builtWithGo(`ring-${hash.digest("hex").slice(0, 16)}`, (go, work) => {
    go("get", `google.golang.org/grpc@${GRPC_GO_VERSION}`);
    cpSync(join(root, SOURCE), join(work, "ring/main.go"));
    go("build", "-trimpath", "-o", "bin/ring", "./ring");
  });
  const out = execFileSync(join(folder, "ring"), [JSON.stringify({ keys: KEYS, ...ring })], { timeout: 120_000 });
  return JSON.parse(out.toString());
}

/** What we pick, among the same addresses. */
function ours({ minRingSize, maxRingSize, endpoints }: Ring, addresses: readonly string[]): number[] {
  const connections = endpoints.map(({ weight, key }, i) =>
    fakeConnection({ address: addresses[i]!, metadata: key, ...weight !== undefined && { weight } })
  );
  const endpointKey = ({ metadata }: { metadata?: unknown }) => metadata as string | undefined;
  const sorted = connections.toSorted((a, b) => a.endpoint.address < b.endpoint.address ? -1 : 1);
  const picker = ringHash({ minRingSize, maxRingSize, endpointKey })(sorted, undefined, fakeEnvironment());
  return Array.from({ length: KEYS }, (_, i) => connections.indexOf(picker.pick(keyed(`key ${i}`)) as FakeConnection));
}

describe("ringHash and grpc-go's ring_hash", { skip: !hasGo() && "there is no Go to build its client with" }, () => {
  const rings: [string, Ring][] = [
    ["equal endpoints", { minRingSize: 1_024, maxRingSize: 4_096, endpoints: Array.from({ length: 7 }, () => ({})) }],
    ["weights", {
      minRingSize: 1_024,
      maxRingSize: 4_096,
      endpoints: [1, 2, 3, 5, 8, 13].map((weight) => ({ weight })),
    }],
    ["keys of the endpoints' own", {
      minRingSize: 100,
      maxRingSize: 4_096,
      endpoints: ["pod-2", "pod-0", "pod-1"].map((key) => ({ key })),
    }],
    ["a ring that is too small for the weights", {
      minRingSize: 10,
      maxRingSize: 33,
      endpoints: [7, 1, 30, 12].map((weight) => ({ weight })),
    }],
  ];
  for (const [what, ring] of rings) {
    it(`send each of ${KEYS} keys to the same endpoint, with ${what}`, () => {
      const { addresses, picks } = theirs(ring);
      assert.deepEqual(ours(ring, addresses), picks);
    });
  }
});
