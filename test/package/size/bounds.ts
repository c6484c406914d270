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
  { name: "core", holds: "core: `createBalancedTransport`", ownBytes: 32_600, allBytes: 40_000 },
  { name: "pull", holds: "`createPullTransport` in its place", ownBytes: 30_500, allBytes: 38_200 },
  { name: "fetch", holds: "core, `fetchConnector`", ownBytes: 38_400, allBytes: 59_400 },
  { name: "node", holds: "core, `grpcConnector`", ownBytes: 67_400, allBytes: 95_700 },
  { name: "etcd", holds: "core, `grpcConnector`, `createEtcdRegistry`", ownBytes: 86_200, allBytes: 114_400 },
  { name: "consul", holds: "core, `grpcConnector`, `createConsulRegistry`", ownBytes: 71_400, allBytes: 99_500 },
  { name: "kubernetes", holds: "core, `grpcConnector`, `kubernetesResolver`", ownBytes: 70_300, allBytes: 98_700 },
  {
    name: "gateway",
    holds: "core, `fetchConnector`, `createGatewayRegistry`",
    ownBytes: 56_000,
    allBytes: 77_000,
  },
  {
    name: "worker",
    holds: "what a Worker needs: `createWorkerTransport`, `createWorkerEtcdRegistry`",
    ownBytes: 70_300,
    allBytes: 89_600,
  },
  {
    name: "object",
    holds: "a Durable Object: `createBalancerObject`, `createObjectEtcdRegistry`, `objectTransport`",
    ownBytes: 87_800,
    allBytes: 109_200,
  },
  { name: "look-aside", holds: "core, `grpcConnector`, `lookAsideResolver`", ownBytes: 68_100, allBytes: 97_500 },
  {
    name: "page",
    holds: "`observe`: the live page, with its script and style",
    ownBytes: 20_400,
    allBytes: 26_400,
  },
];
