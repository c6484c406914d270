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

/** Everything above it in this list. */
const ABOVE = "all of the above";
/** Everything that there is: for the command, which stands above the entry points. */
const ANYTHING = "anything";

/** The layers of the core, lowest first, and what each may import from. `docs/architecture.md` has the same table. */
const CORE: Record<string, readonly string[] | typeof ABOVE> = {
  "src/shown-text.ts": [],
  "src/error-text.ts": ["src/shown-text.ts"],
  "src/listener.ts": ["src/error-text.ts"],
  "src/time": ["src/listener.ts"],
  "src/option.ts": ["src/shown-text.ts"],
  "src/endpoint.ts": ["src/option.ts"],
  "src/connectivity.ts": [],
  "src/snapshot.ts": [],
  "src/raw-method.ts": [],
  "src/fetcher.ts": [],
  "src/response-lines.ts": [],
  "src/hash": [],
  "src/connection": [
    "src/time",
    "src/option.ts",
    "src/endpoint.ts",
    "src/connectivity.ts",
    "src/listener.ts",
    "src/error-text.ts",
    "src/raw-method.ts",
    "src/snapshot.ts",
  ],
  "src/policy": [
    "src/time",
    "src/option.ts",
    "src/endpoint.ts",
    "src/connectivity.ts",
    "src/raw-method.ts",
    "src/hash",
    "src/connection",
    "gen/xds",
  ],
  "src/resolver": ["src/time", "src/option.ts", "src/endpoint.ts", "src/error-text.ts", "src/hash", "src/policy"],
  "src/health": ["src/time", "src/option.ts", "src/endpoint.ts", "src/listener.ts", "src/connection", "gen/grpc"],
  "src/balancer": ABOVE,
  "src/call": ABOVE,
  "src/observe": [],
  "src/observe/recorder": ABOVE,
  "src/transport": ABOVE,
};

/** The other branches, and which of the folders each may import from. */
const BRANCHES: Record<string, readonly string[] | typeof ANYTHING> = {
  "src/service-config": [
    "src/time",
    "src/error-text.ts",
    "src/option.ts",
    "src/resolver",
    "src/policy",
    "src/health",
    "src/call",
  ],
  "src/resolver/kubernetes": [
    "src/shown-text.ts",
    "src/time",
    "src/option.ts",
    "src/endpoint.ts",
    "src/error-text.ts",
    "src/fetcher.ts",
    "src/response-lines.ts",
    "src/connection",
    "src/resolver",
  ],
  "src/registry": ["src/time", "src/option.ts", "src/endpoint.ts", "src/listener.ts", "src/resolver"],
  "src/registry/layout": ["src/option.ts", "src/endpoint.ts", "src/registry"],
  "src/consul": [
    "src/shown-text.ts",
    "src/time",
    "src/option.ts",
    "src/endpoint.ts",
    "src/error-text.ts",
    "src/listener.ts",
    "src/fetcher.ts",
    "src/response-lines.ts",
    "src/connection",
    "src/resolver",
    "src/registry",
  ],
  "src/etcd": ["src/time", "src/option.ts", "src/endpoint.ts", "src/listener.ts", "src/resolver", "src/registry"],
  "src/etcd/driver": ["src/time", "src/endpoint.ts", "src/connection"],
  "src/etcd/driver/connect": [
    "src/time",
    "src/endpoint.ts",
    "src/error-text.ts",
    "src/connection",
    "src/etcd/driver",
    "gen/etcd",
  ],
  "src/etcd/driver/etcd3": ["src/time", "src/option.ts", "src/endpoint.ts", "src/etcd/driver"],
  "src/etcd/driver/gateway": [
    "src/shown-text.ts",
    "src/time",
    "src/endpoint.ts",
    "src/fetcher.ts",
    "src/response-lines.ts",
    "src/error-text.ts",
    "src/connection",
    "src/etcd/driver",
  ],
  "src/etcd/client": ["src/time", "src/endpoint.ts", "src/error-text.ts", "src/etcd/driver"],
  "src/etcd/registration": [
    "src/time",
    "src/listener.ts",
    "src/error-text.ts",
    "src/shown-text.ts",
    "src/registry",
    "src/etcd/client",
    "src/etcd/driver",
  ],
  "src/etcd/watch": [
    "src/time",
    "src/error-text.ts",
    "src/shown-text.ts",
    "src/endpoint.ts",
    "src/listener.ts",
    "src/resolver",
    "src/registry",
    "src/etcd/client",
    "src/etcd/driver",
  ],
  "src/server": [
    "src/time",
    "src/option.ts",
    "src/listener.ts",
    "src/snapshot.ts",
    "src/grpc/server",
    "src/http2",
    "src/socket",
    "gen/grpc",
    "gen/xds",
  ],
  "src/observe/channelz": [
    "src/option.ts",
    "src/endpoint.ts",
    "src/connectivity.ts",
    "src/error-text.ts",
    "src/shown-text.ts",
    "src/snapshot.ts",
    "src/balancer",
    "src/transport",
    "src/server",
    "src/grpc/server",
    "gen/grpc",
  ],
  "src/look-aside": [
    "src/time",
    "src/option.ts",
    "src/endpoint.ts",
    "src/connection",
    "src/policy",
    "src/resolver",
    "src/health",
    "src/transport",
    "src/registry",
    "src/grpc/server",
    "gen/grpclb",
  ],
  "src/look-aside/grpclb": [
    "src/time",
    "src/option.ts",
    "src/endpoint.ts",
    "src/error-text.ts",
    "src/connection",
    "src/policy",
    "src/resolver",
    "src/look-aside",
    "gen/grpc",
  ],
  "src/memory-etcd": ["src/time", "src/option.ts", "gen/etcd"],
  "src/http2/wire": ["src/shown-text.ts"],
  "src/http2": ["src/time", "src/option.ts", "src/snapshot.ts", "src/http2/wire"],
  "src/socket": ["src/time", "src/snapshot.ts", "src/http2"],
  "src/http2/client": ["src/shown-text.ts", "src/time", "src/option.ts", "src/http2"],
  "src/http2/server": ["src/time", "src/option.ts", "src/http2"],
  "src/grpc": ["src/option.ts", "src/http2/wire", "src/raw-method.ts", "src/error-text.ts"],
  "src/grpc/encoder": ["src/http2/wire", "src/grpc"],
  "src/grpc/decoder": ["src/grpc"],
  "src/grpc/client": [
    "src/shown-text.ts",
    "src/time",
    "src/option.ts",
    "src/raw-method.ts",
    "src/connection",
    "src/grpc",
    "src/http2",
  ],
  "src/grpc/server": [
    "src/time",
    "src/listener.ts",
    "src/option.ts",
    "src/raw-method.ts",
    "src/snapshot.ts",
    "src/grpc",
    "src/http2",
    "src/http2/server",
  ],
  "src/fetch": [
    "src/time",
    "src/option.ts",
    "src/endpoint.ts",
    "src/error-text.ts",
    "src/fetcher.ts",
    "src/connection",
    "src/grpc",
  ],
  "src/grpc/link": [
    "src/time",
    "src/option.ts",
    "src/endpoint.ts",
    "src/snapshot.ts",
    "src/connection",
    "src/grpc/client",
    "src/http2",
    "src/socket",
  ],
  "src/workers": [
    "src/time",
    "src/option.ts",
    "src/endpoint.ts",
    "src/snapshot.ts",
    "src/connection",
    "src/transport",
    "src/registry",
    "src/etcd",
    "src/http2",
    "src/grpc/client",
    "src/grpc/link",
    "src/socket",
  ],
  "src/workers/object": [
    "src/time",
    "src/option.ts",
    "src/error-text.ts",
    "src/raw-method.ts",
    "src/transport",
    "src/registry",
    "src/grpc",
    "src/fetch",
    "src/workers",
  ],
  "src/observe/otel": [
    "src/option.ts",
    "src/endpoint.ts",
    "src/connectivity.ts",
    "src/error-text.ts",
    "src/shown-text.ts",
    "src/raw-method.ts",
    "src/connection",
    "src/policy",
    "src/balancer",
    "src/call",
    "src/transport",
    "src/grpc/server",
    "src/observe",
  ],
  "src/observe/page": [
    "src/time",
    "src/option.ts",
    "src/endpoint.ts",
    "src/error-text.ts",
    "src/listener.ts",
    "src/shown-text.ts",
    "src/balancer",
    "src/registry",
    "src/server",
    "src/transport",
    "src/observe/recorder",
  ],
  "src/observe/page/browser": ["src/observe/page"],
  "src/proxy/web": [
    "src/time",
    "src/error-text.ts",
    "src/raw-method.ts",
    "src/snapshot.ts",
    "src/grpc",
    "src/grpc/server",
    "src/http2/server",
  ],
  "src/proxy": [
    "src/time",
    "src/listener.ts",
    "src/option.ts",
    "src/shown-text.ts",
    "src/raw-method.ts",
    "src/snapshot.ts",
    "src/connection",
    "src/call",
    "src/transport",
    "src/grpc",
    "src/grpc/client",
    "src/grpc/server",
    "src/http2",
    "src/http2/client",
    "src/http2/server",
    "src/http2/wire",
    "src/socket",
    "src/server",
    "src/proxy/web",
  ],
  "src/node/dns": ["src/time", "src/option.ts", "src/endpoint.ts", "src/resolver"],
  "src/node": [
    "src/time",
    "src/option.ts",
    "src/endpoint.ts",
    "src/error-text.ts",
    "src/fetcher.ts",
    "src/snapshot.ts",
    "src/listener.ts",
    "src/resolver",
    "src/resolver/kubernetes",
    "src/connection",
    "src/http2",
    "src/grpc",
    "src/grpc/client",
    "src/grpc/link",
    "src/socket",
  ],
  "src/cli": ANYTHING,
  "src/cli/commands": ANYTHING,
  "src/cli/top": ANYTHING,
  "src/cli/call": ANYTHING,
  "src/cli/doctor": ANYTHING,
  "src/cli/sidecar": ANYTHING,
  "src/cli/proxy": ANYTHING,
};

/** The folders for Node, Bun and Deno, where `node:` may stand. */
const ON_NODE = /^src\/(node|cli)\//;
const isNodeOnly = (name: string) => name.startsWith("node:") || name === "@connectrpc/connect-node";

/** What stands above all of them. */
const ENTRIES = [
  "src/index.ts",
  "src/node.ts",
  "src/fetch.ts",
  "src/etcd.ts",
  "src/etcd3.ts",
  "src/etcd-gateway.ts",
  "src/kubernetes.ts",
  "src/consul.ts",
  "src/workers.ts",
  "src/server.ts",
  "src/server-fetch.ts",
  "src/service-config.ts",
  "src/otel.ts",
  "src/page.ts",
  "src/channelz.ts",
  "src/look-aside.ts",
  "src/testing.ts",
  "src/cli.ts",
];

/** The row that a file belongs to: its folder, or itself where it stands in none. */
const rowOf = (file: string) => (dirname(file) === "src" ? file : dirname(file));

/** What the files of a row may import from; undefined for a row that is not listed. */
function allowedFor(row: string): readonly string[] | undefined {
  const allowed = CORE[row] ?? BRANCHES[row];
  if (allowed === ANYTHING) return everything();
  if (allowed !== ABOVE) return allowed;
  const rows = Object.keys(CORE);
  return rows.slice(0, rows.indexOf(row));
}

function everything(): readonly string[] {
  return [...Object.keys(CORE), ...Object.keys(BRANCHES), ...ENTRIES, "gen"];
}

/** The rows of the table in docs/architecture.md, and what its last column lets each import. */
function documented(): Map<string, readonly string[]> {
  const rows = new Map<string, readonly string[]>();
  const text = readFileSync(join(root, "docs/architecture.md"), "utf8");
  for (const [, row, column] of text.matchAll(/^\| `(src\/[^`]*?)\/?` .*\| ([^|]*?) *\|$/gm)) {
    rows.set(row!, column!.replaceAll(/ \([^)]*\)/g, "").split(", ").flatMap((name) => namedBy(name, rows)));
  }
  return rows;
}

/** What a name in the column stands for. */
function namedBy(name: string, above: ReadonlyMap<string, readonly string[]>): readonly string[] {
  if (name === "nothing") return [];
  if (name === ABOVE) return [...above.keys()];
  if (name === ANYTHING) return everything().filter((row) => row !== "gen");
  const [, base] = /^(.*) and what that may import$/.exec(name) ?? [];
  if (base !== undefined) return [`src/${base}`, ...above.get(`src/${base}`) ?? []];
  return [files.some((file) => file.startsWith(`src/${name}/`)) ? `src/${name}` : `src/${name}.ts`];
}

describe("the layers of src", () => {
  it("has files", () => assert.ok(files.length > 20));

  it("import node: and connect-node in src/node and src/cli alone", () => {
    for (const file of files) {
      if (ON_NODE.test(file)) continue;
      for (const { from } of importsOf(file)) assert.ok(!isNodeOnly(from), `${file} imports ${from}`);
    }
  });

  it("are joined with src/node by the entry points for Node, Bun and Deno and the command alone", () => {
    const entries = ENTRIES.filter((name) => name !== "src/index.ts");
    for (const file of files) {
      if (ON_NODE.test(file) || entries.includes(file)) continue;
      for (const { from } of importsOf(file)) assert.ok(!from.startsWith("src/node"), `${file} imports ${from}`);
    }
  });

  it("never import what stands above them, and are all listed", () => {
    for (const file of files.filter((name) => !ENTRIES.includes(name))) {
      const row = rowOf(file);
      const allowed = allowedFor(row);
      assert.ok(allowed !== undefined, `${row} has no row here`);
      for (const { from } of importsOf(file)) {
        const ok: boolean = from.startsWith("gen/")
          ? allowed.some((name) => from.startsWith(`${name}/`))
          : !from.startsWith("src/") || from.startsWith(`${row}/`) || rowOf(from) === row ||
            allowed.some((name) => from === name || from.startsWith(`${name}/`));
        assert.ok(ok, `${file} imports ${from}`);
      }
    }
  });

  it("have no circle of imports among files", () => {
    const done = new Set<string>();
    const visit = (file: string, path: readonly string[]) => {
      assert.ok(!path.includes(file), [...path, file].join(" → "));
      if (done.has(file)) return;
      for (const { from } of importsOf(file)) if (files.includes(from)) visit(from, [...path, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
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
        assert.match(from, /^(@bufbuild\/protobuf|@connectrpc\/connect)(\/|$)/, file);
      }
    }
  });

  it("are the rows of the table in docs/architecture.md", () => {
    assert.deepEqual([...documented().keys()].toSorted(), [...Object.keys(CORE), ...Object.keys(BRANCHES)].toSorted());
  });

  it("may import what the table in docs/architecture.md says", () => {
    for (const [row, names] of documented()) {
      const allowed = allowedFor(row)?.filter((name) => !/^gen(\/|$)/.test(name));
      assert.deepEqual(names.toSorted(), allowed?.toSorted(), row);
    }
  });
});
