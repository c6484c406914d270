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
  { name: "core", holds: "core: `createBalancedTransport`", ownBytes: 30_800, allBytes: 38_200 },
  { name: "pull", holds: "`createPullTransport` in its place", ownBytes: 28_900, allBytes: 36_600 },
  { name: "fetch", holds: "core, `fetchConnector`", ownBytes: 36_500, allBytes: 57_500 },
  { name: "node", holds: "core, `grpcConnector`", ownBytes: 64_800, allBytes: 93_100 },
  { name: "etcd", holds: "core, `grpcConnector`, `createEtcdRegistry`", ownBytes: 82_700, allBytes: 110_900 },
  {
    name: "gateway",
    holds: "core, `fetchConnector`, `createGatewayRegistry`",
    ownBytes: 53_300,
    allBytes: 74_300,
  },
  {
    name: "worker",
    holds: "what a Worker needs: `createWorkerTransport`, `createWorkerEtcdRegistry`",
    ownBytes: 67_700,
    allBytes: 87_100,
  },
  {
    name: "object",
    holds: "a Durable Object: `createBalancerObject`, `createObjectEtcdRegistry`, `objectTransport`",
    ownBytes: 84_500,
    allBytes: 105_900,
  },
];
