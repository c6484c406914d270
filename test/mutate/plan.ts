// What `npm run mutate` changes, and which tests have to notice. A folder's own tests run first; only what survives them
// runs against the others, which take longer.
import { globSync } from "node:fs";

export interface Part {
  /** Source files, relative to the project's root. */
  readonly sources: readonly string[];
  /** The test files of the folder itself. */
  readonly near: readonly string[];
  /** Those of the folders that use it. */
  readonly far: readonly string[];
}

/** Tests of etcd on a scripted one, in its own process and by the test's clock: the quickest. */
const SCRIPTED = [
  "attempts",
  "authentication",
  "authentication-queue",
  "client",
  "config-key",
  "connect-driver",
  "connect-session",
  "connection-losses",
  "endpoint-probes",
  "endpoints",
  "entries",
  "etcd3-driver",
  "etcd3-session",
  "failure",
  "gateway-messages",
  "gateway-sessions",
  "key-looks",
  "key-watch",
  "leased-key",
  "life-signs",
  "list-services",
  "message-queue",
  "options",
  "pace",
  "position",
  "probes",
  "registration",
  "registration-rounds",
  "registry",
  "renew",
  "request-timeout",
  "service-watch",
  "session-backoff",
  "sessions",
  "snapshot",
  "tokens",
  "waiters",
  "watch-liveness",
  "watch-stream",
  "watch-streams",
].map((name) => `test/etcd/${name}.test.ts`).concat("test/registry/options.test.ts");
/** The others of etcd that end within seconds. */
const DRIVERS = [
  "test/etcd/one-shot.test.ts",
  "test/etcd/driver*.test.ts",
  "test/etcd/etcd3.test.ts",
  "test/etcd/gateway*.test.ts",
  "test/etcd/service-config.test.ts",
];
const CALLS = ["test/call/*.test.ts", "test/connection/*.test.ts"];
/** Those of everything between a transport and its connections. */
const BALANCING = ["balancer", "health", "policy", "transport"].map((folder) => `test/${folder}/*.test.ts`);

const PARTS: Readonly<Record<string, { sources: string[]; near: string[]; far: string[] }>> = {
  resolver: { sources: ["src/resolver/*.ts"], near: ["test/resolver/*.test.ts"], far: ["test/call/*.test.ts"] },
  connection: {
    sources: ["src/connection/*.ts"],
    near: CALLS,
    far: ["test/health/*.test.ts", "test/policy/*.test.ts", "test/node/*.test.ts"],
  },
  call: {
    sources: ["src/call/*.ts"],
    near: [...CALLS, ...BALANCING],
    far: [
      "test/grpc/*.test.ts",
      "test/node/*.test.ts",
      "test/observe/otel/metered-call.test.ts",
      "test/service-config/untrusted.test.ts",
    ],
  },
  recorder: {
    sources: ["src/observe/*.ts", "src/observe/recorder/*.ts", "src/shown-text.ts"],
    near: ["test/observe/recorder/*.test.ts", "test/shown-text.test.ts"],
    far: ["test/call/call-observer.test.ts", "test/node/call-observer.test.ts"],
  },
  otel: { sources: ["src/observe/otel/*.ts"], near: ["test/observe/otel/*.test.ts"], far: [] },
  balancer: {
    sources: ["src/balancer/*.ts", "src/health/*.ts", "src/transport/*.ts"],
    near: [...CALLS, ...BALANCING],
    far: ["test/grpc/*.test.ts", "test/node/*.test.ts"],
  },
  policy: {
    sources: ["src/policy/*.ts", "src/hash/*.ts"],
    near: ["test/policy/*.test.ts", "test/hash/*.test.ts"],
    far: CALLS,
  },
  "service-config": {
    sources: ["src/service-config/*.ts"],
    near: ["test/service-config/*.test.ts"],
    far: CALLS,
  },
  registry: {
    sources: ["src/registry/**/*.ts"],
    near: ["test/registry/*.test.ts", "test/etcd/renew.test.ts"],
    far: [...SCRIPTED, ...DRIVERS],
  },
  etcd: { sources: ["src/etcd/**/*.ts"], near: SCRIPTED, far: DRIVERS },
  "http2-server": {
    sources: ["src/http2/server/*.ts"],
    near: ["test/http2/server/*.test.ts"],
    far: ["test/grpc/server/*.test.ts", "test/server/*.test.ts"],
  },
  "grpc-server": {
    sources: ["src/grpc/server/*.ts"],
    near: ["test/grpc/server/*.test.ts"],
    far: ["test/server/*.test.ts"],
  },
  server: { sources: ["src/server/*.ts"], near: ["test/server/*.test.ts"], far: ["test/grpc/server/*.test.ts"] },
};

/**
 * Test files whose programs run the code in another process, so that it isn't seen what they reach: they run for each fault
 * that the others let pass.
 */
export const programs: readonly string[] = [
  "test/call/abandon.test.ts",
  "test/etcd/driver-exit.test.ts",
  "test/node/socket-errors.test.ts",
];

/** The names of the parts, as they are given on the command line. */
export const partNames: readonly string[] = Object.keys(PARTS);

/** The files of a part, as they are now. */
export function partOf(name: string): Part {
  const part = PARTS[name];
  if (part === undefined) throw new Error(`no part "${name}": expected one of ${partNames.join(", ")}`);
  const files = (patterns: string[]) => patterns.flatMap((pattern) => globSync(pattern)).toSorted();
  return { sources: files(part.sources), near: files(part.near), far: files(part.far) };
}
