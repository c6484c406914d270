import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { root } from "../../support/process.ts";

/** The packages that a user's program has anyway. */
const PEERS = ["@bufbuild/protobuf", "@connectrpc/connect", "@connectrpc/connect-node", "etcd3"];

/** What a bundle weighs, in bytes. */
export interface Size {
  readonly minified: number;
  readonly gzipped: number;
}

/** Bundles a file of `entries/` as a user's bundler would, without the peer packages or with everything. */
export async function measure(entry: string, { peers }: { readonly peers: boolean }): Promise<Size> {
  const { outputFiles } = await build({
    entryPoints: [join(root, `test/package/size/entries/${entry}.ts`)],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2023",
    platform: "neutral",
    mainFields: ["module", "main"],
    external: ["node:*", ...peers ? [] : PEERS],
    write: false,
  });
  const bytes = outputFiles[0]!.contents;
  return { minified: bytes.length, gzipped: gzipSync(bytes, { level: 9 }).length };
}
