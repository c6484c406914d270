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
  { name: "core", holds: "core: `createBalancedTransport`", ownBytes: 29_600, allBytes: 37_000 },
  { name: "pull", holds: "`createPullTransport` in its place", ownBytes: 27_900, allBytes: 35_400 },
  { name: "fetch", holds: "core, `fetchConnector`", ownBytes: 35_300, allBytes: 56_100 },
  { name: "node", holds: "core, `grpcConnector`", ownBytes: 63_100, allBytes: 91_100 },
  { name: "etcd", holds: "core, `grpcConnector`, `createEtcdRegistry`", ownBytes: 80_900, allBytes: 108_800 },
  {
    name: "gateway",
    holds: "core, `fetchConnector`, `createGatewayRegistry`",
    ownBytes: 51_900,
    allBytes: 72_600,
  },
  {
    name: "worker",
    holds: "what a Worker needs: `createWorkerTransport`, `createWorkerEtcdRegistry`",
    ownBytes: 66_100,
    allBytes: 85_500,
  },
  {
    name: "object",
    holds: "a Durable Object: `createBalancerObject`, `createObjectEtcdRegistry`, `objectTransport`",
    ownBytes: 82_500,
    allBytes: 103_900,
  },
];
