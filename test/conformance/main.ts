// `npm run test:conformance`: Connect's own conformance suite against this library's gRPC client, against
// `fetchConnector`, and against its server, on Node, Bun and Deno.
// The suite is a Go program; it is built from the Go module proxy into .tmp/ and needs `go` on the PATH.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { root } from "../support/process.ts";

const VERSION = "v1.0.7";
const MODULE = "connectrpc.com/conformance";

const HELP = `npm run test:conformance -- [node] [bun] [deno] [--suite NAME] [--run PATTERN]

  --suite NAME   grpc, fetch or server; default: all
  --run PATTERN  only the cases that match

Runs Connect's conformance suite ${VERSION} on each runtime: the client's gRPC over HTTP/2 (all kinds of calls, with and without
TLS), its Connect and gRPC-Web over fetch, then the server's three protocols. Takes about five minutes after the suite is
built, and needs Go.`;

const RUNTIMES: Readonly<Record<string, readonly string[]>> = {
  node: ["node", "--no-warnings"],
  bun: ["bun", "run"],
  deno: ["deno", "run", "-A", "--no-check"],
};

/** What the gRPC client can do; the suite leaves out the rest. Brotli is connect-node's, and off on Deno. */
const grpc = (runtime: string) =>
  `features:
  versions: [HTTP_VERSION_2]
  protocols: [PROTOCOL_GRPC]
  codecs: [CODEC_PROTO, CODEC_JSON]
  compressions: [COMPRESSION_IDENTITY, COMPRESSION_GZIP, COMPRESSION_DEFLATE${
    runtime === "deno" ? "" : ", COMPRESSION_BR"
  }]
  supports_h2c: true
  supports_tls: true
  supports_tls_client_certs: true
  supports_trailers: true
  supports_message_receive_limit: true
`;

/** What `fetchConnector` can do over HTTP/1.1. */
const overFetch = () =>
  `features:
  versions: [HTTP_VERSION_1]
  protocols: [PROTOCOL_CONNECT, PROTOCOL_GRPC_WEB]
  codecs: [CODEC_PROTO, CODEC_JSON]
  compressions: [COMPRESSION_IDENTITY, COMPRESSION_GZIP]
  stream_types: [STREAM_TYPE_UNARY, STREAM_TYPE_CLIENT_STREAM, STREAM_TYPE_SERVER_STREAM]
  supports_h2c: false
  supports_tls: false
  supports_trailers: false
  supports_connect_get: true
  supports_message_receive_limit: true
`;

/** What the server can do. */
const served = () =>
  `features:
  versions: [HTTP_VERSION_1, HTTP_VERSION_2]
  protocols: [PROTOCOL_CONNECT, PROTOCOL_GRPC, PROTOCOL_GRPC_WEB]
  codecs: [CODEC_PROTO, CODEC_JSON]
  compressions: [COMPRESSION_IDENTITY, COMPRESSION_GZIP, COMPRESSION_DEFLATE]
  supports_h2c: true
  supports_tls: true
  supports_tls_client_certs: true
  supports_trailers: true
  supports_connect_get: true
  supports_message_receive_limit: true
`;

const args = process.argv.slice(2);
if (args.includes("--help")) {
  console.log(HELP);
  process.exit(0);
}
const pattern = args.includes("--run") ? args.splice(args.indexOf("--run"), 2)[1] : undefined;
const suite = args.includes("--suite") ? args.splice(args.indexOf("--suite"), 2)[1] : undefined;
const runtimes = args.length > 0 ? args : Object.keys(RUNTIMES);
const all = [[grpc, "client", "grpc"], [overFetch, "client", "fetch"], [served, "server", "server"]] as const;
const suites = all.filter(([, , title]) => suite === undefined || suite === title);
if (suites.length === 0 || runtimes.some((name) => RUNTIMES[name] === undefined)) {
  console.error(HELP);
  process.exit(2);
}
if (spawnSync("go", ["version"]).status !== 0) {
  console.error("The conformance suite is a Go program: put Go 1.25 or newer on the PATH.");
  process.exit(1);
}

const folder = join(root, ".tmp/conformance");
const [runner, descriptors, config] = ["connectconformance", "suite.binpb", "config.yaml"]
  .map((name) => join(folder, name)) as [string, string, string];
mkdirSync(folder, { recursive: true });
if (!existsSync(runner)) {
  console.log(`builds the suite ${VERSION} (once, about a minute) …`);
  const env = { ...process.env, GOBIN: folder, GOFLAGS: "-mod=mod" };
  execFileSync("go", ["install", `${MODULE}/cmd/connectconformance@${VERSION}`], { env, stdio: "inherit" });
}
const { Dir } = JSON.parse(
  execFileSync("go", ["mod", "download", "-json", `${MODULE}@${VERSION}`], { encoding: "utf8" }),
) as { Dir: string };
execFileSync("buf", ["build", join(Dir, "proto"), "-o", descriptors], { cwd: root, stdio: "inherit" });

let failed = 0;
for (
  const [name, [configFor, mode, title]] of runtimes.flatMap((name) => suites.map((suite) => [name, suite] as const))
) {
  console.log(`\n── ${name}: ${title}`);
  writeFileSync(config, configFor(name));
  const program = [...RUNTIMES[name]!, join(root, `test/conformance/${mode}.ts`), descriptors];
  const chosen = pattern === undefined ? [] : ["--run", pattern];
  const known = ["--known-failing", `@${join(root, "test/conformance/known-failing.txt")}`];
  const { status } = spawnSync(runner, ["--mode", mode, "--conf", config, ...known, ...chosen, "--", ...program], {
    cwd: root,
    stdio: "inherit",
  });
  if (status !== 0) failed++;
}
process.exitCode = failed === 0 ? 0 : 1;
