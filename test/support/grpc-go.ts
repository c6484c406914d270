// Programs on grpc-go, from this repository's own sources, with the code that Protobuf's and gRPC's plugins for Go make of
// the demo service.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { builtWithGo } from "./go.ts";
import { executable, root } from "./process.ts";

export const GRPC_GO_VERSION = "v1.84.0";
const MODULES = [
  `google.golang.org/grpc@${GRPC_GO_VERSION}`,
  "google.golang.org/protobuf@v1.36.12",
  "google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2",
];
const PLUGINS = {
  "protoc-gen-go": "google.golang.org/protobuf/cmd/protoc-gen-go",
  "protoc-gen-go-grpc": "google.golang.org/grpc/cmd/protoc-gen-go-grpc",
};
/** Each program and where its source is. */
const PROGRAMS = {
  server: "bench/go/server",
  load: "bench/go/load",
  calls: "test/peers/clients/go",
  ordered: "test/peers/clients/go-ordered",
  channelz: "test/peers/clients/go-channelz",
  reporting: "test/peers/servers/go",
  loads: "test/peers/servers/go-loads",
  grpclb: "test/peers/servers/go-grpclb",
} as const;
export type GoProgram = keyof typeof PROGRAMS;

/**
 * The path of a program; builds all of them, which takes about a minute and then seconds, if one of their sources is new.
 *
 * @throws Error if there is no Go, or the build fails
 */
export function grpcGo(program: GoProgram): string {
  const folder = builtWithGo(`grpc-go-${sourcesHash()}`, (go, work) => {
    go("get", ...MODULES);
    for (const [name, path] of Object.entries(PLUGINS)) go("build", "-trimpath", "-o", `plugins/${name}`, path);
    const plugins = Object.keys(PLUGINS).map((name) => ({
      local: join(work, "plugins", name),
      out: join(work, "simple"),
      opt: ["paths=source_relative", "Msimple.proto=connectlb/simple"],
    }));
    const template = JSON.stringify({ version: "v2", plugins });
    const buf = join(root, "node_modules/@bufbuild/buf/bin/buf");
    execFileSync(executable("node"), [buf, "generate", "--template", template, "--path", "proto/simple.proto"], {
      cwd: root,
      stdio: ["ignore", "ignore", "inherit"],
    });
    for (const [name, source] of Object.entries(PROGRAMS)) {
      cpSync(join(root, source), join(work, name), { recursive: true });
      go("build", "-trimpath", "-o", `bin/${name}`, `./${name}`);
    }
  });
  return join(folder, program);
}

function sourcesHash(): string {
  const hash = createHash("sha256").update(JSON.stringify([MODULES, PLUGINS]));
  hash.update(readFileSync(join(root, "proto/simple.proto")));
  for (const source of Object.values(PROGRAMS)) {
    for (const file of readdirSync(join(root, source)).sort()) hash.update(readFileSync(join(root, source, file)));
  }
  return hash.digest("hex").slice(0, 16);
}
