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
  { name: "core", holds: "core: `createBalancedTransport`", ownBytes: 30_900, allBytes: 38_300 },
  { name: "pull", holds: "`createPullTransport` in its place", ownBytes: 29_000, allBytes: 36_600 },
  { name: "fetch", holds: "core, `fetchConnector`", ownBytes: 36_600, allBytes: 57_600 },
  { name: "node", holds: "core, `grpcConnector`", ownBytes: 64_800, allBytes: 93_100 },
  { name: "etcd", holds: "core, `grpcConnector`, `createEtcdRegistry`", ownBytes: 83_400, allBytes: 111_600 },
  {
    name: "gateway",
    holds: "core, `fetchConnector`, `createGatewayRegistry`",
    ownBytes: 54_000,
    allBytes: 75_000,
  },
  {
    name: "worker",
    holds: "what a Worker needs: `createWorkerTransport`, `createWorkerEtcdRegistry`",
    ownBytes: 68_100,
    allBytes: 87_500,
  },
  {
    name: "object",
    holds: "a Durable Object: `createBalancerObject`, `createObjectEtcdRegistry`, `objectTransport`",
    ownBytes: 85_200,
    allBytes: 106_600,
  },
];
