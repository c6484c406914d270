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
  { name: "core", holds: "core: `createBalancedTransport`", ownBytes: 23_000, allBytes: 30_600 },
  { name: "pull", holds: "`createPullTransport` in its place", ownBytes: 21_400, allBytes: 29_200 },
  { name: "fetch", holds: "core, `fetchConnector`", ownBytes: 28_600, allBytes: 49_700 },
  { name: "node", holds: "core, `grpcConnector`", ownBytes: 56_100, allBytes: 84_200 },
  { name: "etcd", holds: "core, `grpcConnector`, `createEtcdRegistry`", ownBytes: 73_800, allBytes: 101_900 },
  {
    name: "gateway",
    holds: "core, `fetchConnector`, `createGatewayRegistry`",
    ownBytes: 45_200,
    allBytes: 66_400,
  },
  {
    name: "worker",
    holds: "what a Worker needs: `createWorkerTransport`, `createWorkerEtcdRegistry`",
    ownBytes: 59_600,
    allBytes: 79_200,
  },
  {
    name: "object",
    holds: "a Durable Object: `createBalancerObject`, `createObjectEtcdRegistry`, `objectTransport`",
    ownBytes: 76_000,
    allBytes: 97_600,
  },
];
