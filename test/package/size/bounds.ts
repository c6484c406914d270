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
  { name: "core", holds: "core: `createBalancedTransport`", ownBytes: 20_500, allBytes: 28_100 },
  { name: "pull", holds: "`createPullTransport` in its place", ownBytes: 18_900, allBytes: 26_700 },
  { name: "fetch", holds: "core, `fetchConnector`", ownBytes: 26_100, allBytes: 47_200 },
  { name: "node", holds: "core, `grpcConnector`", ownBytes: 53_600, allBytes: 81_700 },
  { name: "etcd", holds: "core, `grpcConnector`, `createEtcdRegistry`", ownBytes: 71_300, allBytes: 99_400 },
  {
    name: "gateway",
    holds: "core, `fetchConnector`, `createGatewayRegistry`",
    ownBytes: 42_700,
    allBytes: 63_900,
  },
  {
    name: "worker",
    holds: "what a Worker needs: `createWorkerTransport`, `createWorkerEtcdRegistry`",
    ownBytes: 57_100,
    allBytes: 76_700,
  },
  {
    name: "object",
    holds: "a Durable Object: `createBalancerObject`, `createObjectEtcdRegistry`, `objectTransport`",
    ownBytes: 73_500,
    allBytes: 95_100,
  },
];
