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
  { name: "core", holds: "core: `createBalancedTransport`", ownBytes: 32_800, allBytes: 40_300 },
  { name: "pull", holds: "`createPullTransport` in its place", ownBytes: 30_800, allBytes: 38_400 },
  { name: "fetch", holds: "core, `fetchConnector`", ownBytes: 38_700, allBytes: 59_700 },
  { name: "node", holds: "core, `grpcConnector`", ownBytes: 68_200, allBytes: 96_400 },
  { name: "etcd", holds: "core, `grpcConnector`, `createEtcdRegistry`", ownBytes: 87_700, allBytes: 115_900 },
  { name: "consul", holds: "core, `grpcConnector`, `createConsulRegistry`", ownBytes: 72_100, allBytes: 100_300 },
  { name: "kubernetes", holds: "core, `grpcConnector`, `kubernetesResolver`", ownBytes: 71_100, allBytes: 99_500 },
  {
    name: "gateway",
    holds: "core, `fetchConnector`, `createGatewayRegistry`",
    ownBytes: 57_200,
    allBytes: 78_200,
  },
  {
    name: "worker",
    holds: "what a Worker needs: `createWorkerTransport`, `createWorkerEtcdRegistry`",
    ownBytes: 72_000,
    allBytes: 91_200,
  },
  {
    name: "object",
    holds: "a Durable Object: `createBalancerObject`, `createObjectEtcdRegistry`, `objectTransport`",
    ownBytes: 89_600,
    allBytes: 110_900,
  },
  { name: "look-aside", holds: "core, `grpcConnector`, `lookAsideResolver`", ownBytes: 68_900, allBytes: 98_400 },
  { name: "service-config", holds: "core, `withServiceConfig`", ownBytes: 35_000, allBytes: 42_600 },
  { name: "otel", holds: "core, `telemetry`", ownBytes: 39_600, allBytes: 47_100 },
  { name: "channelz", holds: "`createChannelz`", ownBytes: 8_200, allBytes: 27_400 },
  { name: "server", holds: "`createGrpcServer`, `shutdown`", ownBytes: 53_500, allBytes: 91_000 },
  { name: "server-fetch", holds: "`createFetchHandler`", ownBytes: 13_000, allBytes: 50_200 },
  { name: "proxy", holds: "core, `grpcConnector`, `createProxy`", ownBytes: 88_500, allBytes: 118_100 },
  {
    name: "page",
    holds: "`observe`: the live page, with its script and style",
    ownBytes: 20_400,
    allBytes: 26_400,
  },
];
