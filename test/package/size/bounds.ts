// How large a bundle of each file in `entries/` may be.

/** What is bundled, and how large it may be: esbuild, minified, `gzip -9`. */
export interface Entry {
  /** Its file in `entries/`. */
  readonly name: string;
  /** What it holds, for the table. */
  readonly holds: string;
  /** With the peer packages left to the user's bundle, in bytes. */
  readonly ownBytes: number;
  /** With everything in it, in bytes. */
  readonly allBytes: number;
}

/** A bound is raised only on purpose, in a commit that says what the bytes are for. */
export const ENTRIES: readonly Entry[] = [
  { name: "core", holds: "core: `createBalancedTransport`", ownBytes: 20_300, allBytes: 28_000 },
  { name: "pull", holds: "`createPullTransport` in its place", ownBytes: 19_000, allBytes: 26_800 },
  { name: "fetch", holds: "core, `fetchConnector`", ownBytes: 26_000, allBytes: 47_000 },
  { name: "node", holds: "core, `grpcConnector`", ownBytes: 51_600, allBytes: 80_000 },
  { name: "etcd", holds: "core, `grpcConnector`, `createEtcdRegistry`", ownBytes: 69_700, allBytes: 99_200 },
  {
    name: "gateway",
    holds: "core, `fetchConnector`, `createGatewayRegistry`",
    ownBytes: 42_500,
    allBytes: 63_500,
  },
  {
    name: "worker",
    holds: "what a Worker needs: `createWorkerTransport`, `createWorkerEtcdRegistry`",
    ownBytes: 65_300,
    allBytes: 85_800,
  },
  {
    name: "object",
    holds: "a Durable Object: `createBalancerObject`, `createObjectEtcdRegistry`, `objectTransport`",
    ownBytes: 72_200,
    allBytes: 95_500,
  },
];
