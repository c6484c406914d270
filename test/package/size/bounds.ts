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
  { name: "core", holds: "core: `createBalancedTransport`", ownBytes: 29_800, allBytes: 37_200 },
  { name: "pull", holds: "`createPullTransport` in its place", ownBytes: 28_100, allBytes: 35_600 },
  { name: "fetch", holds: "core, `fetchConnector`", ownBytes: 35_500, allBytes: 56_300 },
  { name: "node", holds: "core, `grpcConnector`", ownBytes: 63_300, allBytes: 91_300 },
  { name: "etcd", holds: "core, `grpcConnector`, `createEtcdRegistry`", ownBytes: 81_100, allBytes: 109_000 },
  {
    name: "gateway",
    holds: "core, `fetchConnector`, `createGatewayRegistry`",
    ownBytes: 52_100,
    allBytes: 72_800,
  },
  {
    name: "worker",
    holds: "what a Worker needs: `createWorkerTransport`, `createWorkerEtcdRegistry`",
    ownBytes: 66_300,
    allBytes: 85_700,
  },
  {
    name: "object",
    holds: "a Durable Object: `createBalancerObject`, `createObjectEtcdRegistry`, `objectTransport`",
    ownBytes: 82_700,
    allBytes: 104_100,
  },
];
