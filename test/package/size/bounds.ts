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
  { name: "core", holds: "core: `createBalancedTransport`", ownBytes: 32_200, allBytes: 39_600 },
  { name: "pull", holds: "`createPullTransport` in its place", ownBytes: 30_300, allBytes: 37_900 },
  { name: "fetch", holds: "core, `fetchConnector`", ownBytes: 37_900, allBytes: 58_900 },
  { name: "node", holds: "core, `grpcConnector`", ownBytes: 66_500, allBytes: 94_800 },
  { name: "etcd", holds: "core, `grpcConnector`, `createEtcdRegistry`", ownBytes: 85_300, allBytes: 113_400 },
  { name: "consul", holds: "core, `grpcConnector`, `createConsulRegistry`", ownBytes: 70_500, allBytes: 98_600 },
  { name: "kubernetes", holds: "core, `grpcConnector`, `kubernetesResolver`", ownBytes: 69_600, allBytes: 97_900 },
  {
    name: "gateway",
    holds: "core, `fetchConnector`, `createGatewayRegistry`",
    ownBytes: 55_500,
    allBytes: 76_500,
  },
  {
    name: "worker",
    holds: "what a Worker needs: `createWorkerTransport`, `createWorkerEtcdRegistry`",
    ownBytes: 69_600,
    allBytes: 88_900,
  },
  {
    name: "object",
    holds: "a Durable Object: `createBalancerObject`, `createObjectEtcdRegistry`, `objectTransport`",
    ownBytes: 86_900,
    allBytes: 108_300,
  },
  { name: "look-aside", holds: "core, `grpcConnector`, `lookAsideResolver`", ownBytes: 67_400, allBytes: 96_800 },
  {
    name: "page",
    holds: "`observe`: the live page, with its script and style",
    ownBytes: 20_400,
    allBytes: 26_400,
  },
];
