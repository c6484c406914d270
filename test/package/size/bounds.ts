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
  { name: "core", holds: "core: `createBalancedTransport`", ownBytes: 29_300, allBytes: 36_800 },
  { name: "pull", holds: "`createPullTransport` in its place", ownBytes: 27_500, allBytes: 35_100 },
  { name: "fetch", holds: "core, `fetchConnector`", ownBytes: 35_000, allBytes: 56_100 },
  { name: "node", holds: "core, `grpcConnector`", ownBytes: 62_800, allBytes: 91_000 },
  { name: "etcd", holds: "core, `grpcConnector`, `createEtcdRegistry`", ownBytes: 80_500, allBytes: 108_700 },
  {
    name: "gateway",
    holds: "core, `fetchConnector`, `createGatewayRegistry`",
    ownBytes: 51_600,
    allBytes: 72_600,
  },
  {
    name: "worker",
    holds: "what a Worker needs: `createWorkerTransport`, `createWorkerEtcdRegistry`",
    ownBytes: 65_700,
    allBytes: 85_100,
  },
  {
    name: "object",
    holds: "a Durable Object: `createBalancerObject`, `createObjectEtcdRegistry`, `objectTransport`",
    ownBytes: 82_200,
    allBytes: 103_600,
  },
];
