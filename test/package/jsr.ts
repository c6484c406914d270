// A stand-in for JSR on loopback that has one package: the files that `deno publish` would send, with the packages that
// they import spelled as deno.json says.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { root } from "../support/process.ts";

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly imports: Readonly<Record<string, string>>;
}

/** Serves the package until it is closed. `url` is for Deno's JSR_URL. */
export async function serveJsr(): Promise<{ readonly url: string; close(): void }> {
  const { name, version, exports, imports } = JSON.parse(readFileSync(join(root, "deno.json"), "utf8")) as Manifest;
  const served = new Map<string, string>();
  const manifest: Record<string, { size: number; checksum: string }> = {};
  for (const folder of ["src", "gen"]) {
    for (const path of readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })) {
      if (!path.endsWith(".ts")) continue;
      const text = withPackages(readFileSync(join(root, folder, path), "utf8"), imports);
      const checksum = `sha256-${createHash("sha256").update(text).digest("hex")}`;
      manifest[`/${folder}/${path}`] = { size: Buffer.byteLength(text), checksum };
      served.set(`/${name}/${version}/${folder}/${path}`, text);
    }
  }
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
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
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
