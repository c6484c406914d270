// A stand-in for JSR on loopback that has one package: the files that `deno publish` would send, with the packages that
// they import spelled as deno.json says.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { executable, root, start } from "../support/process.ts";

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly imports: Readonly<Record<string, string>>;
}

/** The stand-in. */
export interface Jsr {
  /** For Deno's JSR_URL. */
  readonly url: string;
  /** The package's files, by their path in it. */
  readonly files: ReadonlyMap<string, string>;
  close(): void;
}

/** Serves the package until it is closed. */
export async function serveJsr(): Promise<Jsr> {
  const { name, version, exports, imports } = JSON.parse(readFileSync(join(root, "deno.json"), "utf8")) as Manifest;
  const files = new Map<string, string>();
  for (const path of await publishedFiles()) {
    const text = readFileSync(join(root, path), "utf8");
    files.set(path, path.endsWith(".ts") ? withPackages(text, imports) : text);
  }
  const manifest = Object.fromEntries([...files].map(([path, text]) => {
    const checksum = `sha256-${createHash("sha256").update(text).digest("hex")}`;
    return [`/${path}`, { size: Buffer.byteLength(text), checksum }];
  }));
  const served = new Map([...files].map(([path, text]) => [`/${name}/${version}/${path}`, text]));
  served.set(`/${name}/meta.json`, JSON.stringify({ latest: version, versions: { [version]: {} } }));
  served.set(`/${name}/${version}_meta.json`, JSON.stringify({ manifest, exports }));

  const server = createServer((request, response) => {
    const path = request.url ?? "";
    const text = served.get(path);
    const type = path.endsWith(".ts") ? "text/typescript" : "application/json";
    response.writeHead(text === undefined ? 404 : 200, { "content-type": type }).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    files,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** The files that `deno publish` would send, as its dry run lists them. */
async function publishedFiles(): Promise<string[]> {
  const dryRun = start(executable("deno"), ["publish", "--dry-run", "--allow-dirty", "--no-check"], {
    env: { NO_COLOR: "1" },
  });
  assert.equal((await dryRun.exited).code, 0, dryRun.lines.join("\n"));
  const urls = dryRun.lines.flatMap((line) => /^\s+(file:\S+) \(/.exec(line)?.[1] ?? []);
  assert.ok(urls.length > 100, dryRun.lines.join("\n"));
  return urls.map((url) => relative(root, fileURLToPath(url)));
}

/** Names packages in imports as `npm:/<name>@<range>/<entry>`. */
function withPackages(text: string, imports: Manifest["imports"]): string {
  return text.replaceAll(/(\bfrom |\bimport\()"([^".][^"]*)"/g, (whole, before: string, from: string) => {
    // The longest name first: connect-node's begins as connect's does.
    const names = Object.keys(imports).sort((a, b) => b.length - a.length);
    const name = names.find((candidate) => from === candidate || from.startsWith(`${candidate}/`));
    if (name === undefined) return whole;
    return `${before}"${imports[name]?.replace("npm:", "npm:/")}${from.slice(name.length)}"`;
  });
}

/** Checks that a program that imports all entries needs no package but those of Connect. */
export async function checkNeeds(folder: string, env: Readonly<Record<string, string>>): Promise<void> {
  const { name, exports } = JSON.parse(readFileSync(join(root, "deno.json"), "utf8")) as Manifest;
  const entries = Object.keys(exports).map((entry) => `jsr:${name}${entry.slice(1)}`);
  const packages = new Set<string>();
  for (const entry of entries) {
    const info = start(executable("deno"), ["info", "--json", entry], { cwd: folder, env });
    assert.equal((await info.exited).code, 0, info.lines.join("\n"));
    const from = info.lines.indexOf("{");
    const { npmPackages } = JSON.parse(info.lines.slice(from).join("\n")) as {
      npmPackages: Readonly<Record<string, { readonly name: string }>>;
    };
    for (const needed of Object.values(npmPackages)) packages.add(needed.name);
  }
  assert.deepEqual([...packages].toSorted(), ["@bufbuild/protobuf", "@connectrpc/connect"]);
  console.log(`${entries.length} entries from JSR, which need ${[...packages].join(" and ")}`);
}
