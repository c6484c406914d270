import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const files = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  .map((name) => join("src", name).replaceAll("\\", "/"))
  .filter((name) => name.endsWith(".ts"));

/** What a file imports: paths inside the project, or package names. Type imports are marked. */
function importsOf(file: string): { from: string; type: boolean }[] {
  const text = readFileSync(join(root, file), "utf8");
  return [
    ...text.matchAll(/^\s*(?:import|export)\s+(type\s+)?[^;"']*?from\s+["']([^"']+)["']|import\(["']([^"']+)["']\)/gm),
  ]
    .map(([, type, from, dynamic]) => {
      const name = (from ?? dynamic)!;
      const path = name.startsWith(".")
        ? relative(root, resolve(root, dirname(file), name)).replaceAll("\\", "/")
        : name;
      return { from: path, type: type !== undefined };
    });
}

/** The layers, lowest first: a folder may import from itself and from those before it. `docs/architecture.md` has the why. */
const LAYERS = [
  ["src/time", "src/option.ts"],
  ["src/endpoint.ts", "src/connectivity.ts", "src/listener.ts", "src/error-text.ts", "src/raw-method.ts"],
  ["src/resolver"],
  ["src/connection"],
  ["src/policy"],
  ["src/health"],
  ["src/balancer"],
  ["src/call"],
  ["src/transport"],
];

/** The other branches, and which of the folders each may import from. */
const BRANCHES: Record<string, readonly string[]> = {
  "src/registry": ["src/time", "src/option.ts", "src/endpoint.ts", "src/listener.ts", "src/resolver"],
  "src/etcd": ["src/time", "src/option.ts", "src/endpoint.ts", "src/listener.ts", "src/resolver", "src/registry"],
  "src/etcd/driver": ["src/time", "src/endpoint.ts"],
  "src/etcd/driver/connect": ["src/time", "src/endpoint.ts", "src/connection", "src/etcd/driver", "gen/etcd"],
  "src/etcd/driver/etcd3": ["src/time", "src/option.ts", "src/endpoint.ts", "src/etcd/driver"],
  "src/etcd/client": ["src/time", "src/endpoint.ts", "src/etcd/driver"],
  "src/etcd/registration": ["src/time", "src/listener.ts", "src/registry", "src/etcd/client", "src/etcd/driver"],
  "src/etcd/watch": [
    "src/time",
    "src/endpoint.ts",
    "src/listener.ts",
    "src/resolver",
    "src/registry",
    "src/etcd/client",
    "src/etcd/driver",
  ],
  "src/memory-etcd": ["src/time", "src/option.ts", "gen/etcd"],
  "src/http2/wire": [],
  "src/http2": ["src/time", "src/option.ts", "src/http2/wire"],
  "src/http2/client": ["src/time", "src/option.ts", "src/http2", "src/http2/wire"],
  "src/grpc": ["src/http2/wire", "src/raw-method.ts"],
  "src/grpc/client": ["src/time", "src/option.ts", "src/raw-method.ts", "src/connection", "src/grpc", "src/http2"],
  "src/node/dns": ["src/time", "src/option.ts", "src/endpoint.ts", "src/resolver"],
  "src/node": [
    "src/time",
    "src/option.ts",
    "src/endpoint.ts",
    "src/listener.ts",
    "src/resolver",
    "src/connection",
    "src/http2",
    "src/grpc",
  ],
};

/** Where `node:` and connect-node may stand: the folder for Node, Bun and Deno. */
const isNodeOnly = (name: string) => name.startsWith("node:") || name === "@connectrpc/connect-node";

/** The deepest row that a file belongs to. */
function folderOf(file: string): string {
  let folder = file;
  while (dirname(folder) !== "src" && BRANCHES[folder] === undefined) folder = dirname(folder);
  return folder;
}

describe("the layers of src", () => {
  it("has files", () => assert.ok(files.length > 20));

  it("import node: and connect-node in src/node alone", () => {
    for (const file of files) {
      if (file.startsWith("src/node/")) continue;
      for (const { from } of importsOf(file)) assert.ok(!isNodeOnly(from), `${file} imports ${from}`);
    }
  });

  it("are joined with src/node by the entry points for Node, Bun and Deno alone", () => {
    const entries = ["src/node.ts", "src/etcd.ts", "src/etcd3.ts", "src/testing.ts"];
    for (const file of files) {
      if (file.startsWith("src/node/") || entries.includes(file)) continue;
      for (const { from } of importsOf(file)) assert.ok(!from.startsWith("src/node"), `${file} imports ${from}`);
    }
  });

  it("never import what stands above them", () => {
    for (const file of files) {
      const folder = folderOf(file);
      const layer = LAYERS.findIndex((names) => names.includes(folder));
      const allowed = layer >= 0 ? LAYERS.slice(0, layer + 1).flat() : BRANCHES[folder];
      if (allowed === undefined) continue;
      for (const { from } of importsOf(file)) {
        if (!from.startsWith("src/") && !from.startsWith("gen/")) continue;
        const ok: boolean = from.startsWith(`${folder}/`) || from === folder ||
          allowed.some((name) => from === name || from.startsWith(`${name}/`));
        assert.ok(ok, `${file} imports ${from}`);
      }
    }
  });

  it("let a call see nothing of a balancer but its interface and the wait", () => {
    const allowed = ["src/balancer/picker-source.ts", "src/balancer/wait.ts"];
    for (const file of files.filter((name) => name.startsWith("src/call/"))) {
      for (const { from } of importsOf(file)) {
        if (from.startsWith("src/balancer/")) assert.ok(allowed.includes(from), `${file} imports ${from}`);
      }
    }
  });

  it("import as packages only the peers", () => {
    for (const file of files) {
      for (const { from } of importsOf(file)) {
        if (from.startsWith("src/") || from.startsWith("gen/") || isNodeOnly(from)) continue;
        assert.match(from, /^(@bufbuild\/protobuf|@connectrpc\/connect|etcd3)(\/|$)/, file);
      }
    }
  });

  it("are all named in docs/architecture.md", () => {
    const text = readFileSync(join(root, "docs/architecture.md"), "utf8");
    const folders = new Set(files.map((file) => dirname(file)).filter((folder) => folder !== "src"));
    for (const folder of folders) assert.ok(text.includes(`\`${folder}/\``), `docs/architecture.md names ${folder}/`);
  });
});
