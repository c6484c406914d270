// Bundles of the package as installed: what is not used is not in them, and they run.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build, transform } from "esbuild";
import { type Plugin, rollup } from "rollup";
import { executable } from "../support/process.ts";

/** A program for browsers: the core alone. */
const PROGRAM = `
import { Code, ConnectError } from "@connectrpc/connect";
import { createBalancedTransport, rawMethod, staticResolver, transportConnector } from "connect-lb";

const transport = createBalancedTransport({
  resolver: staticResolver(["127.0.0.1:1"]),
  connector: transportConnector(() => ({
    unary: () => Promise.reject(new ConnectError("no server", Code.Unavailable)),
    stream: () => Promise.reject(new ConnectError("no server", Code.Unavailable)),
  })),
});
await transport.connect();
console.log(transport.snapshot().endpoints[0].state);
await transport.close();
`;

/** What must not be in a bundle of the core alone: modules of Node, the etcd driver, the `etcd3` package, HTTP/2. */
const UNUSED = [/["'`]node:/, /etcdserverpb/, /etcd3/, /SETTINGS/];

/** What needs no module of any platform. */
const ENTRIES_EVERYWHERE = ["connect-lb", "connect-lb/fetch", "connect-lb/workers", "connect-lb/etcd-gateway"];

/** Bundles the core with bun, esbuild and rollup. */
export async function checkBundles(project: string): Promise<void> {
  const entry = join(project, "browser.js");
  writeFileSync(entry, PROGRAM);
  const bundlers: Record<string, (file: string) => unknown> = {
    bun(file) {
      return execFileSync(executable("bun"), ["build", entry, "--minify", "--target=browser", `--outfile=${file}`]);
    },
    esbuild(file) {
      return build({
        entryPoints: [entry],
        bundle: true,
        minify: true,
        format: "esm",
        platform: "browser",
        outfile: file,
      });
    },
    async rollup(file) {
      const bundle = await rollup({ input: entry, plugins: [packagesOf(project)], logLevel: "silent" });
      // It keeps comments, which name what the code does not use.
      await bundle.write({ file, format: "esm", plugins: [withoutComments] });
    },
  };
  for (const [name, bundle] of Object.entries(bundlers)) {
    const file = join(project, `browser-by-${name}.mjs`);
    await bundle(file);
    const text = readFileSync(file, "utf8");
    for (const unused of UNUSED) assert.doesNotMatch(text, unused, `${name}'s bundle of the core`);
    assert.equal(execFileSync(executable("node"), [file], { encoding: "utf8" }), "ready\n", `${name}'s bundle`);
  }
  const everywhere = ENTRIES_EVERYWHERE.map((name) => `export * from "${name}";`).join("\n");
  // Modules of Node can't be resolved for browsers.
  await build({
    stdin: { contents: everywhere, resolveDir: project },
    bundle: true,
    format: "esm",
    platform: "browser",
    write: false,
  });
  console.log(`bundles of connect-lb alone by ${Object.keys(bundlers).join(", ")}: nothing but the core, and they run`);
}

const withoutComments: Plugin = {
  name: "without comments",
  async renderChunk(code) {
    return (await transform(code, { legalComments: "none" })).code;
  },
};

/** Finds packages for rollup, which by itself knows files only. */
function packagesOf(project: string): Plugin {
  return {
    name: "packages",
    resolveId(source) {
      const [, name, rest] = /^((?:@[^/]+\/)?[^./][^/]*)(.*)$/.exec(source) ?? [];
      if (name === undefined || source.startsWith("/")) return null;
      const folder = join(project, "node_modules", name);
      const { exports } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
        exports: Readonly<Record<string, Target>>;
      };
      return join(folder, fileOf(exports[`.${rest}`]!));
    },
  };
}

type Target = string | { readonly import?: Target; readonly default?: Target };

function fileOf(target: Target): string {
  return typeof target === "string" ? target : fileOf((target.import ?? target.default)!);
}
