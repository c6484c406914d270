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
  { name: "core", holds: "core: `createBalancedTransport`", ownBytes: 23_500, allBytes: 31_100 },
  { name: "pull", holds: "`createPullTransport` in its place", ownBytes: 21_900, allBytes: 29_700 },
  { name: "fetch", holds: "core, `fetchConnector`", ownBytes: 29_100, allBytes: 50_200 },
  { name: "node", holds: "core, `grpcConnector`", ownBytes: 56_600, allBytes: 84_700 },
  { name: "etcd", holds: "core, `grpcConnector`, `createEtcdRegistry`", ownBytes: 74_300, allBytes: 102_400 },
  {
    name: "gateway",
    holds: "core, `fetchConnector`, `createGatewayRegistry`",
    ownBytes: 45_700,
    allBytes: 66_900,
  },
  {
    name: "worker",
    holds: "what a Worker needs: `createWorkerTransport`, `createWorkerEtcdRegistry`",
    ownBytes: 60_100,
    allBytes: 79_700,
  },
  {
    name: "object",
    holds: "a Durable Object: `createBalancerObject`, `createObjectEtcdRegistry`, `objectTransport`",
    ownBytes: 76_500,
    allBytes: 98_100,
  },
];
