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
  { name: "core", holds: "core: `createBalancedTransport`", ownBytes: 28_200, allBytes: 35_600 },
  { name: "pull", holds: "`createPullTransport` in its place", ownBytes: 26_500, allBytes: 34_000 },
  { name: "fetch", holds: "core, `fetchConnector`", ownBytes: 33_900, allBytes: 54_800 },
  { name: "node", holds: "core, `grpcConnector`", ownBytes: 61_700, allBytes: 89_700 },
  { name: "etcd", holds: "core, `grpcConnector`, `createEtcdRegistry`", ownBytes: 79_500, allBytes: 107_400 },
  {
    name: "gateway",
    holds: "core, `fetchConnector`, `createGatewayRegistry`",
    ownBytes: 50_500,
    allBytes: 71_300,
  },
  {
    name: "worker",
    holds: "what a Worker needs: `createWorkerTransport`, `createWorkerEtcdRegistry`",
    ownBytes: 64_700,
    allBytes: 84_100,
  },
  {
    name: "object",
    holds: "a Durable Object: `createBalancerObject`, `createObjectEtcdRegistry`, `objectTransport`",
    ownBytes: 81_100,
    allBytes: 102_500,
  },
];
