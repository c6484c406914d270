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

/** Entry points that no program carries to its users: for Node alone beside a peer package, and for tests. */
export const NOT_MEASURED: readonly string[] = ["./etcd3", "./testing", "./package.json"];

/** A bound is raised only on purpose, in a commit that says what the bytes are for. */
export const ENTRIES: readonly Entry[] = [
  { name: "core", holds: "core: `createBalancedTransport`", ownBytes: 32_700, allBytes: 40_200 },
  { name: "pull", holds: "`createPullTransport` in its place", ownBytes: 30_700, allBytes: 38_400 },
  { name: "fetch", holds: "core, `fetchConnector`", ownBytes: 38_600, allBytes: 59_600 },
  { name: "node", holds: "core, `grpcConnector`", ownBytes: 68_000, allBytes: 96_200 },
  { name: "etcd", holds: "core, `grpcConnector`, `createEtcdRegistry`", ownBytes: 87_500, allBytes: 115_700 },
  { name: "consul", holds: "core, `grpcConnector`, `createConsulRegistry`", ownBytes: 71_900, allBytes: 100_000 },
  { name: "kubernetes", holds: "core, `grpcConnector`, `kubernetesResolver`", ownBytes: 70_900, allBytes: 99_200 },
  {
    name: "gateway",
    holds: "core, `fetchConnector`, `createGatewayRegistry`",
    ownBytes: 57_000,
    allBytes: 78_000,
  },
  {
    name: "worker",
    holds: "what a Worker needs: `createWorkerTransport`, `createWorkerEtcdRegistry`",
    ownBytes: 71_700,
    allBytes: 91_000,
  },
  {
    name: "object",
    holds: "a Durable Object: `createBalancerObject`, `createObjectEtcdRegistry`, `objectTransport`",
    ownBytes: 89_400,
    allBytes: 110_800,
  },
  { name: "look-aside", holds: "core, `grpcConnector`, `lookAsideResolver`", ownBytes: 68_600, allBytes: 98_100 },
  { name: "service-config", holds: "core, `withServiceConfig`", ownBytes: 35_000, allBytes: 42_600 },
  { name: "otel", holds: "core, `telemetry`", ownBytes: 39_200, allBytes: 46_700 },
  { name: "channelz", holds: "`createChannelz`", ownBytes: 8_200, allBytes: 27_400 },
  { name: "server", holds: "`createGrpcServer`, `shutdown`", ownBytes: 53_500, allBytes: 91_000 },
  { name: "server-fetch", holds: "`createFetchHandler`", ownBytes: 13_000, allBytes: 50_200 },
  { name: "proxy", holds: "core, `grpcConnector`, `createProxy`", ownBytes: 88_300, allBytes: 117_900 },
  {
    name: "page",
    holds: "`observe`: the live page, with its script and style",
    ownBytes: 20_400,
    allBytes: 26_400,
  },
];
